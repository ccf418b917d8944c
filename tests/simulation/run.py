"""Run many seeds: `python -m tests.simulation.run 0 1000 [processes]`, or one with all it tells: `... 42`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.world import Report, run_seed


def run_many(seeds: Iterable[int], processes: int) -> list[Report]:
    """The reports of the seeds that found something; prints each and a sum."""
    began, bad, lives, calls, sales, count, live = time.monotonic(), [], 0, 0, 0, 0, 0
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for report in pool.map(run_seed, seeds, chunksize=4):
            count, lives, calls = count + 1, lives + report.lives, calls + report.calls
            sales, live = sales + report.sales, live + report.went_live
            if report.violations:
                bad.append(report)
                print(f"seed {report.seed}: {report.violations[0][:600]}", flush=True)
    print(
        f"{count} seeds in {time.monotonic() - began:.0f} s: {lives} lives, {calls} Tradera calls, {live} ads live,"
        f" {sales} orders; {len(bad)} seeds with violations"
    )
    return bad


def main(arguments: list[str]) -> int:
    """One seed in full, or a range of them."""
    if len(arguments) == 1:
        report = run_seed(int(arguments[0]))
        print(report)
        print("\n".join(report.violations) or "no violation")
        return bool(report.violations)
    first, last, *rest = map(int, arguments)
    return bool(run_many(range(first, last), rest[0] if rest else 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
