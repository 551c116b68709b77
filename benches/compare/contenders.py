"""Who takes part: this gateway, a bare server that reads and writes once for each request, and the caches of Debian.

Each says which programs and packages it needs and, for each configuration ("flavour") that it has, how it is started and
what the load has to send along. Peers run with one worker, with their logs off, and with what makes them cheapest.
"""
import dataclasses
import re
import shutil
import subprocess

import ours
import peers
from setup import Setup


@dataclasses.dataclass(frozen=True)
class Contender:
    name: str
    title: str
    flavours: tuple
    set_up: object
    program: str = ""
    package: str = ""
    version: str = ""


def _bare(load):
    def set_up(server):
        address = ["--address", f"127.0.0.1:{server.port}"]
        if server.flavour in ("miss", "tunnel"):
            return Setup([load, "relay", *address, "--origin", f"127.0.0.1:{server.origin.port}"], note="relay")
        return Setup([load, "origin", *address], note="")
    return set_up


def everybody(binary, load):
    """All contenders by name, installed or not; this gateway is the first."""
    found = [
        Contender("vouchsafe", "Vouchsafe", ours.FLAVOURS, ours.set_up(binary)),
        Contender("bare", "bare server", ("plain", "large", "miss", "tunnel", "million", "idle"), _bare(load)),
    ]
    for name, peer in peers.PEERS.items():
        found.append(Contender(name, peer.title, peer.flavours, peer.set_up, peer.program, peer.package))
    return {contender.name: contender for contender in found}


def version(contender):
    """What an installed peer says about its version; none where it is not installed."""
    if not shutil.which(contender.program):
        return None
    for option in ("-V", "-v"):
        said = subprocess.run([contender.program, option], capture_output=True, text=True)
        if number := re.search(r"(?:version|nginx/|varnish-|Traffic Server)\s*(\d+\.\d+[.\d]*)", said.stdout + said.stderr, re.I):
            return number[1]
    return "?"
