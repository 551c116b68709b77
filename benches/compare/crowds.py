"""Two hundred at once: what they ask of the origin, how long they wait, and what each costs."""
from servers import Wrong

PEOPLE = 200


def crowd(bench, server, kind, users, *options, asked, bursts):
    return bench.steady(server, "--kind", kind, "--connections", PEOPLE, "--bursts", bursts, "--users", users, *options, asked=asked)


def herd(kind, users, expected):
    """A cold URL whose answer takes its time: the crowd is compared with one that asks the origin itself."""
    def measure(bench, server):
        slow = f"{kind}{bench.options.delay}"
        own = ["--own"] if kind != "hit" else []
        direct = crowd(bench, bench.directly, slow, users, *own, "--pattern", "unique", asked="each", bursts=1)
        # Whatever a peer asks of the origin is its figure; of this gateway every request too many is a mistake.
        asked = expected if server.name == "vouchsafe" else "any"
        report = crowd(bench, server, slow, users, *own, "--pattern", "unique", asked=asked, bursts=1)
        return {"asked": report["requests"], "p99": report["p99"] / direct["p99"]}
    return measure


def followers(bench, server):
    """CPU of each who asks for a cold object at once, beside the same crowd once it is stored."""
    bursts = max(1, bench.options.bursts)
    large = ["--bytes", 1 << 20]
    cold = crowd(bench, server, "hit50", PEOPLE, *large, "--pattern", "unique", asked=bursts, bursts=bursts)
    number = bench.fresh(1)
    bench.drive(server, "--kind", "hit", *large, "--from", number, "--requests", 1, "--connections", 1)
    warm = crowd(bench, server, "hit", PEOPLE, *large, "--from", number, asked="none", bursts=bursts)
    if not cold["cpu_us"] or not warm["cpu_us"]:
        raise Wrong("expected CPU time, found none")
    return {"ratio": cold["cpu_us"] / warm["cpu_us"], "cold": cold["cpu_us"], "warm": warm["cpu_us"]}
