#!/usr/bin/env python3
"""Cached hits of vouchsafe beside nginx, in one run, in alternation.

usage: benches/against_nginx.py [--rounds N] [--seconds S] [--binary PATH]

Needs nginx and wrk on the PATH and a release build. Servers run on CPU 0, the load on CPU 1. The ruler is
server CPU per request (user and system time of the process tree): it holds still where requests per second
follow whatever else the machine does. Prints each round's figures, medians and the ratios of medians.
"""
import argparse
import http.server
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")
BODY = b"x" * 1024


class Origin(http.server.BaseHTTPRequestHandler):
    """One cacheable kilobyte with the usual fields."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        for name, value in [
            ("Content-Type", "text/plain"), ("Cache-Control", "public, s-maxage=3600"), ("ETag", '"1"'),
            ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Content-Length", str(len(BODY))),
        ]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cpu_seconds(pid):
    """User and system seconds of a process and its children."""
    total = 0
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = open(f"/proc/{entry}/stat").read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if int(entry) == pid or int(fields[1]) == pid:
                total += int(fields[11]) + int(fields[12])
    return total / TICK


def nginx(folder, port, origin):
    # Started by root, nginx would drop to a user who cannot write into the folder.
    user = "user root;" if os.getuid() == 0 else ""
    text = f"""
{user} worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile off; tcp_nodelay on; keepalive_requests 1000000000;
  open_file_cache max=1000 inactive=300s;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=c:16m max_size=1g inactive=60m use_temp_path=off;
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache c; }} }}
}}"""
    (folder / "nginx.conf").write_text(text)
    return ["nginx", "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]


def vouchsafe(folder, port, origin, binary):
    text = f"""
[[listener]]
name = "bench"
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
    (folder / "bench.toml").write_text(text)
    return [binary, "serve", "--config", str(folder / "bench.toml")]


def wait_for(port):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as s:
                s.sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                if s.recv(65536).startswith(b"HTTP/1.1 200"):
                    return
        except OSError:
            pass
        time.sleep(0.02)
    sys.exit(f"port {port} does not answer")


def measure(server, port, seconds):
    before = cpu_seconds(server.pid)
    out = subprocess.run(["taskset", "-c", "1", "wrk", "-t1", "-c64", f"-d{seconds}s", f"http://127.0.0.1:{port}/1k"],
                         capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(server.pid) - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
    if "Non-2xx" in out or "Socket errors" in out:
        sys.exit(f"errors under load:\n{out}")
    return rate, used / requests * 1e6


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=3)
    options.add_argument("--binary", default=str(pathlib.Path(__file__).parent.parent / "target/release/vouchsafe"))
    options = options.parse_args()
    for tool in ("nginx", "wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is not installed")
    origin = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Origin)
    threading.Thread(target=origin.serve_forever, daemon=True).start()
    servers = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as top:
        try:
            for name in ("nginx", "vouchsafe"):
                folder, port = pathlib.Path(top) / name, free_port()
                folder.mkdir()
                make = nginx(folder, port, origin.server_port) if name == "nginx" else vouchsafe(folder, port, origin.server_port, options.binary)
                log = open(folder / "log", "w")
                servers[name] = (subprocess.Popen(["taskset", "-c", "0", *make], stdout=log, stderr=log), port)
                wait_for(port)
            figures = {name: [] for name in servers}
            for _ in range(options.rounds):
                for name, (server, port) in servers.items():
                    figures[name].append(measure(server, port, options.seconds))
                    print(f"{name:10} {figures[name][-1][0]:10,.0f} requests/s {figures[name][-1][1]:6.2f} us CPU a request", flush=True)
        finally:
            for server, _ in servers.values():
                server.terminate()
                server.wait()
    median = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in figures.items()}
    for name, (rate, cost) in median.items():
        print(f"median {name:10} {rate:10,.0f} requests/s {cost:6.2f} us CPU a request")
    print(f"ratio vouchsafe/nginx: requests {median['vouchsafe'][0] / median['nginx'][0]:.2f}, CPU {median['vouchsafe'][1] / median['nginx'][1]:.2f}")


if __name__ == "__main__":
    main()
