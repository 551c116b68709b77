"""This gateway beside the caches of Debian: what a request costs, as a table with ratios.

usage: python3 benches/compare [options]

Needs Linux with two CPUs and a Rust toolchain; the release build is brought up to date first. Peers take part if
they are installed (Debian: apt-get install nginx-light haproxy varnish squid trafficserver); none of their services has to
run. The server under test has CPU 0, load and origin have CPU 1. The contenders of a scenario are up together and are
measured in alternation, and the table has the medians of the rounds: of server CPU for each answer (user and system time
of all its processes) unless the unit says otherwise. A round during which others worked on these CPUs is repeated and the
quietest one counts; "other load" is what was left, as a share of one CPU. Every answer is judged, and where one was wrong, or where
the origin was asked more or less than it should have been, the row is an error. Exit code 0: no errors; 1: some; 2: usage.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile

# Nothing is left behind in the source tree.
sys.dont_write_bytecode = True

import contenders
import machine
import table
from measuring import Bench
from scenarios import SCENARIOS
from servers import Origin, Server, Wrong

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Format(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Defaults beside options, and the text above as it is written."""


def arguments():
    names = [scenario.name for scenario in SCENARIOS]
    parser = argparse.ArgumentParser(prog="benches/compare", description=__doc__, formatter_class=Format)
    parser.add_argument("--scenario", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each scenario")
    parser.add_argument("--seconds", type=float, default=3, help="how long a load runs")
    parser.add_argument("--peers", default=",".join(contenders.peers.PEERS), help="some of nginx, haproxy, varnish, squid, trafficserver, or none")
    parser.add_argument("--binary", type=pathlib.Path, help="the gateway; left out, the release build of this tree")
    parser.add_argument("--load", type=pathlib.Path, help="the load program; left out, the release build of this tree")
    parser.add_argument("--json", type=pathlib.Path, help="where to write rows with all rounds, and loads with rates and latencies")
    parser.add_argument("--quiet", type=float, default=0.1, help="repeat a round while other work takes more than this share of a CPU")
    parser.add_argument("--retries", type=int, default=3, help="how often at most")
    parser.add_argument("--rate", type=int, default=10_000, help="requests a second where the rate is fixed")
    parser.add_argument("--objects", type=int, default=1_000_000, help="objects among which to look up; a tenth of them to weigh")
    parser.add_argument("--idle", type=int, default=10_000, help="idle connections; a tenth of them as streams")
    parser.add_argument("--bursts", type=int, default=5, help="how many cold objects the crowd follows")
    parser.add_argument("--delay", type=int, default=600, help="milliseconds of the origin where a crowd waits for it")
    parser.add_argument("--lie", choices=["number", "length", "status", "storing"], help="let the origin lie: every row has to be an error")
    options = parser.parse_args()
    options.scenario = [name for name in options.scenario.split(",") if name]
    options.peers = [name for name in options.peers.split(",") if name not in ("", "none")]
    if unknown := set(options.scenario) - set(names) | set(options.peers) - set(contenders.peers.PEERS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return options


def built(options):
    """Builds what was not named."""
    for name, target in (("binary", "--bin=vouchsafe"), ("load", "--example=load")):
        if not getattr(options, name):
            subprocess.run(["cargo", "build", "--release", "--locked", "--quiet", target], cwd=ROOT, check=True)
    options.binary = (options.binary or ROOT / "target/release/vouchsafe").resolve()
    options.load = (options.load or ROOT / "target/release/examples/load").resolve()


def taking_part(options):
    """The contenders that are wanted and installed, this gateway and the bare server first; says who is left out."""
    found = []
    for name, contender in contenders.everybody(options.binary, options.load).items():
        if not contender.program:
            found.append(contender)
        elif name in options.peers and (version := contenders.version(contender)):
            found.append(dataclasses.replace(contender, version=version))
        elif name in options.peers:
            print(f"{contender.title} is not installed (apt-get install {contender.package}): left out\n", flush=True)
    return found


def measure(bench, scenario, servers):
    """What the rounds gave for each contender, and what went wrong with whom."""
    rounds, errors = {server.name: [] for server in servers}, {}
    bench.others.clear()
    bench.loads.clear()
    for server in servers:
        try:
            server.start()
        except Wrong as wrong:
            errors[server.name] = str(wrong)
    for _ in range(bench.options.rounds):
        for server in servers:
            if server.name in errors:
                continue
            try:
                rounds[server.name].append(scenario.measure(bench, server))
            except Wrong as wrong:
                errors[server.name] = str(wrong)
                # What it still asks of the origin would be taken for another one's requests.
                server.stop()
    return rounds, errors


def run(bench, scenario, everybody):
    servers = [Server(contender, scenario.flavour, bench.top, bench.origin) for contender in everybody
               if contender.name in scenario.who and scenario.flavour in contender.flavours]
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.stop)
        rounds, errors = measure(bench, scenario, servers)
        notes = {server.name: server.note for server in servers}
    return table.results(scenario, rounds, errors, notes, max(bench.others, default=None))


def main():
    options = arguments()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("expected two CPUs, found one: the server and the load need one each")
    built(options)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Enough for all idle connections; some peers prepare for as many as there may be.
    files = 65_536 if most == resource.RLIM_INFINITY else min(most, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    os.sched_setaffinity(0, {machine.LOAD})
    # Where Debian has most peers, and where only root looks.
    os.environ["PATH"] += ":/usr/sbin"
    everybody = taking_part(options)
    printed, rows, loads = table.Table(everybody), [], []
    print(printed.head(), flush=True)
    with tempfile.TemporaryDirectory(prefix="compare-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as top:
        top = pathlib.Path(top)
        top.chmod(0o777)
        origin = Origin(options.load, options.lie)
        try:
            bench = Bench(options, origin, top)
            for scenario in SCENARIOS:
                if scenario.name in options.scenario:
                    rows += (found := run(bench, scenario, everybody))
                    loads += [{"scenario": scenario.name, **load} for load in bench.loads]
                    print("\n".join(map(printed.line, found)), flush=True)
        finally:
            origin.process.terminate()
            origin.process.wait()
            if options.json:
                options.json.write_text(json.dumps({"rows": rows, "loads": loads}, indent=1) + "\n")
    # The rows of a scenario fail together: each error is told once.
    errors = dict.fromkeys(f"{row['scenario']}, {name}: {cell['error']}" for row in rows
                           for name, cell in row["contenders"].items() if "error" in cell)
    print("".join(f"\nerror: {error}" for error in errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
