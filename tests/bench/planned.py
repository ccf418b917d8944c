"""What 1,000 things cost at rest that are planned to come back or to be committed for their end: CPU of the daemon.

Run it with `python -m tests.bench.planned [things] [seconds]`. Prints the share of one core beside the goal of 1 %, and asserts
nothing; the daemon is a process of its own, so that other work on the machine costs time and not CPU.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import Sandbox, wall_clock
from tests.bench.idle import cpu_s
from tests.bench.loop import connect

SETTLED_S = 8.0
GOAL = 0.01
_FAR_MS = 3 * 24 * 3600 * 1000

_PLANNED = (
    (
        "CREATE TEMP TABLE ns AS WITH RECURSIVE counted(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < :count)"
        " SELECT n, printf('i-%06d', n) AS id FROM counted"
    ),
    (
        "INSERT INTO items (id, account_id, external_id, type, title, price_ore, domain, category_id, rheo_status,"
        " tradera_status, version, spec, created_at, updated_at) SELECT id, :account, 'P-' || n, 'item', 'Kopp ' || n, 95000,"
        " 'other', 302571, 'active', iif(n % 2, 'ended', 'pending_sync'), 1, '{}', :now, :now FROM ns"
    ),
    (
        "INSERT INTO listings (id, item_id, account_id, generation, state, item_version, price_kr, days, request_id,"
        " tradera_item_id, commit_sent_at, live_at, ends_at, closed_at, created_at) SELECT 'l-' || n, id, :account, 1, 'ended', 1,"
        " 950, 7, n, n, :now, :now, :now, :now, :now FROM ns WHERE n % 2"
    ),
    (
        "INSERT INTO listings (id, item_id, account_id, generation, state, item_version, end_place, created_at)"
        " SELECT 'l-' || n, id, :account, 1, 'queued', 1, json_object('end_at', :later + 604800000 + n * 120000,"
        " 'commit_at', :later + n * 120000, 'days', 7, 'moves', 0), :now FROM ns WHERE n % 2 = 0"
    ),
    (
        "INSERT INTO relists (item_id, listing_id, account_id, at, ladder, held) SELECT id, 'l-' || n, :account,"
        " :later + n * 1000, json_object('first_kr', 950, 'price_kr', 855, 'attempt', 1, 'why', ''), 0 FROM ns WHERE n % 2"
    ),
    (
        "INSERT INTO jobs (lane, kind, subject, account_id, item_id, due_at, rank, created_at) SELECT 'tradera',"
        " iif(n % 2, 'relist', 'publish'), 'l-' || n, :account, id, :later + n * 1000, 6, :now FROM ns"
    ),
)


async def cpu_share(things: int, seconds: float) -> float:
    """The share of one core that a daemon with so many planned things takes in this time."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox(now=wall_clock, rng=random.Random(1), daily_calls=None) as sandbox:
            settings = {**sandbox.settings(), "RHEOD_PUSH__WAIT_S": "20"}
            daemon = DemoDaemon(folder=Path(folder), settings=settings)
            async with daemon.running():
                await daemon.address()
            with closing(sqlite3.connect(Path(folder) / "rheod.db")) as db, db:
                (account,) = db.execute("SELECT id FROM accounts LIMIT 1").fetchone()
                now = wall_clock()
                values = {"count": things, "account": account, "now": now, "later": now + _FAR_MS}
                for statement in _PLANNED:
                    db.execute(statement, {k: v for k, v in values.items() if f":{k}" in statement})
            daemon = DemoDaemon(folder=Path(folder), settings=settings)
            async with daemon.running():
                await daemon.address()
                await connect(daemon, sandbox)
                await asyncio.sleep(SETTLED_S)
                assert daemon.pid is not None
                before = cpu_s(daemon.pid)
                await asyncio.sleep(seconds)
                share = (cpu_s(daemon.pid) - before) / seconds
            with closing(sqlite3.connect(Path(folder) / "rheod.db")) as db:
                query = "SELECT count(*) FROM jobs WHERE kind IN ('relist', 'publish') AND state = 'due'"
                assert db.execute(query).fetchone()[0] == things
            return share


def main() -> None:
    """Print the figure."""
    things, seconds = (*map(int, sys.argv[1:]), *(1000, 30)[len(sys.argv) - 1 :])
    share = asyncio.run(cpu_share(things, seconds))
    print(f"{things} planned things at rest: {share:.2%} of a core (goal {GOAL:.0%})")


if __name__ == "__main__":
    main()
