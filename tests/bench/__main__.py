"""Runs the benches that have a floor, each in a process of its own, and prints one table of ratios.

`python -m tests.bench [name ...] [--rounds 5]`: without names every bench. The exit status says whether every goal was
met. The other modules of this folder print figures of their own kind when run alone.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.bench.table import ROUNDS, Row, lines, rows_of

BENCHES = (
    "calls",
    "commits",
    "webhooks",
    "sqs_drain",
    "picture_pool",
    "publishing",
    "queries",
    "scale",
    "idle",
    "small",
)
"""The modules with a `rows(rounds)`, in the order of the table."""


def main() -> int:
    """Run what was asked for; 1 when a goal was missed."""
    arguments = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    arguments.add_argument("names", nargs="*", metavar="name", help=f"one of {', '.join(BENCHES)}")
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    asked = arguments.parse_args()
    if unknown := set(asked.names) - set(BENCHES):
        arguments.error(f"no bench called {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    found: list[Row] = []
    for name in asked.names or BENCHES:
        print(f"{name} …", file=sys.stderr, flush=True)
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found += pool.submit(rows_of, name, asked.rounds).result()
    print("\n".join(lines(found)))
    return 0 if all(row.holds for row in found) else 1


if __name__ == "__main__":
    sys.exit(main())
