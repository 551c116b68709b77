"""How a contender is started and what the load sends to it."""
import base64
import dataclasses

USER, PASSWORD = "alice", "alice-secret"
BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclasses.dataclass
class Setup:
    command: list
    load: list = dataclasses.field(default_factory=list)
    note: str = ""
