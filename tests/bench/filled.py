"""Fills the store of a stopped daemon with a reseller's stock as it stands after some years, by fast SQL.

Of ten items one is live at Tradera, one queued for it, one sold, one ended, three never to be listed there, and one each a
draft, not listed and archived. Nothing is measured here; the benches of size share it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rheod.store.engine.encryption import SecretBox

DAY_MS = 24 * 3600 * 1000

_STOCK = (
    (
        "INSERT INTO items (id, account_id, external_id, type, title, price_ore, domain, category_id, rheo_status, tradera_status,"
        " version, spec, created_at, updated_at) SELECT ns.id, :account, 'P-' || n, 'item',"
        " 'Dörr vänster fram ' || n, 95000, 'auto_parts', 302571, CASE n % 10 WHEN 2 THEN 'sold' WHEN 3 THEN 'draft'"
        " WHEN 4 THEN 'not_listed' WHEN 5 THEN 'archived' ELSE 'active' END, CASE n % 10 WHEN 0 THEN 'active'"
        " WHEN 1 THEN 'ended' WHEN 2 THEN 'sold' WHEN 6 THEN 'pending_sync' END, 1, spec_of(n), :then + n, :then + n"
        " FROM ns"
    ),
    "INSERT INTO item_words (rowid, title) SELECT number, title FROM items",
    "INSERT INTO item_codes SELECT account_id, 'Fenix', '7-' || number, id FROM items",
    (
        "INSERT INTO pictures (id, item_id, position, url, state, file, size_bytes) SELECT n || '-' || position,"
        " ns.id, position, 'https://cdn.example.com/' || n || '-' || position || '.jpg', 'ready',"
        " printf('%064x.jpg', n * 2 + position), 90000 FROM ns, (SELECT 0 AS position UNION ALL SELECT 1)"
    ),
    (
        "INSERT INTO listings (id, item_id, account_id, generation, state, item_version, price_kr, days, created_at)"
        " SELECT 'l-' || n, ns.id, :account, 1, 'queued', 1, 950, 7, :then + n FROM ns"
        " WHERE n % 10 = 6"
    ),
    (
        "INSERT INTO listings (id, item_id, account_id, generation, state, item_version, price_kr, days, request_id,"
        " tradera_item_id, commit_sent_at, live_at, ends_at, ask_at, closed_at, created_at)"
        " SELECT 'l-' || n, ns.id, :account, 1, CASE n % 10 WHEN 0 THEN iif(n % 1000, 'live',"
        " 'committed') WHEN 1 THEN 'ended' ELSE 'sold' END, 1, 950, 7, n + 1, n + 1, :then + n, :then + n,"
        " :now + 3 * 86400000, iif(n % 1000, NULL, :now + 43200000), iif(n % 10, :then + n, NULL), :then + n FROM ns"
        " WHERE n % 10 IN (0, 1, 2)"
    ),
    (
        "INSERT INTO notices (event_id, account_id, item_id, type, data, body, created_at) SELECT 'c-' || n, :account,"
        " ns.id, 'item.created', '{}', body_of('item.created', n), :then + n FROM ns"
    ),
    (
        "INSERT INTO notices (event_id, account_id, item_id, type, data, body, created_at) SELECT 's-' || n, :account,"
        " ns.id, 'item.sold', json_object('orderId', n), body_of('item.sold', n), :then + n FROM ns"
        " WHERE n % 10 = 2"
    ),
    (
        "INSERT INTO orders (order_id, account_id, subtotal_ore, known_ore, month, buyer, paid_at, shipped_at,"
        " created_at, updated_at, received_at) SELECT n, :account, 95000, 95000, '2026-04', '{\"name\": \"Test\"}',"
        " :then + n, :then + n, :then + n, :then + n, :then + n FROM ns WHERE n % 10 = 2"
    ),
    (
        "INSERT INTO order_lines SELECT n, n + 1, ns.id, :account, '2026-04', 'auto_parts', 1, 95000,"
        " 'Dörr vänster fram ' || n FROM ns WHERE n % 10 = 2"
    ),
    (
        "INSERT INTO inbox (message_id, business_key, account_id, type, order_id, body, state, received_at, settled_at)"
        " SELECT 'm-' || n, 'OrderCreated:' || n, :account, 'OrderCreated', n, '{\"OrderId\": 1}', 'done', :then + n,"
        " :then + n FROM ns WHERE n % 10 = 2"
    ),
    (
        "INSERT INTO endpoints (id, account_id, url, secret, active, removed_at, created_at, updated_at)"
        " VALUES ('gone', :account, NULL, seal(''), 0, 1, 0, 0)"
    ),
    (
        "INSERT INTO deliveries (endpoint_id, account_id, notice_seq, event_type, url, attempt, status, http_status,"
        " snippet, duration_ms, created_at) SELECT 'gone', account_id, seq, type, 'https://erp.example/hook', 1,"
        " 'success', 200, 'ok', 50, :now - seq FROM notices WHERE seq <= :count / 2"
    ),
)

_JOBS = (
    (
        "INSERT INTO jobs (lane, kind, subject, account_id, item_id, due_at, cost, rank, created_at) SELECT 'tradera',"
        " 'publish', l.id, :account, l.item_id, :due, 5, 6, :now FROM ns JOIN listings l ON l.id = 'l-' || (n * 10 + 6)"
    ),
    (
        "INSERT INTO jobs (lane, kind, subject, account_id, item_id, due_at, created_at) SELECT 'images',"
        " 'fetch_picture', n || '-0', :account, ns.id, :due + n, :now FROM ns"
    ),
    (
        "INSERT INTO jobs (lane, kind, subject, account_id, due_at, created_at) SELECT 'sales', 'close', 1000000000 + n,"
        " :account, :due + n, :now FROM ns"
    ),
)

_EVENTS = (
    "INSERT INTO notices (event_id, account_id, item_id, type, data, body, created_at) SELECT :over || '-w-' || n, :account,"
    " (SELECT id FROM items WHERE number = n % :over + 1), 'listing.ended', '{}', body_of('listing.ended', n), :now + n FROM ns"
)
_DELIVERIES = (
    "INSERT INTO jobs (lane, kind, subject, account_id, item_id, endpoint_id, notice_seq, due_at, created_at)"
    " SELECT 'hooks', 'deliver', seq || ':' || :endpoint, :account, item_id, :endpoint, seq, :due, :now FROM notices"
    " WHERE seq >= :first"
)


def put_body(number: int, *, price: int) -> bytes:
    """The item of this number as its ERP sends it again, at another price (SEK)."""
    spec = json.loads(_spec_of(number))
    told = {
        "title": f"Dörr vänster fram {number}",
        "description": spec["description"],
        "price": price,
        "imageUrls": spec["image_urls"],
        "domain": {"domain": spec["domain"], **spec["attributes"]},
        "metadata": spec["metadata"],
        "autoPublishTradera": False,
        "tradera": {"categoryId": spec["tradera"]["category_id"]},
    }
    return json.dumps(told, ensure_ascii=False).encode()


def stock(folder: Path, count: int, *, now: int) -> None:
    """Put so many items into the store of the stopped daemon of this folder; `now` in ms."""
    with _opened(folder, count) as db:
        values = _values(db, now) | {"count": count}
        for statement in _STOCK:
            db.execute(statement, values)


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """What waits: so many jobs in all over the queues, so many deliveries to each of two endpoints, one of them dead.

    `over` is how many items the deliveries are about; the endpoints are called `healthy-<over>` and `dead-<over>`. With
    `resting` the jobs become due tomorrow, the deliveries now all the same.
    """

    jobs: int = 100_000
    deliveries: int = 100_000
    over: int = 1000
    resting: bool = False


def queue(folder: Path, backlog: Backlog, *, now: int) -> None:
    """Have a backlog wait in a store that `stock` has filled."""
    due = now - DAY_MS
    with _opened(folder, backlog.jobs // len(_JOBS)) as db:
        values = _values(db, now) | {"due": now + DAY_MS if backlog.resting else due}
        for statement in _JOBS:
            db.execute(statement, values)
    with _opened(folder, backlog.deliveries) as db:
        first = db.execute("SELECT max(seq) + 1 FROM notices").fetchone()[0]
        values |= {"over": backlog.over, "first": first, "due": due}
        db.execute(_EVENTS, values)
        for kind, failures in (("healthy", 0), ("dead", 5)):
            endpoint = f"{kind}-{backlog.over}"
            db.execute(
                "INSERT INTO endpoints (id, account_id, url, secret, fail_count, probe_at, created_at, updated_at)"
                " VALUES (?, ?, 'https://127.0.0.1:1/', seal('test-secret'), ?, ?, 0, 0)",
                (endpoint, values["account"], failures, due),
            )
            db.execute(_DELIVERIES, values | {"endpoint": endpoint})


@contextmanager
def _opened(folder: Path, count: int) -> Iterator[sqlite3.Connection]:
    """The store with the numbers below `count` and ids made of them in `ns`, and no care for a crash."""
    with closing(sqlite3.connect(folder / "rheod.db")) as db, db:
        SecretBox.of(folder, None).attach(db)
        db.create_function("spec_of", 1, _spec_of, deterministic=True)
        db.create_function("body_of", 2, _body_of, deterministic=True)
        for setting in ("synchronous = OFF", "cache_size = -200000", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {setting}")
        db.execute("CREATE TEMP TABLE ns (n INTEGER PRIMARY KEY, id TEXT)")
        db.executemany("INSERT INTO ns VALUES (?, ?)", ((n, _id_of(n)) for n in range(count)))
        yield db


def _values(db: sqlite3.Connection, now: int) -> dict[str, object]:
    account = db.execute("SELECT id FROM accounts WHERE reference = ''").fetchone()[0]
    return {"account": account, "now": now, "then": now - 400 * DAY_MS}


def _id_of(number: int) -> str:
    """An item's id: scattered over the index, as ids by chance are."""
    return f"{number * 2_654_435_761 % 2**32:08x}-0000-4000-8000-{number:012x}"


