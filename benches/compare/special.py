"""Measurements that are more than one closed loop: many objects, memory, starting, the access log, two cores, a million objects."""
import http.client
import os
import re
import time

import machine
from servers import Server, Wrong


def zipf(bench, server):
    """Hits over many objects of which few are asked for often."""
    count = min(10_000, bench.options.objects)
    def filled():
        bench.drive(server, "--pattern", "cycle", "--count", count, "--requests", count, "--seconds", 60)
    report = bench.steady(server, "--pattern", "zipf", "--count", count, "--seconds", bench.options.seconds, asked="none", warm=filled)
    return {"cpu": report["cpu_us"]}


def memory(bench, server):
    """Bytes that processes and files grow by for each object, all of which are still there when asked for again."""
    server.restart()
    count = max(100, bench.options.objects // 10)
    # Connections and buffers exist before the first look.
    bench.drive(server, "--connections", 32, "--kind", "miss", "--requests", min(3_000, 10 * count), "--pattern", "unique", "--from", bench.fresh())
    time.sleep(0.5)
    before = machine.memory(server.pids) + machine.stored(server.folder)
    fill = ["--connections", 32, "--requests", count, "--pattern", "cycle", "--count", count, "--from", bench.fresh(), "--seconds", 600]
    bench.drive(server, *fill)
    seen = bench.origin.seen()["requests"]
    bench.drive(server, *fill)
    lost = (bench.origin.seen()["requests"] - seen) / count
    if lost > 0.01:
        raise Wrong(f"expected all of {count:,} objects to be stored, found that {lost:.0%} were asked for again")
    time.sleep(0.5)
    return {"bytes": (machine.memory(server.pids) + machine.stored(server.folder) - before) / count}


def start(bench, server):
    took = server.restart()
    bench.once(server, "--connections", 1, "--requests", 1, asked="any")
    return {"ms": took * 1e3}


def log(bench, server):
    """A hit with a line in a file; as many lines as answers."""
    path = server.folder / "access.log"
    def emptied():
        bench.drive(server, "--requests", 256)
        settled(path)
        os.truncate(path, 0)
    report = bench.steady(server, "--seconds", bench.options.seconds, asked="none", warm=emptied)
    missing = report["answers"] - settled(path, report["answers"])
    return {"cpu": (report["cpu_us"], server.note if not missing else f"{missing:,} lines missing")}


def settled(path, lines=float("inf")):
    """How many lines a file has once it has so many, or once it has not grown for longer than a log is held back."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 1.5:
        if path.stat().st_size != size:
            size, since = path.stat().st_size, time.monotonic()
        elif lines_of(path) >= lines:
            break
        time.sleep(0.1)
    return lines_of(path)


def lines_of(path):
    return path.read_bytes().count(b"\n")


def scale(bench, server):
    """What two workers on two cores achieve, of a server that has one: twice the work, less what it costs more and what is idle."""
    cpus = {machine.SERVER, machine.LOAD}
    rest = set(range(os.cpu_count())) - cpus
    hits = ["--connections", 128, "--seconds", bench.options.seconds]
    one = bench.steady(server, *hits, asked="none", warm=lambda: bench.drive(server, "--requests", 256))
    both = Server(server.contender, server.flavour, bench.top, bench.origin, frozenset(cpus))
    try:
        both.start()
        two = bench.steady(both, *hits, asked="none", warm=lambda: bench.drive(both, "--requests", 256), cpus=rest or cpus)
    finally:
        both.stop()
    more = two["cpu_us"] / one["cpu_us"]
    return {"scale": 2 / more * (1 - two["idle"]), "cpu": more, "idle": two["idle"]}


def million(bench, server):
    """Latency of hits at a rate, among so many objects that each new one makes room for itself; what of it is the machine's says
    a server that stores nothing."""
    options = bench.options
    count = max(10, min(1_000, options.objects // 100))
    hot = ["--pattern", "cycle", "--count", count, "--from", 1]
    paced = [*hot, "--rate", options.rate, "--seconds", options.seconds, "--fresh-every", 20]
    if server.name == "bare":
        return {"p999": bench.steady(server, *paced, asked="none")["p999"] / 1e3}
    if "full" not in server.kept:
        bench.drive(server, "--requests", 1_000, "--pattern", "unique", "--from", bench.fresh())
        server.restart(memory=int(weight(server, 1_000) * options.objects))
        more = int(options.objects * 1.05)
        bench.drive(server, "--requests", more, "--pattern", "unique", "--from", bench.fresh(), "--seconds", 3600)
        bench.drive(server, "--requests", 20 * count, *hot, "--seconds", 60)
        server.kept["full"] = True
    evicted = figure(server, "vouchsafe_cache_evictions_total")
    report = bench.steady(server, *paced, asked="fresh")
    evicted = figure(server, "vouchsafe_cache_evictions_total") - evicted
    entries = figure(server, "vouchsafe_cache_entries")
    return {"p999": (report["p999"] / 1e3, f"{entries:,.0f} stored, {evicted:,.0f} evicted")}


def weight(server, objects):
    """Bytes that the cache counts for an object, once it has counted them all: it says so once a second."""
    begun = time.monotonic()
    while figure(server, "vouchsafe_cache_entries") < objects:
        if time.monotonic() - begun > 10:
            raise Wrong(f"expected {objects:,} stored objects, found {figure(server, 'vouchsafe_cache_entries'):,.0f}")
        time.sleep(0.1)
    return figure(server, "vouchsafe_cache_bytes") / figure(server, "vouchsafe_cache_entries")


def figure(server, name):
    """The sum of a metric's samples."""
    connection = http.client.HTTPConnection("127.0.0.1", server.kept["admin"], timeout=30)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    samples = re.findall(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", text, re.M)
    if not samples:
        raise Wrong(f"expected the metric {name}, found none")
    return sum(map(float, samples))
