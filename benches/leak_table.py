#!/usr/bin/env python3
"""`vouchsafe leak-test` against this gateway in its three modes and against nginx, Squid and Varnish, as a table.

usage: benches/leak_table.py [--binary PATH] [--only WORD] [--keep DIRECTORY]

Needs nginx, squid and varnishd on the PATH (Debian: nginx-light, squid, varnish) and a release build. Each cache runs in
the foreground, in a temporary directory, with its configuration of benches/peers/, on the ports that stand there.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

PEERS = pathlib.Path(__file__).parent / "peers"
ORIGIN, CACHE = "127.0.0.1:18000", "127.0.0.1:18080"
COLUMNS = ["cases", "reused", "validated", "missed", "wrong"]
LEAKS = ["leaks", "at odd spellings", "at once"]
BASE, PROXY = ["--base", f"http://{CACHE}"], ["--proxy", f"http://{CACHE}"]


def version(*command):
    """The first dotted number that a program says about itself."""
    output = subprocess.run(command, capture_output=True, text=True)
    return re.search(r"\d+\.\d+[.\d]*", output.stdout + output.stderr).group()


def write_squid(folder, collapsed):
    (folder / "squid.conf").write_text((PEERS / "squid.conf").read_text() + f"collapsed_forwarding {collapsed}\n")


def write_users(folder, binary):
    shutil.copy(PEERS / "vouchsafe-authenticating.toml", folder)
    subprocess.run([binary, "user", "set", "--file", folder / "users.htpasswd", "alice"], input="alice-secret\n", text=True,
                   check=True, capture_output=True)


def caches(binary):
    """Title, preparation of a folder, command that runs in it, and how the test reaches it."""
    ours = f"Vouchsafe {version(binary, '--version')}"
    squid = f"Squid {version('squid', '-v')}"
    nothing = lambda folder: None
    serve = lambda name: lambda folder: [binary, "serve", "--config", PEERS / name]
    run_squid = lambda folder: ["squid", "-n", "leaktest", "-N", "-f", folder / "squid.conf"]
    return [
        (f"{ours}, gateway", nothing, serve("vouchsafe-gateway.toml"), BASE),
        (f"{ours}, forward proxy", nothing, serve("vouchsafe-forward.toml"), PROXY),
        (f"{ours}, authenticating forward proxy", lambda folder: write_users(folder, binary),
         lambda folder: [binary, "serve", "--config", folder / "vouchsafe-authenticating.toml"],
         ["--proxy", f"http://alice:alice-secret@{CACHE}"]),
        (f"nginx {version('nginx', '-v')}, `proxy_cache_lock on`", nothing,
         lambda folder: ["nginx", "-p", folder, "-c", (PEERS / "nginx.conf").resolve()], BASE),
        (f"{squid}", lambda folder: write_squid(folder, "off"), run_squid, PROXY),
        (f"{squid}, `collapsed_forwarding on`", lambda folder: write_squid(folder, "on"), run_squid, PROXY),
        (f"Varnish {version('varnishd', '-V')}", nothing,
         lambda folder: ["varnishd", "-F", "-n", folder, "-a", CACHE, "-f", (PEERS / "varnish.vcl").resolve(),
                         "-s", "malloc,256m"], BASE),
    ]


def run(binary, cache):
    """The report of one cache."""
    title, prepare, command, reach = cache
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        # Started by root, Squid and nginx drop to a user who has to write there.
        os.chmod(folder, 0o777)
        prepare(folder)
        with open(folder / "output", "wb") as output:
            server = subprocess.Popen(command(folder), cwd=folder, stdout=output, stderr=output)
        try:
            test = subprocess.run([binary, "leak-test", *reach, "--listen", ORIGIN, "--json"], capture_output=True, text=True)
        finally:
            server.terminate()
            server.wait()
        if not test.stdout:
            sys.exit(f"{title}: {test.stderr}\n{(folder / 'output').read_text(errors='replace')}")
        return json.loads(test.stdout)


def figures(report):
    """The columns of one cache; leaks of the plain sequential cases, of the odd spellings, of requests at once."""
    rows = dict(report["rows"])
    odd, at_once = rows["odd spelling"]["leaks"], rows["concurrent"]["leaks"]
    return [report["total"][name] for name in COLUMNS] + [report["total"]["leaks"] - odd - at_once, odd, at_once]


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--binary", default="target/release/vouchsafe", type=pathlib.Path)
    arguments.add_argument("--only", default="", help="caches whose title contains this")
    arguments.add_argument("--keep", type=pathlib.Path, help="where to write the reports with their findings")
    given = arguments.parse_args()
    print(f"| | {' | '.join(COLUMNS + LEAKS)} |\n|---|{'---|' * len(COLUMNS + LEAKS)}")
    for number, cache in enumerate(caches(given.binary.resolve())):
        if given.only.lower() not in cache[0].lower():
            continue
        report = run(given.binary.resolve(), cache)
        print(f"| {cache[0]} | {' | '.join(format(count, ',') for count in figures(report))} |", flush=True)
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            (given.keep / f"{number}.json").write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
