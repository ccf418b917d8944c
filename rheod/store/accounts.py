"""Rows of accounts: the default one and, by reference, those of a reseller's members; and who they are at Tradera.

An account is never removed: its items and its sales outlive its place in the settings.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from types import MappingProxyType

NO_MEMBERS: Mapping[str, int] = MappingProxyType({})


def ensure(
    db: sqlite3.Connection,
    references: Sequence[str],
    *,
    now: int,
    members: Mapping[str, int] = NO_MEMBERS,
) -> dict[str, str]:
    """Make sure the accounts of these references exist ('' is the default one); returns reference -> id of all.

    `members` are their ids at Tradera. A member who has got another reference keeps his account.
    """
    for reference in references:
        if not _renamed(db, reference, members.get(reference), references):
            _add(db, reference, now)
    known = {
        row["reference"]: row["id"] for row in db.execute("SELECT reference, id FROM accounts").fetchall()
    }
    for reference, member_id in members.items():
        add_member(db, known[reference], member_id)
    return known


def add_member(db: sqlite3.Connection, account_id: str, member_id: int) -> None:
    """Whoever sells as this member at Tradera sells for this account."""
    db.execute(
        "INSERT OR REPLACE INTO members (member_id, account_id) VALUES (?, ?)", (member_id, account_id)
    )


def _add(db: sqlite3.Connection, reference: str, now: int) -> None:
    db.execute(
        "INSERT INTO accounts (id, reference, created_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (str(uuid.uuid4()), reference, now),
    )


def _renamed(
    db: sqlite3.Connection, reference: str, member_id: int | None, references: Sequence[str]
) -> bool:
    """Whether the account of this member, under a reference that is gone, now has the new one."""
    if db.execute("SELECT 1 FROM accounts WHERE reference = ?", (reference,)).fetchone():
        return False
    row = db.execute(
        "SELECT id, reference FROM accounts JOIN members ON account_id = id WHERE member_id = ?", (member_id,)
    ).fetchone()
    if row is None or row["reference"] in {"", *references}:
        return False
    db.execute("UPDATE accounts SET reference = ? WHERE id = ?", (reference, row["id"]))
    return True


def of_members(db: sqlite3.Connection) -> dict[int, str]:
    """Everyone who sells or has sold through rheod: member id at Tradera -> account id."""
    return {
        row["member_id"]: row["account_id"]
        for row in db.execute("SELECT member_id, account_id FROM members").fetchall()
    }


def reference(db: sqlite3.Connection, account_id: str) -> str:
    """The reference of an account; '' is the default one's."""
    row = db.execute("SELECT reference FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return str(row["reference"])
