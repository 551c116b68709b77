"""Processes under test and the origin: started on their CPUs, asked whether they answer, and ended by their id."""
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time

import machine


class Wrong(Exception):
    """A measurement whose answers were not what was asked for: it has no figure."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def spawn(command, cpus, **options):
    """A process on CPUs; it inherits them, which leaves nothing to run between fork and exec."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        return subprocess.Popen([str(part) for part in command], start_new_session=True, **options)
    finally:
        os.sched_setaffinity(0, ours)


def end(process):
    """Ends a process and all below it that we started."""
    below = machine.tree(process.pid)[1:]
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pid in below:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Origin:
    def __init__(self, load, lie):
        options = ["--lie", lie] if lie else []
        self.process = spawn([load, "origin", *options], {machine.LOAD}, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def seen(self):
        """Requests since the start, how many were answered by 304, and how many each user sent."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request("GET", "/_seen")
        seen = json.loads(connection.getresponse().read())
        connection.close()
        return seen


class Server:
    """A contender in one of its configurations."""

    def __init__(self, contender, flavour, top, origin, cpus=frozenset({machine.SERVER})):
        self.contender, self.flavour, self.origin, self.cpus = contender, flavour, origin, cpus
        self.folder, self.port = top / f"{contender.name}-{flavour}-{len(cpus)}", free_port()
        self.process, self.pids, self.kept = None, [], {}

    @property
    def name(self):
        return self.contender.name

    def start(self, **more):
        """Starts it and returns the seconds from its execution to its first answer."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        # Started by root, peers drop to a user who has to write there.
        self.folder.chmod(0o777)
        self.kept = {}
        setup = self.contender.set_up(self, **more)
        self.load_options, self.note = setup.load, setup.note
        with open(self.folder / "output", "wb") as output:
            begun = time.perf_counter()
            self.process = spawn(setup.command, self.cpus, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.folder)
        target = f"http://127.0.0.1:{self.origin.port}/hit/1024/0" if "--absolute" in setup.load else "/hit/1024/0"
        while not self._answers(target):
            if self.process.poll() is not None or time.perf_counter() - begun > 20:
                said = (self.folder / "output").read_text(errors="replace")[-500:]
                raise Wrong(f"expected an answer on port {self.port}, found none: {' '.join(said.split())}")
            time.sleep(0.0005)
        took = time.perf_counter() - begun
        time.sleep(0.02)
        self.pids = machine.tree(self.process.pid)
        return took

    def _answers(self, target):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.sendall(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
                return connection.recv(65536).split(b" ")[1:2] in ([b"200"], [b"401"], [b"407"], [b"503"])
        except OSError:
            return False

    def stop(self):
        if self.process:
            end(self.process)
            self.process = None
            shutil.rmtree(self.folder, ignore_errors=True)

    def restart(self, **more):
        self.stop()
        return self.start(**more)
