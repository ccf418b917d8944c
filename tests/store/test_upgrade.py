"""A data folder that an earlier release filled: today's rheod opens it, brings it up to date, and goes on selling.

`fixtures/filled_by_first_release.tar.xz` is what that release's own daemon wrote (`fill_database.py` made it do so): items and
listings in every state, a job of every kind but the look after a restore, events that wait, orders, messages, keys.
"""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from rheod.domain.model import JobKind, ListingState, PictureState, RheoStatus, TraderaStatus
from rheod.domain.orders import OrderStatus
from rheod.sandbox.sandbox import wall_clock
from rheod.store import accounts, endpoints, items, ledger, orders
from rheod.store.migrations import scripts
from tests.crash.erp import yard
from tests.store.fill_database import write_settings
from tests.stores import opened, rows

FILLED = Path(__file__).parent / "fixtures" / "filled_by_first_release.tar.xz"
_MINUTE_MS = 60_000
_A_TIME = "typeof({0}) = 'integer' AND {0} > 1500000000000"
_OPEN = "SELECT * FROM items WHERE removed_at IS NULL"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What the earlier release has left, as if it had stopped a minute ago."""
    with tarfile.open(FILLED) as packed:
        packed.extractall(tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "rheod.db", isolation_level=None)) as db:
        _let_it_be_recent(db)
    write_settings(tmp_path)
    return tmp_path


def _let_it_be_recent(db: sqlite3.Connection) -> None:
    """Move every time in the database by the same; the triggers, which would forbid or count it, are put back as they were."""
    triggers = db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").fetchall()
    tables = db.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%STRICT%'"
    ).fetchall()
    by = wall_clock() - _MINUTE_MS - db.execute("SELECT max(at) FROM calls").fetchone()[0]
    db.execute("BEGIN")
    for name, _ in triggers:
        db.execute(f"DROP TRIGGER {name}")
    for (table,) in tables:
        for column in db.execute(f"SELECT name FROM pragma_table_info('{table}')").fetchall():  # noqa: S608 - the schema's words
            when = _A_TIME.format(column[0])
            db.execute(f"UPDATE {table} SET {column[0]} = {column[0]} + ? WHERE {when}", (by,))  # noqa: S608 - as above
    for _, sql in triggers:
        db.execute(sql)
    db.execute("COMMIT")


def _as_left(folder: Path, query: str) -> list[sqlite3.Row]:
    """Read with SQLite alone, before any of today's code has opened it."""
    with closing(sqlite3.connect(folder / "rheod.db")) as db:
        db.row_factory = sqlite3.Row
        return db.execute(query).fetchall()


def test_the_fixture_holds_everything(folder: Path) -> None:
    """What the upgrade is shown with is worth showing: every state, every kind of job, messages, orders, members."""

    def found(query: str) -> set[object]:
        return {row[0] for row in _as_left(folder, query)}

    assert found("PRAGMA user_version") == {1}
    assert found("SELECT rheo_status FROM items") == set(RheoStatus)
    assert found("SELECT tradera_status FROM items") == {None, *TraderaStatus}
    assert found("SELECT state FROM listings") == set(ListingState)
    assert found("SELECT state FROM pictures") == set(PictureState)
    assert found("SELECT kind FROM jobs") == {  # all of that version, less the look after a restore
        *(JobKind.FETCH_PICTURE, JobKind.PUBLISH, JobKind.REPRICE, JobKind.END, JobKind.RESULTS),
        *(JobKind.ORDERS, JobKind.RECONCILE, JobKind.SHIP, JobKind.CLOSE, JobKind.DELIVER),
    }
    assert found("SELECT state FROM inbox") == {"new", "done", "quarantined"}
    assert found("SELECT status FROM deliveries") == {"success", "failed"}
    assert found("SELECT reference FROM accounts") == {"", "m-1"}
    for table in ("orders", "shipments", "api_keys", "audit", "marks", "pauses", "item_codes", "endpoints"):
        assert found(f"SELECT count(*) FROM {table}") != {0}, table  # noqa: S608 - words from above


async def test_it_opens_sound_and_as_it_was(folder: Path) -> None:
    """After the migrations nothing is damaged and every item, listing, picture, order and secret reads as it was left."""
    left = _as_left(folder, _OPEN)
    events = [dict(row) for row in _as_left(folder, "SELECT event_id FROM notices ORDER BY seq")]
    listings = {row["id"]: row["state"] for row in _as_left(folder, "SELECT id, state FROM listings")}
    async with opened(folder) as database:
        assert await rows(database, "PRAGMA user_version") == [{"user_version": scripts()[-1][0]}]
        assert await rows(database, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        assert await rows(database, "PRAGMA foreign_key_check") == []
        for row in left:
            item = await database.read(
                partial(items.find, account_id=row["account_id"], external_id=row["external_id"])
            )
            assert item is not None, row["external_id"]
            assert (item.id, item.rheo_status, item.tradera_status, item.spec.title, item.spec.price_ore) == (
                row["id"],
                row["rheo_status"],
                row["tradera_status"],
                row["title"],
                row["price_ore"],
            )
            pictures = await database.read(partial(items.pictures, item_id=row["id"]))
            assert [picture.url for picture in pictures] == list(item.spec.image_urls or ())
        for listing_id, state in listings.items():
            listing = await database.read(partial(items.listing, listing_id=listing_id))
            assert listing.state == state
        for order in await rows(database, "SELECT order_id FROM orders"):
            kept = await database.read(partial(orders.find, order_id=order["order_id"]))
            assert kept is not None
            assert kept.buyer
            assert kept.lines
            assert not kept.whole
            assert kept.status is not OrderStatus.READY
        assert await rows(database, "SELECT event_id FROM notices ORDER BY seq") == events
        assert await rows(database, "SELECT DISTINCT scopes FROM api_keys") == [{"scopes": "items"}]
        for account_id in (await database.read(accounts.of_members)).values():
            for endpoint in await database.read(partial(endpoints.endpoints, account_id=account_id)):
                assert endpoint.secret.startswith("whsec_")
        await database.read(partial(ledger.Ledger.load, now=wall_clock()))


async def test_it_goes_on_selling(folder: Path) -> None:
    """What waited is delivered, the item that waited is published, and its sale is told and shipped."""
    waiting = {
        row["event_id"]
        for row in _as_left(
            folder,
            "SELECT event_id FROM jobs JOIN notices ON seq = notice_seq WHERE endpoint_id ="
            " (SELECT id FROM endpoints WHERE account_id = (SELECT id FROM accounts WHERE reference = '')"
            " ORDER BY created_at LIMIT 1)",
        )
    }
    assert waiting
    async with yard(folder, seed=5) as erp, erp.daemon_running(None):
        await erp.until(
            "the events that waited",
            lambda: (
                waiting <= {each.headers["webhook-id"] for each in erp.shop.received if each.status == 200}
            ),
        )
        ad = await erp.live("waiting")
        order_id = await erp.tradera.sell(ad, 1100)
        sold = await erp.event("waiting", "item.sold")
        assert sold["salePrice"] == 1100
        await erp.shows("waiting", rheoStatus="sold", traderaStatus="sold")
        await erp.track(order_id)
        await erp.until("the parcel at Tradera", lambda: erp.has_shipped(order_id))
        await erp.put("new", pictures=1)
        await erp.live("new")
        creates = [call.own_reference for call in erp.tradera.calls if call.operation == "create"]
        assert len(creates) == len(set(creates))
