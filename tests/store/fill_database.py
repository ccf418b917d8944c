"""Fills a data folder with everything a rheod can hold, as its daemon writes it, and packs it: the older one of an upgrade.

Run from the root of a checkout of the release to be upgraded from, with that checkout's Python:
`PYTHONPATH=. python …/tests/store/fill_database.py filled.tar.xz`. It uses `tests.crash.erp` alone, the ERP and remotes of
the crash sweep, and reaches every state by what the ERP asks, what Tradera answers, and two daemons that end in a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from rheod.store.engine.database import Database
from tests.crash.erp import Erp, yard

SECRET = "the-key-that-seals-the-fixture"
MEMBER = {"reference": "m-1", "user_id": 300125, "user_token": "refused-by-the-simulator"}
UNREACHABLE = "http://127.0.0.1:9/nobody-listens.jpg"
_KEPT = ("rheod.db", "secret.key", "images")


def write_settings(folder: Path) -> None:
    """The settings that are not the crash sweep's: a reseller's member."""
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in MEMBER.items()]
    (folder / "rheod.toml").write_text("".join(["[[accounts]]\n", *lines]), encoding="utf-8")


async def fill(folder: Path) -> None:
    """Live through it; the last daemon ends with work of every kind left to do."""
    await (await Database.open(folder)).close()  # nothing is sealed in it yet
    (folder / "secret.key").write_text(f"{SECRET}\n", encoding="ascii")
    write_settings(folder)
    async with yard(folder) as erp:
        async with erp.daemon_running(None):
            await _what_is_over(erp)
            await _what_a_member_has(erp)
            for number in range(4):
                await erp.put(f"live-{number}", pictures=1)
                await erp.live(f"live-{number}")
            await _until(erp, "endpoints WHERE fail_count > 0")
            erp.tradera.fault("commit", "no_result", effect=False)
            await erp.put("committed", pictures=1)
            await _until_listing(erp, "committed", "committed")
            erp.tradera.fault("commit", "hang", times=None)
            erp.tradera.fault("image", "500", times=None)
            await erp.put("added", pictures=1)
            await _until_listing(erp, "added", "added")
            await erp.put("committing", pictures=0)
            await _until_listing(erp, "committing", "committing")
        erp.tradera.fault("results", "no_result", times=None)
        erp.tradera.fault("create", "hang_after")
        async with erp.daemon_running(None):
            await erp.put("adding", pictures=1)
            await _until_listing(erp, "adding", "adding")
        erp.tradera.clear_faults()
        with contextlib.suppress(Exception):  # the daemon is killed
            await _leave_work(erp)


async def _what_is_over(erp: Erp) -> None:
    """Sold and shipped, ended, delisted, deleted, refused, archived; containers, drafts and messages nobody understands."""
    for name in ("sold", "archived", "ended", "not-listed", "deleted"):
        await erp.put(name, pictures=1)
        await erp.live(name)
    order_id = await erp.tradera.sell(await erp.live("sold"), 1100)
    await erp.event("sold", "item.sold")
    await erp.track(order_id)
    await erp.until("the parcel at Tradera", lambda: erp.has_shipped(order_id))
    await erp.tradera.sell(await erp.live("archived"), 900)
    await erp.event("archived", "item.sold")
    await erp.delete("archived")
    await erp.tradera.end_unsold(await erp.live("ended"))
    await erp.event("ended", "listing.ended")
    await erp.patch("not-listed", status="not_listed")
    await erp.shows("not-listed", rheoStatus="not_listed", traderaStatus="ended")
    await erp.delete("deleted")
    erp.tradera.fault("create", "result_error")
    await erp.put("refused", pictures=1)
    await erp.event("refused", "listing.failed")
    await erp.put("draft", pictures=1, autoPublishTradera=False)
    await erp.put(
        "broken", pictures=1, autoPublishTradera=False, imageUrls=[erp.shop.url + "/pictures/html.jpg"]
    )
    await erp.put("car", pictures=0, type="container", price=None, autoPublishTradera=False, tradera=None)
    await erp.put(
        "door",
        pictures=1,
        autoPublishTradera=False,
        parentExternalId="car",
        domain={
            "domain": "auto_parts",
            "part": {"catalogCodes": {"fenix": "8341"}},
        },
    )
    await erp.tradera.sell(
        erp.tradera.list_by_hand(seller_id=next(iter(erp.tradera.keys.sellers)), title="By hand")
    )
    for text in ("this is no JSON", json.dumps({"type": "SomethingNew", "data": {}})):
        await erp.queue.post(text)
    key = await erp.daemon.ask_admin("POST", "/keys", {"name": "revoked"})
    await erp.daemon.ask_admin("DELETE", f"/keys/{key['id']}")
    await erp.daemon.ask_admin("POST", "/password", {"password": "a long and quiet password"})
    await _endpoint(erp, "other", eventTypes=["item.sold"])
    await _endpoint(erp, "down")
    erp.shop.answer_with([500] * 10_000, "down")


async def _endpoint(erp: Erp, name: str, **more: Any) -> str:
    made = await erp.daemon.call("POST", "/integration/webhooks", {"url": erp.shop.webhook_url(name), **more})
    return str(made["id"])


async def _what_a_member_has(erp: Erp) -> None:
    """An item of its own, told to the reseller as a member's; its token is refused, so that its account waits."""
    await _endpoint(erp, "members", scope="members")
    mine = dict(erp.daemon.headers)
    erp.daemon.headers = {"Authorization": mine["Authorization"], "x-partner-account": "m-1"}
    key = await erp.daemon.call("POST", "/integration/api-keys/generate", {"name": "member"})
    erp.daemon.headers = {"x-api-key": key["apiKey"]}
    body = {
        "title": "Ruta",
        "price": 300,
        "imageUrls": [],
        "autoPublishTradera": True,
        "tradera": {"categoryId": 302571},
    }
    await erp.daemon.call("PUT", "/integration/v1/items/of-member", body)
    erp.daemon.headers = mine
    await _until(erp, "pauses WHERE account_id <> ''")


