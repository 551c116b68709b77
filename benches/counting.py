"""Instructions that one request costs, counted by valgrind: they hold still whatever else the machine does.

The gateway runs under callgrind with one worker and answers a client that asks over one connection. After some requests the
counts are written down and begin anew; what is counted until they are written down again, divided by the requests between,
is the cost of one. Client and origin wait until the gateway sleeps, so that it always does the same in the same order.
"""
import base64
import contextlib
import email.utils
import hashlib
import os
import pathlib
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time

HEAD_END = b"\r\n\r\n"
START = 120  # seconds; under valgrind a large configuration takes some
PASSWORD = "correct-horse"
HOST = "bench.example"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def read_message(connection, rest=b""):
    """Head and content of one message that has a length or no content, and what came after it."""
    while HEAD_END not in rest:
        rest += take(connection)
    head, rest = rest.split(HEAD_END, 1)
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    length = int(length[1]) if length and b" 304 " not in head.split(b"\r\n")[0] else 0
    while len(rest) < length:
        rest += take(connection)
    return head.decode(), rest[length:]


def take(connection):
    octets = connection.recv(1 << 20)
    if not octets:
        raise ConnectionError("the other side closed the connection before a message was complete")
    return octets


def settle(pid):
    """Waits until every thread of the process sleeps: then it found nothing more to read, in whatever order things came."""
    while True:
        states = set()
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                states.add((task / "stat").read_text().rsplit(")", 1)[1].split()[0])
        if states <= {"S"}:
            return
        if states & {"Z", "X"}:
            raise SystemExit("expected the gateway to answer, found that it had ended")
        time.sleep(0.0002)


class Origin:
    """Answers with so many bytes, or by 304 where a tag is sent along; each answer leaves in one piece."""

    def __init__(self, case):
        self.gateway = None
        self.says, self.vary, self.content = case.says, case.vary, b"x" * case.size
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        rest = b""
        with contextlib.suppress(ConnectionError):
            while True:
                head, rest = read_message(connection, rest)
                settle(self.gateway)
                fields = f'Date: {email.utils.formatdate(usegmt=True)}\r\nETag: "1"\r\nCache-Control: {self.says}\r\n'
                if "if-none-match:" in head.lower():
                    connection.sendall(f"HTTP/1.1 304 Not Modified\r\n{fields}\r\n".encode())
                    continue
                fields += f"Content-Type: text/plain\r\n{self.vary}Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                fields += f"Content-Length: {len(self.content)}\r\n"
                connection.sendall(f"HTTP/1.1 200 OK\r\n{fields}\r\n".encode() + self.content)


def many_rules(count):
    """Access rules each about a host of its own, the last one about what is asked for."""
    hosts = [f"h{at}.example.com" for at in range(count - 1)] + [HOST]
    return "".join(f'[[access]]\nname = "r{at}"\nallow = true\nhosts = ["{host}"]\n' for at, host in enumerate(hosts))


def many_routes(count):
    """Routes each for a path of its own, the last one for what is asked for."""
    paths = [f"/p{at}/*" for at in range(count - 1)] + ["/*"]
    return "".join(f'[[route]]\nhost = "{HOST}"\npath = "{path}"\nupstream = "origin"\n' for path in paths)


class Case:
    """What is asked for, of which configuration, and the words by which `Cache-Status` has to name each answer."""

    def __init__(self, says, expect, **given):
        self.says, self.expect = says, expect
        self.auth = given.get("auth")
        self.size, self.vary = given.get("size", 1024), given.get("vary", "")
        self.more = given.get("more", "")
        self.fields = given.get("fields", "")
        self.warm = given.get("warm", lambda turn: None)
        self.warm_count = given.get("warm_count", 0)
        self.users = given.get("users", 1)
        self.path = given.get("path", "/1k")
        self.idle = given.get("idle", 0)
        self.again = given.get("again", False)
        self.routes = given.get("routes", '[[route]]\nupstream = "origin"\n')


def configure(folder, case, origin):
    """Writes what the gateway reads; gives its port."""
    port = free_port()
    text = f"""{case.more}
[[listener]]
name = "bench"
address = "127.0.0.1:{port}"
mode = "gateway"
auth = "{'proxy' if case.auth else 'none'}"
[[upstream]]
name = "origin"
servers = ["http://127.0.0.1:{origin.port}"]
{case.routes}
[log]
access = "off"
"""
    if case.auth:
        text += f'[auth]\nrealm = "r"\nschemes = ["{case.auth}"]\n'
    if case.auth == "basic":
        sha1 = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
        lines = "".join(f"u{at}:{{SHA}}{sha1}\n" for at in range(case.users))
        private(folder / "users", lines)
        text += '[auth.basic]\nhtpasswd = "users"\nverdict_ttl = "1h"\n'
    if case.auth == "digest":
        private(folder / "users", f"u0:r:{sha256('u0:r:' + PASSWORD)}\n")
        text += '[auth.digest]\nhtdigest = "users"\nnonce_lifetime = "1h"\n'
    (folder / "bench.toml").write_text(text)
    return port


