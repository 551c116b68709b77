"""This gateway's configurations: every protection on, the access log off but where it is measured."""
import subprocess

from setup import BASIC, PASSWORD, USER, Setup
from servers import free_port

FLAVOURS = ("plain", "large", "basic", "digest", "miss", "validate", "tunnel", "log", "idle", "memory", "million")
GATEWAY = """
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
"""
FORWARD = """
[[listener]]
name = "bench"
address = "127.0.0.1:{port}"
mode = "forward"
auth = "{auth}"
[forward]
allow_ports = [{origin}]
connect_ports = [{origin}]
allow_networks = ["127.0.0.0/8"]
"""
# What a flavour adds to the configuration.
MORE = {
    "validate": '[[policy]]\nname = "own"\nshare_validations = false\n',
    "basic": '[auth]\nschemes = ["basic"]\n[auth.basic]\nhtpasswd = "users"\n',
    "digest": '[auth]\nrealm = "bench"\nschemes = ["digest"]\n[auth.digest]\nhtdigest = "users"\n',
    "memory": '[cache]\nmemory = "8GiB"\n',
    "million": '[cache]\nmemory = "{memory}B"\n[admin]\naddress = "127.0.0.1:{admin}"\n',
    "idle": '[limits]\nconnections_per_address = 20000\nidle_time = "10m"\n',
}
NOTES = {"basic": "bcrypt", "digest": "SHA-256"}


def set_up(binary):
    def configure(server, memory=8 << 30):
        flavour, folder = server.flavour, server.folder
        is_forward = flavour in ("basic", "digest", "tunnel")
        auth = "proxy" if flavour in ("basic", "digest") else "none"
        server.kept["admin"] = admin = free_port()
        access = folder / "access.log" if flavour == "log" else "off"
        text = (FORWARD if is_forward else GATEWAY) + MORE.get(flavour, "") + f'[log]\naccess = "{access}"\n'
        (folder / "bench.toml").write_text(text.format(port=server.port, origin=server.origin.port, auth=auth, memory=memory, admin=admin))
        if auth == "proxy":
            realm = ["--digest", "bench"] if flavour == "digest" else []
            subprocess.run([binary, "user", "set", "--file", folder / "users", *realm, USER], input=f"{PASSWORD}\n", text=True,
                           check=True, capture_output=True)
        load = ["--absolute"] if is_forward else []
        if flavour == "basic":
            load += ["--field", f"Proxy-Authorization: {BASIC}"]
        if flavour == "digest":
            load += ["--digest", f"{USER}:{PASSWORD}"]
        return Setup([binary, "serve", "--config", folder / "bench.toml"], load, NOTES.get(flavour, ""))
    return configure
