#!/usr/bin/env python3
"""What a hit costs as configuration and store grow: the table in ARCHITECTURE.md.

usage: benches/growth.py [--binary PATH] [ROW ...]

Needs valgrind and a release build. Prints instructions of one hit, of one kilobyte where nothing else is said; ROW is the
beginning of a row's name.
"""
import argparse
import pathlib
import sys

from counting import Case, many_routes, many_rules, per_request

FRESH, HIT = "public, s-maxage=3600", "; hit"
VARYING = "Vary: Accept-Language\r\n"


def language(at):
    return f"Accept-Language: x-{at}\r\n"


def rules_of_users(count):
    users = [f"other{at}" for at in range(count - 1)] + ["u0"]
    return "".join(f'[[access]]\nname = "r{at}"\nallow = true\nusers = ["{user}"]\n' for at, user in enumerate(users))


# Row, values, and the case for a value.
ROWS = [
    ("users in htpasswd (Basic, the last one asks)", [10, 1_000, 100_000],
     lambda count: Case(FRESH, HIT, auth="basic", users=count)),
    ("access rules about hosts, the last one matches", [1, 7, 8, 100, 1_000, 5_000],
     lambda count: Case(FRESH, HIT, more=many_rules(count))),
    ("access rules about users (Basic), the last one matches", [1, 7, 8, 100, 1_000, 5_000],
     lambda count: Case(FRESH, HIT, auth="basic", more=rules_of_users(count))),
    ("routes, the last one matches", [1, 7, 8, 100, 2_000],
     lambda count: Case(FRESH, HIT, routes=many_routes(count))),
    ("variants of the key, the last one stored matches", [1, 8, 64],
     lambda count: Case(FRESH, HIT, vary=VARYING, fields=language(count), warm_count=count, warm=lambda at: ("/1k", language(at + 1)))),
    ("stored responses", [1, 100, 10_000],
     lambda count: Case(FRESH, HIT, warm_count=count - 1, warm=lambda at: (f"/other/{at}",))),
    ("open connections of others", [0, 100, 1_000],
     lambda count: Case(FRESH, HIT, idle=count)),
    ("bytes of content", [0, 1 << 10, 1 << 16, 1 << 20],
     lambda count: Case(FRESH, HIT, size=count)),
]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("rows", nargs="*")
    options.add_argument("--binary", default=str(pathlib.Path(__file__).parent.parent / "target/release/vouchsafe"))
    options = options.parse_args()
    print("| what grows | instructions of a hit |\n|---|---|")
    for name, values, case in ROWS:
        if options.rows and not any(name.startswith(row) for row in options.rows):
            continue
        found = [f"{value:,}: {per_request(options.binary, case(value), requests=500, few=100):,}" for value in values]
        print(f"| {name} | {'; '.join(found)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