def private(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


class Client:
    """One connection on which requests follow each other."""

    def __init__(self, case, port, gateway):
        self.case, self.port, self.gateway = case, port, gateway
        self.rest, self.nonce, self.count, self.asked = b"", None, 0, 0
        self.connection = connect(port)
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.settimeout(START)

    def ask(self, path, fields=""):
        self.asked += 1
        # What comes again byte for byte has a way of its own.
        number = "" if self.case.again else f"Number: {self.asked:08}\r\n"
        lines = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}{number}{self.credentials(path)}\r\n"
        settle(self.gateway)
        self.connection.sendall(lines.encode())
        head, self.rest = read_message(self.connection, self.rest)
        return head

    def credentials(self, path):
        if self.case.auth == "basic":
            pair = base64.b64encode(f"u{self.case.users - 1}:{PASSWORD}".encode()).decode()
            return f"Proxy-Authorization: Basic {pair}\r\n"
        if self.nonce is None:
            return ""
        self.count += 1
        answer = sha256(f"{sha256('u0:r:' + PASSWORD)}:{self.nonce}:{self.count:08x}:c:auth:{sha256('GET:' + path)}")
        return (f'Proxy-Authorization: Digest username="u0", realm="r", nonce="{self.nonce}", opaque="{self.opaque}", uri="{path}", algorithm=SHA-256, '
                f'qop=auth, nc={self.count:08x}, cnonce="c", response="{answer}"\r\n')

    def begin(self):
        """Gets a nonce, fills the store, and asks once, so that everything is in place."""
        if self.case.auth == "digest":
            challenge = self.ask(self.case.path)
            self.nonce, self.opaque = re.search(r'nonce="([^"]+)", opaque="([^"]+)"', challenge).groups()
        for turn in range(self.case.warm_count):
            self.ask(*self.case.warm(turn))
        self.idle = [Client(self.case, self.port, self.gateway) for _ in range(self.case.idle)]
        for client in self.idle:
            client.ask(self.case.path, self.case.fields)
        self.ask(self.case.path, self.case.fields)

    def go_on(self, requests):
        for _ in range(requests):
            head = self.ask(self.case.path, self.case.fields)
            status = re.search(r"\r\ncache-status: ([^\r]*)", head, re.IGNORECASE)
            if not head.startswith("HTTP/1.1 200") or not status or not re.search(self.case.expect, status[1]):
                raise SystemExit(f"expected a 200 with {self.case.expect!r} in Cache-Status, found:\n{head}")


def connect(port):
    end = time.monotonic() + START
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 5)
        except OSError:
            if time.monotonic() > end:
                raise SystemExit(f"expected the gateway to listen on port {port} within {START} s, found nobody") from None
            time.sleep(0.05)


def once(binary, case, requests, few):
    """Instructions of each request, of so many after a few first ones."""
    with tempfile.TemporaryDirectory() as top:
        folder = pathlib.Path(top)
        origin = Origin(case)
        port = configure(folder, case, origin)
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder / 'counted'}", f"--vgdb-prefix={folder / 'vgdb'}",
                   str(binary), "serve", "--config", str(folder / "bench.toml")]
        with open(folder / "log", "w+") as log:
            gateway = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TOKIO_WORKER_THREADS": "1"})
            try:
                origin.gateway = gateway.pid
                client = Client(case, port, gateway.pid)
                client.begin()
                client.go_on(few)
                counted(folder, gateway.pid, 1)
                client.go_on(requests)
                return round(counted(folder, gateway.pid, 2) / requests)
            finally:
                gateway.kill()
                gateway.wait()
                origin.listener.close()


def counted(folder, gateway, number):
    """Instructions since this was asked for the last time."""
    settle(gateway)
    said = subprocess.run(["vgdb", f"--vgdb-prefix={folder / 'vgdb'}", f"--pid={gateway}", "dump"], capture_output=True, text=True)
    report = folder / f"counted.{number}"
    found = re.search(r"^(?:summary|totals): (\d+)", report.read_text(), re.MULTILINE) if report.exists() else None
    if not found:
        raise SystemExit(f"expected valgrind to write down its counts, found nothing; it said:\n{said.stdout}{said.stderr}{(folder / 'log').read_text()}")
    return int(found[1])


def per_request(binary, case, requests=2000, few=500, rounds=1):
    """The median of the rounds."""
    return statistics.median(once(binary, case, requests, few) for _ in range(rounds))
