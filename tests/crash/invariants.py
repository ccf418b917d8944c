"""What must hold at the end of every run: read from the remotes' records and the stopped store.

Each check yields sentences about what leaks; none means that nothing was lost and nothing happened twice.

Whether all that was acknowledged is there is asked over HTTP at the end of each story (stories.py). Forbidden connects
cannot be seen here, where every remote is on loopback: tests/net/test_ssrf_guard.py and tests/test_outgoing_addresses.py
count them. All others are below; that no secret is written is shown for every kind of output by tests/test_canary.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from rheod.domain.model import RHEO_EVENTS, WEBHOOK_EVENTS
from tests.crash.erp import Erp
from tests.crash.stories import Story

_RECONCILE = ("updated_items", "seller_items", "orders")
_STALL_MS = 1000
"""The goal is 250 ms on a machine that has time; here three daemons and all their remotes share its cores."""


def leaks(erp: Erp, story: Story, *, extra_calls: int, calls_beside: int, asked_twice: bool) -> list[str]:
    """Everything that is wrong after a run; `extra_calls` are allowed for kills and planned faults.

    `calls_beside` are those of the ads that were in work beside the one at which the daemon was killed. `asked_twice`: the ERP may have repeated a wish that had been carried out, so that it was refused twice.
    """
    with sqlite3.connect(f"{(erp.folder / 'rheod.db').as_uri()}?mode=ro", uri=True) as db:
        found = [
            *_store(db),
            *_nothing_left(db, erp.folder),
            *_milestones(db, story, asked_twice=asked_twice),
            *_deliveries(db, erp),
            *_messages(db, erp),
        ]
    db.close()
    return [
        *found,
        *_auctions(erp, story),
        *_calls(erp, story, extra_calls, calls_beside),
        *_process(erp),
        *_told(erp),
    ]


def _store(db: sqlite3.Connection) -> Iterator[str]:
    verdict = db.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict != "ok":
        yield f"sound file: integrity_check says {verdict}"
    broken = db.execute("PRAGMA foreign_key_check").fetchall()
    if broken:
        yield f"sound file: foreign_key_check finds {broken}"


def _nothing_left(db: sqlite3.Connection, folder: Path) -> Iterator[str]:
    """No job but the next readings on schedule, no temporary file, no picture's row without its file."""
    jobs = db.execute(
        "SELECT kind, subject, state, reason FROM jobs WHERE kind NOT IN ('reconcile', 'bids')"
    ).fetchall()
    if jobs:
        yield f"stuck: jobs are left: {jobs}"
    parts = [each.name for each in (folder / "images" / "tmp").glob("*")]
    if parts:
        yield f"temporary files are left: {parts}"
    for name, size in db.execute("SELECT file, size_bytes FROM pictures WHERE state = 'ready'"):
        file = folder / "images" / name
        if not file.is_file() or file.stat().st_size != size:
            yield f"a picture's row has no such file: {name}"


def _milestones(db: sqlite3.Connection, story: Story, *, asked_twice: bool) -> Iterator[str]:
    """Events once: every event exactly once, of every item exactly one row."""
    told: defaultdict[str, Counter[str]] = defaultdict(Counter)
    rows = db.execute("SELECT external_id, notices.type FROM notices JOIN items ON items.id = item_id")
    for external_id, kind in rows:
        told[external_id][kind] += 1
    for external_id, wanted in story.events.items():
        seen = told.pop(external_id, Counter())
        if asked_twice and seen["listing.failed"] == 2:
            seen["listing.failed"] = 1
        if seen != wanted:
            yield f"events once: {external_id} has {dict(seen - wanted)} too many and {dict(wanted - seen)} too few"
    if told:
        yield f"events once: items nobody sent: {dict(told)}"
    twice = db.execute("SELECT external_id FROM items GROUP BY external_id HAVING count(*) > 1").fetchall()
    if twice:
        yield f"one item: more than one item for {twice}"


