"""What connections cost that are open: idle ones, and ones in the middle of an answer."""
import contextlib
import subprocess
import time

import machine
from servers import Wrong, spawn


@contextlib.contextmanager
def held(bench, server, count, *options):
    """So many connections, each asked once over and held."""
    command = bench.command("hold", server, "--connections", count, *options)
    process = spawn(command, {machine.LOAD}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        if process.stdout.readline().strip() != str(count):
            raise Wrong(f"expected {count:,} connections to be held, found: {process.stderr.read().strip()[-300:]}")
        time.sleep(0.5)
        yield
    finally:
        process.stdin.close()
        process.wait()


def hits(bench, server):
    """CPU of a hit in a closed loop, and its 99th percentile at a rate."""
    options, warm = bench.options, lambda: bench.drive(server, "--requests", 256)
    loop = bench.steady(server, "--seconds", options.seconds, asked="none", warm=warm)
    paced = bench.steady(server, "--rate", options.rate, "--seconds", options.seconds, asked="none", warm=warm)
    return loop["cpu_us"], paced["p99"]


def idle(bench, server):
    server.restart()
    alone_cpu, alone_p99 = hits(bench, server)
    before = machine.memory(server.pids)
    with held(bench, server, bench.options.idle):
        grown = machine.memory(server.pids) - before
        cpu, p99 = hits(bench, server)
    return {"cpu": cpu / alone_cpu, "p99": p99 / alone_p99, "bytes": grown / bench.options.idle / 1024}


def streams(bench, server):
    """Answers of 1 MB that are passed through to readers who stop reading."""
    server.restart()
    count = max(1, bench.options.idle // 10)
    bench.drive(server, "--kind", "miss", "--requests", 3 * count, "--pattern", "unique", "--from", bench.fresh())
    before = machine.memory(server.pids)
    with held(bench, server, count, "--kind", "miss", "--bytes", 1 << 20, "--read", 1 << 16):
        return {"bytes": (machine.memory(server.pids) - before) / count / 1024}
