"""One measurement: a load against a server, judged, with what it cost the server and who else worked meanwhile."""
import json
import resource
import subprocess
import time
import types

import machine
from servers import Wrong

# What is kept of a load: answers, seconds, microseconds of latency, CPU of the server for an answer, work of others.
KEPT = ("answers", "seconds", "p50", "p99", "p999", "max", "cpu_us", "other", "requests")


class Bench:
    """What all measurements of a run share."""

    def __init__(self, options, origin, top):
        self.options, self.origin, self.top = options, origin, top
        self.unique, self.others, self.loads = 1 << 24, [], []
        self.directly = types.SimpleNamespace(name="origin", port=origin.port, load_options=[], pids=[])

    def command(self, role, server, *options):
        reach = ["--server", f"127.0.0.1:{server.port}", "--origin", f"127.0.0.1:{self.origin.port}"]
        return [str(part) for part in [self.options.load, role, *reach, *options]]

    def drive(self, server, *options, cpus=None):
        """Runs a load and returns what it saw. Options are those of the load program; the server adds its own."""
        command = self.command("drive", server, *options, *server.load_options)
        pinned = {machine.LOAD} if cpus is None else cpus
        command = ["taskset", "-c", ",".join(map(str, pinned)), *command]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            raise Wrong(f"the load failed: {run.stderr.strip()[-300:]}")
        report = json.loads(run.stdout)
        if report["wrong"]:
            raise Wrong(f"{report['wrong']} of {report['wrong'] + report['answers']} answers: {report['first_wrong']}")
        return report

    def fresh(self, count=1 << 24):
        """The first of so many numbers that nobody asked for."""
        self.unique += count
        return self.unique - count

    def steady(self, server, *options, asked, warm=None, cpus=None):
        """Runs a load for its time, again while others work on the machine, and keeps the quietest run.

        `asked` says how many requests the origin may see: none, one for each answer, or whatever it is ("any").
        """
        best = None
        for _ in range(1 + self.options.retries):
            if warm:
                warm()
            report = self.once(server, *options, asked=asked, cpus=cpus)
            if best is None or report["other"] < best["other"]:
                best = report
            if best["other"] <= self.options.quiet:
                break
        self.others.append(best["other"])
        self.loads.append({"contender": server.name, "flavour": getattr(server, "flavour", ""), **{key: best[key] for key in KEPT}})
        return best

    def once(self, server, *options, asked, cpus=None):
        numbers = ["--from", self.fresh()] if "unique" in options else []
        numbers += ["--fresh-from", self.fresh()] if "--fresh-every" in options else []
        seen = self.origin.seen()
        before, working = self._look(server), machine.busy({machine.SERVER, machine.LOAD})
        begun = time.perf_counter()
        report = self.drive(server, *numbers, *options, cpus=cpus)
        report["took"] = time.perf_counter() - begun
        after, worked = self._look(server), machine.busy({machine.SERVER, machine.LOAD})
        now = self.origin.seen()
        report["requests"] = now["requests"] - seen["requests"]
        report["confirmed"] = now["confirmed"] - seen["confirmed"]
        old = seen["by_user"] + [0] * len(now["by_user"])
        report["asked_by_user"] = [count - before for count, before in zip(now["by_user"], old)]
        self._check(report, asked)
        used = machine.spent(before[0], after[0])
        known = used + machine.spent(before[1], after[1]) + after[2] - before[2]
        report["cpu_us"] = used / report["answers"] * 1e6
        report["other"] = max(0.0, (worked[0] - working[0] - known) / report["took"])
        ticks = worked[0] - working[0] + worked[1] - working[1]
        # Between two ticks of the clock nothing is known.
        report["idle"] = (worked[1] - working[1]) / ticks if ticks else 0.0
        return report

    def _look(self, server):
        """CPU of the server, of the origin, and of this program with the loads that ended."""
        ended, own = resource.getrusage(resource.RUSAGE_CHILDREN), resource.getrusage(resource.RUSAGE_SELF)
        spent = ended.ru_utime + ended.ru_stime + own.ru_utime + own.ru_stime
        return machine.cpu_times(server.pids), machine.cpu_times([self.origin.process.pid]), spent

    @staticmethod
    def _check(report, asked):
        answers, requests = report["answers"], report["requests"]
        expected = {"none": 0, "each": answers, "fresh": report["fresh"], "any": requests}.get(asked, asked)
        if not answers:
            raise Wrong("expected answers, found none")
        if requests != expected:
            raise Wrong(f"expected {expected:,} requests at the origin for {answers:,} answers, found {requests:,}")