def _deliveries(db: sqlite3.Connection, erp: Erp) -> Iterator[str]:
    """Each event arrives, always with the stored bytes and good signatures; attempts only go up."""
    bodies = dict(db.execute("SELECT event_id, body FROM notices WHERE body IS NOT NULL").fetchall())
    kinds = dict(db.execute("SELECT event_id, type FROM notices").fetchall())
    missing = {each: kind for each, kind in kinds.items() if (kind in WEBHOOK_EVENTS) != (each in bodies)}
    if missing:
        yield f"events once: events without a body, or the reverse: {missing}"
    arrived: set[str] = set()
    for each in erp.shop.received:
        event_id = json.loads(each.body)["eventId"]
        if each.status == 200:
            arrived.add(event_id)
        if each.body != bodies.get(event_id):
            yield f"same bytes: {event_id} arrived with a body that is not the stored one"
        if not (each.rheo_ok and each.standard_ok):
            yield f"delivered: {event_id} arrived with a bad signature"
    asked = {each for each in bodies if kinds[each] in RHEO_EVENTS}  # the endpoint has named none
    if arrived != asked:
        yield f"delivered: events that never arrived, or that nobody asked for: {[kinds[each] for each in asked ^ arrived]}"
    last: dict[int, int] = {}
    for seq, attempt in db.execute("SELECT notice_seq, attempt FROM deliveries ORDER BY id"):
        if attempt <= last.get(seq, 0):
            yield f"attempts: attempts of notice {seq} go from {last[seq]} back to {attempt}"
        last[seq] = attempt


def _messages(db: sqlite3.Connection, erp: Erp) -> Iterator[str]:
    """Push kept: every message that was deleted from the queue is kept here and dealt with, and by now that is all of them."""
    kept = dict(db.execute("SELECT message_id, state FROM inbox"))
    lost = set(erp.queue.deleted) - kept.keys()
    if lost:
        yield f"push kept: messages deleted and not kept: {sorted(lost)}"
    if set(erp.queue.deleted) != set(erp.queue.sent):
        yield f"push kept: {len(erp.queue.sent)} messages were sent, {len(set(erp.queue.deleted))} were taken"
    if set(kept.values()) - {"done"}:
        yield f"push kept: messages not dealt with: {kept}"


def _auctions(erp: Erp, story: Story) -> Iterator[str]:
    """Sold once: one ad ever for each item's generation, none beyond its returns, no second commit."""
    market = erp.tradera.market
    ever = Counter(
        reference
        for listing in market.listings.values()
        if listing.visible
        for reference in listing.own_references[:1]
    )
    for reference, count in ever.items():
        if count > 1:
            yield f"sold once: {reference} was auctioned {count} times"
    items = Counter(reference.rsplit(":", 1)[0] for reference in ever)
    again = [item for item, count in items.items() if count > 1 + story.returns]
    if again:
        yield f"sold once: items auctioned more often than they come back: {again}"
    if market.second_commits:
        yield f"sold once: {market.second_commits} second commits"
    live = erp.tradera.live_items()
    if live:
        yield f"sold once: ads still up: {[each.own_references for each in live]}"


def _calls(erp: Erp, story: Story, extra: int, beside: int) -> Iterator[str]:
    """calls: what the story needs, and for each kill or fault what had to be repeated: one call of each ad in work."""
    made = erp.tradera.calls_by_operation()
    for name in _RECONCILE:
        readings = 2 if name == "seller_items" else 1  # for the bids too
        if made.pop(name, 0) > readings * erp.lives + extra:
            yield f"calls: {name} called more than {readings} times in a life"
    over = made - story.calls
    ads = beside // 2 + 1  # each repeats what was on its way, and looks at its ad if that is refused then
    many = {name: times for name, times in over.items() if times > max(extra, story.calls[name], ads)}
    if many or over.total() > extra + beside:
        yield f"calls: calls beyond the story's: {dict(over)}"


def _process(erp: Erp) -> Iterator[str]:
    """The loop was never held up for long, and no file or thread is left."""
    if erp.stall_ms > _STALL_MS:
        yield f"no stall: the loop was held up for {erp.stall_ms} ms"
    if erp.at_start is None or erp.at_end is None or erp.at_end.has_leaked(erp.at_start):
        yield f"no leaks: {erp.at_start} at the start, {erp.at_end} at the end"


def _told(erp: Erp) -> Iterator[str]:
    """No secret was written down, and nothing failed in a way nobody foresaw."""
    log = erp.daemon.log_file.read_text("utf-8")
    kept = b"".join(file.read_bytes() for file in erp.folder.glob("rheod.db*"))
    found = sum(secret in log or secret.encode() in kept for secret in erp.secrets)
    if found:
        yield f"no secrets: {found} of {len(erp.secrets)} secrets stand in the log or the database"
    for line in log.splitlines():
        if "unexpectedly" in line or "never retrieved" in line or "Traceback" in line:
            yield f"nothing unforeseen: the log says {line[:300]}"
