"""What the database looks like from outside, for a support bundle: sizes, counts, failures by kind, whether it is whole.

Reads by a connection of its own, so that nobody waits; no text of an item, a buyer or an answer is among what it tells.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

CHECK_S = 15.0
"""An integrity check is given so long; a large file is then called unchecked."""

_FAILURES = 200
_STEPS = 10_000
"""SQLite asks so often, in steps of its machine, whether to go on."""


def inspect(file: Path, *, check_s: float = CHECK_S) -> dict[str, Any]:
    """Everything as plain JSON. Takes seconds: never on the event loop. sqlite3.Error when it cannot be opened."""
    with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=5.0)) as db:
        db.row_factory = sqlite3.Row
        return {
            "schema": db.execute("PRAGMA user_version").fetchone()[0],
            "sqlite": sqlite3.sqlite_version,
            "bytes": {one.name: one.stat().st_size for one in sorted(file.parent.glob(f"{file.name}*"))},
            "rows": _rows(db),
            "jobs": _all(
                db, "SELECT lane, kind, state, count(*) AS jobs, max(attempts) AS attempts FROM jobs"
            ),
            "calls": _all(
                db,
                "SELECT operation, CASE WHEN outcome IS NULL OR outcome = 'ok' THEN coalesce(outcome, 'unknown')"
                " ELSE 'failed' END AS outcome, count(*) AS calls FROM calls",
                by="operation, 2",
            ),
            "failedDeliveries": _failures(db),
            "integrity": _integrity(db, time.monotonic() + check_s),
        }


def _all(db: sqlite3.Connection, query: str, *, by: str = "lane, kind, state") -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(f"{query} GROUP BY {by}").fetchall()]


def _rows(db: sqlite3.Connection) -> dict[str, int]:
    names = [
        row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    ]
    return {name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def _failures(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """The newest deliveries that failed: to which endpoint, never with which words."""
    rows = db.execute(
        "SELECT endpoint_id AS endpoint, event_type AS type, attempt, http_status AS status, duration_ms AS ms,"
        " created_at AS at FROM deliveries WHERE status = 'failed' ORDER BY id DESC LIMIT ?",
        (_FAILURES,),
    )
    return [dict(row) for row in rows.fetchall()]


def _integrity(db: sqlite3.Connection, deadline: float) -> list[str]:
    db.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
    try:
        return [row[0] for row in db.execute("PRAGMA quick_check(10)").fetchall()]
    except sqlite3.OperationalError as error:
        if time.monotonic() > deadline:
            return ["not finished in time: the file is large"]
        return [str(error)]
    except sqlite3.DatabaseError as error:
        return [str(error)]
    finally:
        db.set_progress_handler(None, 0)
