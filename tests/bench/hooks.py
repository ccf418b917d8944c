"""What webhooks cost when receivers are down or slow: 10,000 events for a dead one, and a tarpit beside nine healthy ones.

Run it with `python -m tests.bench.hooks`. Events are put into the store of a stopped daemon. Prints figures, asserts
nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.sandbox import wall_clock
from rheod.sandbox.shop import HANG, Shop
from rheod.store.engine.encryption import SecretBox
from tests.bench.loop import percentile, resident_mb

OPEN = {
    "RHEOD_WEBHOOKS__ALLOW_HTTP": "true",
    "RHEOD_WEBHOOKS__ALLOW_PRIVATE_NETWORKS": "true",
    "RHEOD_STORAGE__KEY": "test-secret",
}
_FIRST_TRIES = 4
"""How often the receiver refuses: it is down for about ten seconds."""


def body_of(seq: int) -> bytes:
    """The bytes of the event with this number."""
    return b'{"eventId":"evt_%d","eventType":"item.created","data":{"externalId":"%d"}}' % (seq, seq)


def fill(file: Path, urls: Sequence[str], counts: Sequence[int]) -> None:
    """Put endpoints with these addresses into the store, each with so many queued events of as many items."""
    with closing(sqlite3.connect(file)) as db:
        SecretBox("test-secret").attach(db)
        account = db.execute("SELECT id FROM accounts").fetchone()[0]
        seq = 0
        for number, (url, count) in enumerate(zip(urls, counts, strict=True)):
            db.execute(
                "INSERT INTO endpoints (id, account_id, url, secret, created_at, updated_at)"
                " VALUES (?, ?, ?, seal('whsec_dGVzdC1zZWNyZXQ='), ?, ?)",
                (f"e{number}", account, url, number, number),
            )
            for _ in range(count):
                seq += 1
                _add_event(db, seq, account, f"e{number}")
        db.commit()


def _add_event(db: sqlite3.Connection, seq: int, account: str, endpoint: str) -> None:
    db.execute(
        "INSERT INTO items (id, account_id, external_id, type, title, price_ore, rheo_status, version, spec,"
        " created_at, updated_at) VALUES (?, ?, ?, 'item', 'Dörr', 100, 'active', 1, '{}', 1, 1)",
        (f"i{seq}", account, f"x{seq}"),
    )
    db.execute(
        "INSERT INTO notices (seq, event_id, account_id, item_id, type, data, body, created_at)"
        " VALUES (?, ?, ?, ?, 'item.created', '{}', ?, 1)",
        (seq, f"evt_{seq}", account, f"i{seq}", body_of(seq)),
    )
    db.execute(
        "INSERT INTO jobs (lane, kind, subject, account_id, item_id, endpoint_id, notice_seq, due_at,"
        " created_at) VALUES ('hooks', 'deliver', ?, ?, ?, ?, ?, 1, 1)",
        (f"{seq}:{endpoint}", account, f"i{seq}", endpoint, seq),
    )


async def new_store(folder: Path) -> None:
    """A store with its schema and account, and no log of an earlier life."""
    daemon = DemoDaemon(folder=folder, settings=OPEN)
    async with daemon.running():
        await daemon.address()
    daemon.log_file.unlink()


async def dead(events: int) -> None:
    """Memory while so many events wait for a receiver that refuses, and the time to send them once it takes them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = Shop(now=wall_clock)
        await shop.start()
        await new_store(folder)
        fill(folder / "rheod.db", [shop.webhook_url()], [events])
        shop.answer_with([500] * _FIRST_TRIES)
        daemon = DemoDaemon(folder=folder, settings=OPEN)
        async with daemon.running():
            await daemon.address()
            assert daemon.pid is not None
            await shop.wait_until(lambda: len(shop.received) >= min(events, _FIRST_TRIES), 60)
            print(f"{events} events, receiver down: memory {resident_mb(daemon.pid):.0f} MB")
            began = time.monotonic()
            await shop.wait_until(lambda: _taken(shop) >= events, 300)
            took = time.monotonic() - began
            print(
                f"  all sent in {took:.1f} s, memory {resident_mb(daemon.pid):.0f} MB, {_taken(shop)} distinct"
            )
        await shop.stop()


def _taken(shop: Shop) -> int:
    return len({each.body for each in shop.received if each.status == 200})


async def tarpit(*, with_tarpit: bool) -> list[float]:
    """Seconds from the start to each arrival at nine healthy receivers with 40 events each."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = Shop(now=wall_clock)
        await shop.start()
        await new_store(folder)
        shop.answer_with([HANG] * 1000, "tarpit")
        names = [f"healthy{number}" for number in range(9)] + ["tarpit"] * with_tarpit
        counts = [40] * 9 + [1000] * with_tarpit
        fill(folder / "rheod.db", [shop.webhook_url(each) for each in names], counts)
        daemon = DemoDaemon(folder=folder, settings=OPEN)
        async with daemon.running():
            await daemon.address()
            ready = wall_clock()
            await shop.wait_until(lambda: _healthy(shop) >= 360, 120)
        await shop.stop()
        return [(each.at_ms - ready) / 1000 for each in shop.received if each.name != "tarpit"]


def _healthy(shop: Shop) -> int:
    return len({(each.name, each.body) for each in shop.received if each.name != "tarpit"})


async def main() -> None:
    """Every figure once."""
    for with_tarpit in (False, True):
        took = await tarpit(with_tarpit=with_tarpit)
        words = "with a tarpit of 1,000 events" if with_tarpit else "without a tarpit"
        print(
            f"9 receivers, 40 events each, {words}: p50 {percentile(took, 0.5):.2f} s, p99 {percentile(took, 0.99):.2f} s"
        )
    for events in (0, 10_000):
        await dead(events)


if __name__ == "__main__":
    asyncio.run(main())