async def _leave_work(erp: Erp) -> None:
    """Tradera answers nothing and the ERP takes no events: one job of each kind is left."""
    erp.tradera.fault("price", "429", times=None, retry_after="600")
    erp.tradera.fault("*", "reset", times=None)
    erp.shop.answer_with([500] * 10_000)
    async with erp.daemon_running(None):
        erp.shop.answer_with([500] * 10_000)
        ads = {
            row["external_id"]: row["tradera_item_id"]
            for row in _rows(erp, "listings JOIN items ON items.id = item_id WHERE state = 'live'")
        }
        await erp.patch("live-0", price=700)
        await erp.patch("live-1", status="not_listed")
        order_id = await erp.tradera.sell(ads["live-2"], 1200)
        await _until(erp, "inbox WHERE state = 'new'")
        (sold,) = _rows(erp, "orders WHERE shipped_at IS NULL AND known_ore IS NOT NULL")
        assert sold["order_id"] != order_id
        await erp.track(sold["order_id"])
        await erp.put("unreachable", pictures=1, imageUrls=[UNREACHABLE])
        await erp.put("withdrawn", pictures=0)
        await erp.patch("withdrawn", status="not_listed")
        for kind in (
            "publish",
            "reprice",
            "end",
            "results",
            "orders",
            "reconcile",
            "ship",
            "fetch_picture",
            "deliver",
        ):
            await _until(erp, f"jobs WHERE kind = '{kind}'")
        await erp.put("waiting", pictures=1)
        of_waiting = (
            "pictures JOIN items ON items.id = item_id WHERE external_id = 'waiting' AND state = 'ready'"
        )
        await _until(erp, of_waiting)
        await erp.tradera.end_unsold(ads["live-3"])
        await _until(erp, "jobs WHERE kind = 'close'")
        assert erp.daemon.pid is not None
        os.kill(erp.daemon.pid, signal.SIGKILL)  # in order it would stop only after it


async def _until_listing(erp: Erp, external_id: str, state: str) -> None:
    await _until(
        erp,
        f"listings JOIN items ON items.id = item_id WHERE external_id = '{external_id}' AND state = '{state}'",
    )


async def _until(erp: Erp, found: str) -> None:
    """Wait for rows; `found` is what stands behind `SELECT * FROM`."""
    await erp.until(found, lambda: bool(_rows(erp, found)))


def _rows(erp: Erp, what: str) -> list[sqlite3.Row]:
    with closing(sqlite3.connect(f"{(erp.folder / 'rheod.db').as_uri()}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        return db.execute(f"SELECT * FROM {what}").fetchall()  # noqa: S608 - a word of this file


def _pack(folder: Path, to: Path) -> None:
    with closing(sqlite3.connect(folder / "rheod.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("VACUUM")
    with tarfile.open(to, "w:xz") as packed:
        for name in _KEPT:
            packed.add(folder / name, arcname=name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


def _summary(folder: Path) -> Iterator[str]:
    with closing(sqlite3.connect(folder / "rheod.db")) as db:
        for query in (
            "SELECT rheo_status, tradera_status, count(*) FROM items GROUP BY 1, 2",
            "SELECT state, count(*) FROM listings GROUP BY 1",
            "SELECT lane, kind, state, count(*) FROM jobs GROUP BY 1, 2, 3",
            "SELECT state, type, reason FROM inbox",
            "SELECT state, count(*) FROM pictures GROUP BY 1",
            "SELECT account_id, reason FROM pauses",
            "SELECT external_id, state FROM listings JOIN items ON items.id = item_id WHERE external_id = 'waiting'",
        ):
            yield from (str(row) for row in db.execute(query))


def main() -> None:
    """Fill, pack and say what is in it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(fill(folder))
        _pack(folder, Path(sys.argv[1]))
        print("\n".join(_summary(folder)))  # noqa: T201 - a tool


if __name__ == "__main__":
    main()
