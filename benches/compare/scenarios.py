"""What is measured: each scenario with its rows, their aims, and who takes part."""
import dataclasses

import crowds
import holding
import special
from servers import Wrong

EVERYBODY = ("vouchsafe", "bare", "nginx", "haproxy", "varnish", "squid", "trafficserver")
PEERS_WITH_FILES = ("vouchsafe", "nginx", "varnish", "squid", "trafficserver")


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table. `limit` is the aim in its unit, `of_best` the aim as a share of the best peer's figure."""

    key: str
    title: str
    unit: str
    limit: float | None = None
    of_best: float | None = None
    more_is_better: bool = False


@dataclasses.dataclass(frozen=True)
class Scenario:
    name: str
    flavour: str
    who: tuple
    rows: tuple
    # Takes the bench and a started server; returns for each row's key a figure, or a figure and a note.
    measure: object


def steady(*options, warm=(), asked="none"):
    """Server CPU for each answer of a closed loop, after what it asks for was asked for once."""
    pairs = zip(options, options[1:])
    same = [part for name, value in pairs if name in ("--kind", "--bytes") for part in (name, value)]

    def measure(bench, server):
        def warmed():
            if warm:
                bench.drive(server, *same, *warm, "--requests", 256, "--seconds", 60)
        report = bench.steady(server, *options, "--seconds", bench.options.seconds, asked=asked, warm=warmed)
        return {"cpu": report["cpu_us"]}
    return measure


def validated(bench, server):
    """Every answer is confirmed by the origin to its own credentials: as many requests of each user as answers for them."""
    options = ["--kind", "zero", "--users", 64, "--seconds", bench.options.seconds]
    report = bench.steady(server, *options, asked="each", warm=lambda: bench.drive(server, *options, "--requests", 256))
    asked = report["asked_by_user"] + [0] * (len(report["by_user"]) - len(report["asked_by_user"]))
    if asked != report["by_user"]:
        raise Wrong(f"expected each user's credentials at the origin as often as answers, found {asked} for {report['by_user']}")
    share = report["confirmed"] / report["answers"]
    return {"cpu": (report["cpu_us"], "" if share > 0.99 else f"{1 - share:.0%} fetched anew")}


WARM = ("--pattern", "cycle", "--count", 1)


def us(title, limit, of_best=None):
    return (Row("cpu", title, "µs CPU", limit, of_best),)


SCENARIOS = [
    Scenario("hit", "plain", EVERYBODY, us("hit 1 KB, 64 keep-alive connections", 6.6, 0.85), steady(warm=WARM)),
    Scenario("basic", "basic", EVERYBODY, us("the same, Basic verified at the proxy", 7.2), steady(warm=WARM)),
    Scenario("digest", "digest", EVERYBODY, us("the same, Digest verified at the proxy", 10), steady(warm=WARM)),
    Scenario("zipf", "plain", EVERYBODY, us("hit over 10,000 objects, Zipf", 7.2),
             special.zipf),
    Scenario("hit100k", "large", EVERYBODY, us("hit 100 KB, 32 connections", 19),
             steady("--bytes", 102_400, "--connections", 32, warm=WARM)),
    Scenario("hit1m", "large", EVERYBODY, us("hit 1 MB, 16 connections", 175),
             steady("--bytes", 1 << 20, "--connections", 16, warm=WARM)),
    Scenario("miss", "miss", EVERYBODY, us("miss 1 KB, passed through", 15),
             steady("--kind", "miss", "--pattern", "unique", asked="each")),
    Scenario("validate", "validate", EVERYBODY, us("every request validated (s-maxage=0, 304)", 16), validated),
    Scenario("connection", "plain", EVERYBODY, us("hit 1 KB, a new connection for each request", 21), steady("--close", warm=WARM)),
    Scenario("connect1k", "tunnel", EVERYBODY, us("CONNECT, exchanges of 1 KB, 64 tunnels", 9),
             steady("--tunnel", "--kind", "miss", asked="each")),
    Scenario("connect1m", "tunnel", EVERYBODY, us("CONNECT, exchanges of 1 MB, 8 tunnels", 250),
             steady("--tunnel", "--kind", "miss", "--bytes", 1 << 20, "--connections", 8, asked="each")),
    Scenario("followers", "large", ("vouchsafe",), (
        Row("ratio", "each of 200 followers of a cold 1 MB object", "x the same crowd's hit", 1.25),
        Row("cold", "its CPU", "µs CPU"),
        Row("warm", "the same crowd once it is stored", "µs CPU"),
    ), crowds.followers),
    Scenario("memory", "memory", PEERS_WITH_FILES, (
        Row("bytes", "memory of a stored object of 1 KB", "bytes", 1_700),
    ), special.memory),
    Scenario("start", "plain", EVERYBODY[:1] + EVERYBODY[2:], (Row("ms", "start to first answer", "ms", 20),), special.start),
    Scenario("herd", "plain", PEERS_WITH_FILES, (
        Row("asked", "200 users at once, cold, shareable: requests at the origin", "requests", 1),
        Row("p99", "the same: 99th percentile", "x the origin's own", 1.1),
    ), crowds.herd("hit", 200, 1)),
    Scenario("herd-vary", "plain", ("vouchsafe",), (
        Row("asked", "200 at once, varying by 10 credentials: requests at the origin", "requests", 10),
        Row("p99", "the same: 99th percentile", "x the origin's own"),
    ), crowds.herd("vary", 10, 10)),
    Scenario("herd-private", "plain", ("vouchsafe",), (
        Row("asked", "200 at once, not shareable: requests at the origin", "requests", 200),
        Row("p99", "the same: 99th percentile", "x the origin's own"),
    ), crowds.herd("private", 200, 200)),
    Scenario("log", "log", ("vouchsafe", "nginx"), (
        Row("cpu", "hit 1 KB, access log to a file", "µs CPU"),
    ), special.log),
    Scenario("scale", "plain", ("vouchsafe",), (
        Row("scale", "two workers on two cores", "x one", 1.85, more_is_better=True),
        Row("cpu", "CPU of a request with two", "x one"),
        Row("idle", "idle share of both cores", "share"),
    ), special.scale),
    Scenario("million", "million", ("vouchsafe", "bare"), (
        Row("p999", "hit among a million objects under eviction: 99.9th percentile", "ms", 1),
    ), special.million),
    Scenario("idle", "idle", ("vouchsafe", "bare", "nginx"), (
        Row("cpu", "CPU of a hit with 10,000 idle connections open", "x without", 1.05),
        Row("p99", "99th percentile of a hit with them open", "x without", 1.1),
        Row("bytes", "memory of an idle connection", "KiB", 12),
    ), holding.idle),
    Scenario("streams", "idle", ("vouchsafe",), (
        Row("bytes", "memory of a stream that stands still", "KiB"),
    ), holding.streams),
]
