#!/usr/bin/env python3
"""Two hundred people ask for one cold URL at once, each with credentials of their own.

usage: benches/at_once.py [--rounds N] [--people N] [--delay SECONDS] [--binary PATH]

Needs a release build. The origin answers after a delay. Each round asks the origin itself, then the gateway for a
response that may be shared, one that varies by ten credentials, and one that may not be shared. Printed are requests at
the origin, and the slowest answer as a multiple of the slowest one that the origin gave directly. An answer made for
somebody else without permission ends the run.
"""
import argparse
import asyncio
import pathlib
import socket
import statistics
import subprocess
import tempfile
import time

SAYS = {
    "shareable": "Cache-Control: public, max-age=60\r\n",
    "varying": "Cache-Control: public, max-age=60\r\nVary: Authorization\r\n",
    "private": "Cache-Control: private, max-age=60\r\n",
}
CONFIGURATION = """
[[listener]]
name = "edge"
address = "127.0.0.1:{port}"
mode = "gateway"
auth = "none"
[[upstream]]
name = "origin"
servers = ["http://127.0.0.1:{origin}"]
[[route]]
upstream = "origin"
[log]
access = "off"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Origin:
    def __init__(self, delay):
        self.delay, self.count = delay, 0

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.count += 1
                await asyncio.sleep(self.delay)
                who = next((line[15:] for line in head.split("\r\n") if line.lower().startswith("authorization:")), "nobody")
                says = SAYS[head.split(" ")[1].split("/")[1]]
                body = f"made for {who} ".encode() * 64
                writer.write(f"HTTP/1.1 200 OK\r\n{says}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        writer.close()


async def ask(port, path, who, start):
    """Seconds from the common start to the whole answer, and for whom it was made."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await start.wait()
    begun = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: example.com\r\nAuthorization: {who}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.split("content-length:")[1].split("\r\n")[0])
    body = (await reader.readexactly(length)).decode()
    taken = time.perf_counter() - begun
    writer.close()
    assert head.startswith("http/1.1 200"), head
    return taken, body[9:].split(" made for ")[0].strip()


async def crowd(port, path, credentials):
    start = asyncio.Event()
    asking = [asyncio.create_task(ask(port, path, who, start)) for who in credentials]
    await asyncio.sleep(0.2)
    start.set()
    answers = await asyncio.gather(*asking)
    if "shareable" not in path:
        wrong = [(who, got) for who, (_, got) in zip(credentials, answers) if who != got]
        assert not wrong, f"{path}: shown to somebody else: {wrong[:3]}"
    return max(taken for taken, _ in answers)


async def main(arguments):
    origin = Origin(arguments.delay)
    server = await asyncio.start_server(origin.serve, "127.0.0.1", 0, backlog=1024)
    origin_port, port = server.sockets[0].getsockname()[1], free_port()
    people = [f"Bearer user-{at}" for at in range(arguments.people)]
    ten = [f"Bearer user-{at % 10}" for at in range(arguments.people)]
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(CONFIGURATION.format(port=port, origin=origin_port))
        file.flush()
        gateway = subprocess.Popen([arguments.binary, "serve", "--config", file.name], stderr=subprocess.DEVNULL)
        try:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    await asyncio.sleep(0.02)
            rows = {}
            for turn in range(arguments.rounds):
                direct = await crowd(origin_port, f"/shareable/direct/{turn}", people)
                for kind, credentials in [("shareable", people), ("varying", ten), ("private", people)]:
                    before = origin.count
                    slowest = await crowd(port, f"/{kind}/{turn}", credentials)
                    rows.setdefault(kind, []).append((origin.count - before, slowest / direct))
        finally:
            gateway.terminate()
            gateway.wait()
    server.close()
    print(f"{arguments.people} at once, origin answers after {arguments.delay} s, medians of {arguments.rounds} rounds")
    for kind, figures in rows.items():
        counts = sorted({count for count, _ in figures})
        ratio = statistics.median(ratio for _, ratio in figures)
        print(f"{kind:10} requests at the origin {counts}, slowest answer {ratio:.2f} x the origin's own slowest")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--delay", type=float, default=0.6)
    parser.add_argument("--binary", default=str(pathlib.Path(__file__).parent.parent / "target/release/vouchsafe"))
    asyncio.run(main(parser.parse_args()))
