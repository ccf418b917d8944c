"""The owner's search: finds by states, id and words, page by page without gaps or doubles, and reads no whole table."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from rheod.domain.model import ItemSpec, Picture, PictureState, RheoStatus, TraderaStatus
from rheod.store import items, search
from rheod.store.search import SearchCursor, SearchQuery
from tests.store.making import add_item
from tests.stores import opened

ACTIVE, SOLD = RheoStatus.ACTIVE, RheoStatus.SOLD


def walked(db: sqlite3.Connection, sought: SearchQuery, *, limit: int = 2) -> list[str]:
    """The ids of every page, in order."""
    found: list[str] = []
    after: SearchCursor | None = None
    while True:
        hits, after = search.page(db, "a", sought, limit=limit, after=after)
        assert len(hits) <= limit
        found += [hit.id for hit in hits]
        if after is None:
            return found


def stocked(db: sqlite3.Connection) -> None:
    """Seven doors and cups in different states; one of another account, one that is gone."""
    made = [
        ("d1", "AB-1", "Dörr vänster Volvo", RheoStatus.DRAFT, None),
        ("d2", "AB-2", "Dörr höger Saab", ACTIVE, TraderaStatus.ACTIVE),
        ("d3", "C/3", "dorrhandtag VOLVO", ACTIVE, TraderaStatus.PENDING_SYNC),
        ("k1", "AB-10", "Kopp", SOLD, TraderaStatus.SOLD),
        ("k2", "K-2", 'Kopp "blå" AB-1', ACTIVE, TraderaStatus.ACTIVE),
    ]
    for at, (name, external_id, title, status, tradera) in enumerate(made):
        add_item(
            db,
            name,
            external_id=external_id,
            spec=ItemSpec(title=title, price_ore=10_000),
            rheo_status=status,
            tradera_status=tradera,
            updated_at=100 + at // 2,
        )
    add_item(db, "other", account_id="b", external_id="AB-1", spec=ItemSpec(title="Dörr"), updated_at=100)
    gone = add_item(db, "gone", external_id="AB-3", spec=ItemSpec(title="Dörr"))
    items.save(db, gone, gone, removed_at=5)


FOUND = {
    "all, the latest change first": (SearchQuery(), ["k2", "k1", "d3", "d2", "d1"]),
    "status": (SearchQuery(status="active"), ["k2", "d3", "d2"]),
    "at Tradera": (SearchQuery(tradera_status="active"), ["k2", "d2"]),
    "never at Tradera": (SearchQuery(tradera_status="never"), ["d1"]),
    "both": (SearchQuery(status="active", tradera_status="pending_sync"), ["d3"]),
    "both of nothing": (SearchQuery(status="draft", tradera_status="sold"), []),
    "beginning of an id, then a word": (SearchQuery(text="AB-1"), ["d1", "k1", "k2"]),
    "whole id with a slash": (SearchQuery(text="C/3"), ["d3"]),
    "words without their dots, newest first": (SearchQuery(text="dorr"), ["d3", "d2", "d1"]),
    "beginnings of words": (SearchQuery(text="vol DÖ"), ["d3", "d1"]),
    "words and a status": (SearchQuery(text="volvo", status="draft"), ["d1"]),
    "id and a state at Tradera": (SearchQuery(text="AB", tradera_status="sold"), ["k1"]),
    "id, never at Tradera": (SearchQuery(text="AB", tradera_status="never"), ["d1"]),
    "quotes and signs": (SearchQuery(text='"bl* (kopp) - NOT'), []),
    "a quoted word": (SearchQuery(text='"blå"'), ["k2"]),
    "no word at all": (SearchQuery(text="*-("), []),
}


@pytest.mark.parametrize("name", FOUND)
@pytest.mark.parametrize("limit", [1, 2, 50])
def test_every_search_finds_its_items(db: sqlite3.Connection, name: str, limit: int) -> None:
    """By pages of every size."""
    stocked(db)
    sought, expected = FOUND[name]
    assert walked(db, sought, limit=limit) == expected


def test_words_follow_the_title(db: sqlite3.Connection) -> None:
    """Another title brings other words; what is archived stays to be found, what is removed does not."""
    cup = add_item(db, "i", spec=ItemSpec(title="Kopp"))
    item = replace(cup, spec=ItemSpec(title="Fat"))
    items.save(db, cup, item)
    assert walked(db, SearchQuery(text="kopp")) == []
    items.save(db, item, replace(item, rheo_status=RheoStatus.ARCHIVED))
    assert walked(db, SearchQuery(text="fat")) == ["i"]
    items.save(db, item, item, removed_at=3)
    assert db.execute("SELECT count(*) FROM item_words").fetchone()[0] == 0


def test_a_copy_with_other_rows_still_finds(db: sqlite3.Connection) -> None:
    """VACUUM gives no item the words of another."""
    stocked(db)
    db.execute("PRAGMA foreign_keys=OFF")
    db.execute("DELETE FROM items WHERE id = 'd2'")
    db.execute("VACUUM")
    assert walked(db, SearchQuery(text="kopp")) == ["k2", "k1"]


def test_a_hit_shows_the_first_picture_that_is_ready(db: sqlite3.Connection) -> None:
    """One that failed is passed over."""
    item = add_item(db)
    made = [
        Picture(id="p0", item_id=item.id, position=0, url="u", state=PictureState.FAILED),
        Picture(id="p1", item_id=item.id, position=1, url="u", state=PictureState.READY, file="b.jpg"),
    ]
    items.replace_pictures(db, [], made)
    (hit,), _ = search.page(db, "a", SearchQuery(), limit=9)
    assert hit.picture == "b.jpg"


def test_a_page_reads_no_more_than_it_may(db: sqlite3.Connection) -> None:
    """Where thousands of titles fit and their states do not, a page may be empty and says where to go on."""
    db.execute("BEGIN")
    add_item(db, "first", spec=ItemSpec(title="Dörr"), rheo_status=SOLD)
    for number in range(search.MOST_READ + 10):
        add_item(db, f"i{number}", spec=ItemSpec(title="Dörr"))
    hits, after = search.page(db, "a", SearchQuery(text="dörr", status="sold"), limit=5)
    assert hits == []
    assert after is not None
    (hit,), after = search.page(db, "a", SearchQuery(text="dörr", status="sold"), limit=5, after=after)
    assert (hit.id, after) == ("first", None)


@pytest.mark.parametrize("name", FOUND)
def test_no_search_reads_the_whole_table(db: sqlite3.Connection, name: str) -> None:
    """Every plan searches an index, and nothing is sorted but the few rows of a page."""
    seen: list[str] = []
    db.set_trace_callback(seen.append)
    search.page(db, "a", FOUND[name][0], limit=9)
    db.set_trace_callback(None)
    plans = [
        row["detail"]
        for query in seen
        if not query.startswith("--") and "item_words_config" not in query  # FTS5 reads its own settings once
        for row in db.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    ]
    scans = [plan for plan in plans if plan.startswith("SCAN") and "VIRTUAL TABLE" not in plan]
    assert all(plan.startswith("SCAN (subquery") for plan in scans), plans
    assert any(plan.startswith("SEARCH items USING") for plan in plans)


async def test_words_are_kept_where_the_schema_is_not_trusted(tmp_path: Path) -> None:
    """The store's own connections write and read them."""
    async with opened(tmp_path) as database:
        await database.write(lambda db: db.execute("INSERT INTO accounts VALUES ('a', '', 0)"))
        await database.write(lambda db: add_item(db, "i"))
        assert await database.read(lambda db: walked(db, SearchQuery(text="kopp"))) == ["i"]


def test_a_question_is_made_of_the_words_alone() -> None:
    """Nothing of the search's own language gets through."""
    assert search.asked('a "b OR c* ') == '"a" AND "b" AND "OR"* AND "c*"*'
    assert search.asked(" -- ") is None
