"""Run many seeds: `python -m tests.simulation.run 0 1000 [processes]`, or one with all it tells: `... 42`.

With `week` as the first word the runs are weeks in which what is unsold comes back.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.world import Report, run_seed, run_week


def run_many(seeds: Iterable[int], processes: int, run: Callable[[int], Report] = run_seed) -> list[Report]:
    """The reports of the seeds that found something; prints each and a sum."""
    began, bad, lives, calls, sales, count, live, returns = time.monotonic(), [], 0, 0, 0, 0, 0, 0
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for report in pool.map(run, seeds, chunksize=4):
            count, lives, calls = count + 1, lives + report.lives, calls + report.calls
            sales, live = sales + report.sales, live + report.went_live
            returns += report.returns
            if report.violations:
                bad.append(report)
                print(f"seed {report.seed}: {report.violations[0][:600]}", flush=True)
    print(
        f"{count} seeds in {time.monotonic() - began:.0f} s: {lives} lives, {calls} Tradera calls, {live} ads live,"
        f" {returns} came back, {sales} orders; {len(bad)} seeds with violations"
    )
    return bad


def main(arguments: list[str]) -> int:
    """One seed in full, or a range of them."""
    run = run_week if arguments[:1] == ["week"] else run_seed
    arguments = arguments[run is run_week :]
    if len(arguments) == 1:
        report = run(int(arguments[0]))
        print(report)
        print("\n".join(report.violations) or "no violation")
        return bool(report.violations)
    first, last, *rest = map(int, arguments)
    return bool(run_many(range(first, last), rest[0] if rest else 1, run))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
