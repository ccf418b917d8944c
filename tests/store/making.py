"""Makers of rows for the tests of the store."""

from __future__ import annotations

import sqlite3
from typing import Any

from rheod.domain.model import Item, ItemSpec, Job, JobKind, JobOrder, Listing, QueueName
from rheod.store import endpoints, items, jobs, outbox
from rheod.store.jobs import Owner


def add_item(db: sqlite3.Connection, name: str = "i", *, account_id: str = "a", **values: Any) -> Item:
    """An item whose id is `name` and whose external id is `x-<name>` by default."""
    given = {"external_id": f"x-{name}", "spec": ItemSpec(title="Kopp", price_ore=10000), **values}
    item = Item(id=name, account_id=account_id, **given)
    items.add(db, item)
    return item


def add_listing(db: sqlite3.Connection, item: Item, **values: Any) -> Listing:
    """The item's first listing, named after it, by default."""
    given = {"id": f"l-{item.id}", "generation": 1, **values}
    listing = Listing(item_id=item.id, account_id=item.account_id, **given)
    items.save_listing(db, listing, now=0)
    return listing


def add_job(
    db: sqlite3.Connection, kind: JobKind, subject: str, *, now: int = 0, account_id: str = "a", **values: Any
) -> Job:
    """Order a job and return it as a queue would get it."""
    queue = QueueName.PICTURES if kind is JobKind.FETCH_PICTURE else QueueName.TRADERA
    item_id = values.pop("item_id", None)
    jobs.order(
        db,
        JobOrder(queue=queue, kind=kind, subject=subject, **values),
        Owner(account_id=account_id, item_id=item_id),
        now=now,
    )
    return job(db, kind, subject)


def job(db: sqlite3.Connection, kind: JobKind, subject: str) -> Job:
    """The job of this kind and subject; it exists."""
    return jobs.job_of(
        db.execute("SELECT * FROM jobs WHERE kind = ? AND subject = ?", (kind, subject)).fetchone()
    )


def add_endpoint(db: sqlite3.Connection, name: str = "e", *, account_id: str = "a", **values: Any) -> None:
    """An endpoint with an address."""
    given = {"url": "https://erp.example/hook", "secret": "whsec_test", **values}
    endpoints.save_endpoint(db, endpoints.Endpoint(id=name, account_id=account_id, **given))


def add_event(db: sqlite3.Connection, item: Item, *, now: int = 0, once: str | None = None) -> int | None:
    """A webhook event of the item, with its deliveries ordered."""
    count = db.execute("SELECT count(*) FROM notices").fetchone()[0]
    new = outbox.NewEvent(event_id=f"evt_{count}", type="item.created", data='{"n":1}', body=b"{}", once=once)
    owner = Owner(account_id=item.account_id, item_id=item.id)
    seq = outbox.add_event(db, new, owner, now=now)
    if seq is not None:
        outbox.order_deliveries(db, seq, now=now)
    return seq
