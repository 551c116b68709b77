"""What the machine says of processes: their CPU time, their memory, and who else worked meanwhile."""
import os
import pathlib
import re

TICK = os.sysconf("SC_CLK_TCK")
# The server under test runs on the first CPU, the load and the origin on the second one.
SERVER, LOAD = 0, 1


def tree(pid):
    """A process and all below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(entry)):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return found


def _stat(pid):
    """The fields of /proc/PID/stat from the state on; none where the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None


def cpu_times(pids):
    """Seconds of CPU of each thread: in nanoseconds where the kernel counts them, else in ticks."""
    times = {}
    for pid in pids:
        try:
            for thread in os.listdir(f"/proc/{pid}/task"):
                times[pid, thread] = int(pathlib.Path(f"/proc/{pid}/task/{thread}/schedstat").read_text().split()[0]) / 1e9
        except OSError:
            if not os.path.exists("/proc/self/schedstat") and (fields := _stat(pid)):
                times[pid, "all"] = (int(fields[11]) + int(fields[12])) / TICK
    return times


def spent(before, after):
    """Seconds of CPU between two looks; threads that began in between count from their beginning."""
    return sum(seconds - before.get(thread, 0) for thread, seconds in after.items())


def memory(pids):
    """Bytes of memory of processes; what they share is divided among them."""
    kibibytes = 0
    for pid in pids:
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kibibytes += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
    return kibibytes * 1024


def stored(folder):
    """Bytes of memory or disk that the files of a folder take."""
    return sum(path.lstat().st_blocks * 512 for path in pathlib.Path(folder).rglob("*") if path.is_file())


def busy(cpus):
    """Seconds that CPUs worked since the machine started, and seconds that they did not."""
    worked = idle = 0
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name.removeprefix("cpu").isdigit() and int(name[3:]) in cpus:
            ticks = [int(field) / TICK for field in fields[:8]]
            idle += ticks[3] + ticks[4]
            worked += sum(ticks) - ticks[3] - ticks[4]
    return worked, idle
