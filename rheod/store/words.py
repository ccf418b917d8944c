"""Rows of words: the titles by which the owner finds items. Written with the item and never without it.

Not by triggers: in a database whose schema is not trusted they may not touch a virtual table.
"""

from __future__ import annotations

import sqlite3


def write(db: sqlite3.Connection, number: int, title: str | None) -> None:
    """Make the row of this item say its title, None for an item that is gone; what says so already is left alone."""
    row = db.execute("SELECT title FROM item_words WHERE rowid = ?", (number,)).fetchone()
    kept = None if row is None else row["title"]
    if kept == title:
        return
    if kept is not None:
        db.execute("DELETE FROM item_words WHERE rowid = ?", (number,))
    if title is not None:
        add(db, number, title)


def add(db: sqlite3.Connection, number: int, title: str) -> None:
    """Write the row of a new item."""
    db.execute("INSERT INTO item_words (rowid, title) VALUES (?, ?)", (number, title))


def asked(text: str) -> str | None:
    """The text as a question to the words: each must be there, or begin one that is; None when it has no word."""
    found = [word.replace('"', "") for word in text.split() if any(map(str.isalnum, word))]
    return " AND ".join(f'"{word}"{"*" if len(word) > 1 else ""}' for word in found) or None
