"""The delivery log: every attempt a row, read newest first by any filter however long it is."""

from __future__ import annotations

import sqlite3

import pytest

from rheod.store import outbox
from rheod.store.outbox import Attempt
from tests.store.making import add_endpoint, add_event, add_item


@pytest.mark.parametrize("ok", [True, False])
def test_every_attempt_is_logged_and_old_ones_are_dropped_bit_by_bit(
    db: sqlite3.Connection,
    ok: bool,  # noqa: FBT001 - a parameter
) -> None:
    """One row for each try; upkeep forgets at most so many at a time."""
    add_endpoint(db)
    add_event(db, add_item(db))
    attempt = Attempt(
        endpoint_id="e",
        notice_seq=1,
        url="https://erp.example/hook",
        attempt=1,
        ok=ok,
        http_status=200 if ok else None,
        error=None,
        snippet=None,
        duration_ms=3,
    )
    for at in (1, 2, 3):
        outbox.log_attempt(db, attempt, now=at)
    statuses = {row["status"] for row in db.execute("SELECT status FROM deliveries").fetchall()}
    assert statuses == {"success" if ok else "failed"}
    assert outbox.drop_old_deliveries(db, before=3, limit=1) == 1
    assert outbox.drop_old_deliveries(db, before=3, limit=9) == 1
    assert outbox.drop_old_deliveries(db, before=3, limit=9) == 0