def _spec_of(number: int) -> str:
    """What else an item's row holds, about as much as an ERP sends."""
    part = {
        "name": "Dörr vänster fram",
        "oemNumber": f"OEM{number}",
        "catalogCodes": {"Fenix": f"7-{number}"},
    }
    vehicle = {"manufacturer": "Volvo", "model": "XC90", "year": 2018, "vehicleType": "Bil"}
    spec = {
        "description": "Fin dörr utan rost, lackskada på kanten. " * 6,
        "shipping_strategy": "integrated",
        "image_urls": [f"https://cdn.example.com/{number}-{k}.jpg" for k in range(2)],
        "domain": "auto_parts",
        "attributes": {"part": part, "vehicle": vehicle},
        "metadata": {"shelf": f"B{number % 40}", "yard": "Nord"},
        "tradera": {"category_id": 302571},
    }
    return json.dumps(spec, ensure_ascii=False)


def _body_of(kind: str, number: int) -> bytes:
    data = {
        "externalId": f"P-{number}",
        "title": f"Dörr vänster fram {number}",
        "price": 950,
        "orderId": number,
    }
    told = {
        "eventId": f"{kind}-{number}",
        "eventType": kind,
        "timestamp": "2026-05-26T10:00:00.000Z",
        "data": data,
    }
    return json.dumps(told, ensure_ascii=False).encode()
