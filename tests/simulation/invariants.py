"""What must hold: at any time, whenever an ad goes live, and once everything has settled."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from itertools import accumulate
from typing import Any

from rheod.domain.ad_text import whole_kronor
from rheod.domain.model import RHEO_EVENTS, RheoStatus, TraderaStatus
from rheod.store import facts
from rheod.store.ledger import Ledger
from tests.simulation.daemon import START_MS, Daemon, Surroundings
from tests.simulation.market import DAY_MS, Listed
from tests.simulation.people import Owner

FAIR_QUEUE_S = (2, 18)
"""So long Tradera's queue takes for an ad when nothing goes wrong."""


def _rows(db: sqlite3.Connection, query: str, *values: object) -> list[dict[str, Any]]:
    return [dict(row) for row in db.execute(query, values).fetchall()]


def _item_of(around: Surroundings, listed: Listed) -> dict[str, Any]:
    """Our row of the item behind an ad."""
    item_id = listed.ad.own_reference.split(":")[1]
    return _rows(around.db, "SELECT * FROM items WHERE id = ?", item_id)[0]


def going_live(around: Surroundings, listed: Listed) -> list[str]:
    """Sold once, at the moment an ad goes live: no other of this publishing, none of the same external id, none deleted."""
    item = _item_of(around, listed)
    found = _pictures(listed)
    if item["removed_at"] is not None:
        found.append(f"sold once: ad {listed.item_id} of the deleted item {item['external_id']} went live")
    for other in around.market.requests.values():
        if other is listed or other.committed_at is None:
            continue
        if other.ad.own_reference == listed.ad.own_reference:
            found.append(f"sold once: two commits of {listed.ad.own_reference} took effect")
        theirs = _item_of(around, other)
        same = (theirs["account_id"], theirs["external_id"]) == (item["account_id"], item["external_id"])
        if same and other.is_live:
            found.append(
                f"sold once: ads {other.item_id} and {listed.item_id} of {item['external_id']} are live at once"
            )
    return found


def _pictures(listed: Listed) -> list[str]:
    """The pictures of an ad are of one PUT and in its order; one may be there again, also late."""
    urls = list(dict.fromkeys(picture.decode().removesuffix("?changed") for picture in listed.pictures))
    mixed = len({url.rpartition("/")[0] for url in urls}) > 1
    return [f"ad {listed.item_id} went live with {urls}"] if mixed or urls != sorted(urls) else []


def at_any_time(around: Surroundings) -> list[str]:
    """What may never be seen: a deleted item whose ad is up, a message deleted before it was kept."""
    found = [
        f"push kept: deleted from SQS before it was kept: {body}" for body in around.pushes.deleted_unkept
    ]
    around.pushes.deleted_unkept.clear()
    gone = _rows(around.db, "SELECT id, external_id FROM items WHERE removed_at IS NOT NULL")
    deleted = {row["id"]: row["external_id"] for row in gone}
    for listed in around.market.live():
        item_id = listed.ad.own_reference.split(":")[1]
        if item_id in deleted and listed.restarted_from is None:
            found.append(f"sold once: {deleted[item_id]} is deleted here and ad {listed.item_id} is up")
    return found + unexplained_waits(around.db)


_CARRIED_BY = """
  SELECT external_id, listings.state, listings.error, listings.ask_at, surplus, listings.id AS id,
    (held IS NOT NULL AND held_since IS NOT NULL AND listings.state = 'queued')
      + (SELECT count(*) FROM jobs WHERE kind = 'publish' AND subject = listings.id)
      + (SELECT count(*) FROM jobs WHERE kind = 'fetch_picture' AND jobs.item_id = listings.item_id) AS publishing,
    (SELECT count(*) FROM jobs WHERE kind = 'results' AND subject = listings.account_id) AS asking,
    (SELECT count(*) FROM jobs WHERE kind = 'look' AND subject = listings.id) AS looking,
    (SELECT count(*) FROM jobs WHERE kind = 'reconcile' AND subject = listings.account_id) AS comparing
  FROM listings JOIN items ON items.id = listings.item_id
  WHERE listings.state IN ('queued', 'adding', 'added', 'committing', 'committed', 'live')
"""
"""Every open listing with how many jobs there are that would carry it on; each job has a next time. Held ones need none."""


def unexplained_waits(db: sqlite3.Connection) -> list[str]:
    """No listing waits without a job that has a next time and a reason; what waits for the owner is a finding too."""
    found = []
    doubtful = {each.external_id for each in facts.in_doubt(db, limit=1000)}
    doubled = {each.external_id for each in facts.doubled(db, limit=1000)}
    for row in _rows(db, _CARRIED_BY):
        what, state = f"listing {row['id']} of {row['external_id']}", row["state"]
        in_doubt = state in {"committing", "committed"} and row["ask_at"] is None
        if state in {"queued", "adding", "added"}:
            carried = row["publishing"]
        elif state == "live":
            carried = row["comparing"]
        else:
            carried = row["looking"] if in_doubt else row["asking"]
        if not carried:
            found.append(f"{what} is {state} and nothing carries it on")
        if in_doubt and (not row["error"] or row["external_id"] not in doubtful):
            found.append(f"{what} is in doubt and no finding says so")
        if row["surplus"] and row["external_id"] not in doubled:
            found.append(f"{what} is a second ad and no finding says so")
    held = _rows(db, "SELECT * FROM jobs WHERE state = 'held' AND reason IS NULL")
    return found + [f"job {row['kind']} {row['subject']} is held without a reason" for row in held]


def _overdue_looks(around: Surroundings, now: int) -> list[str]:
    """An ad in doubt is looked for within a day, however small the budget is."""
    rows = _rows(around.db, "SELECT * FROM jobs WHERE kind = 'look' AND due_at < ?", now - DAY_MS)
    return [f"the look for {row['subject']} is overdue: {row['reason']}" for row in rows]


def unsettled(around: Surroundings) -> list[str]:
    """What is left to do, a sentence each; empty in the end."""
    db = around.db
    undone = (  # what comes back another day is no work that is left
        "SELECT * FROM jobs WHERE kind NOT IN ('reconcile', 'bids', 'look', 'reference', 'relist')"
        " OR kind = 'relist' AND due_at <= ?"
    )
    left = [
        f"job {row['kind']} {row['subject']} is {row['state']}: {row['reason']}"
        for row in _rows(db, undone, START_MS + around.loop.time() * 1000 + 1000)
    ]
    left += [
        f"{row['external_id']} waits for Tradera"
        for row in _rows(
            db,
            "SELECT * FROM items WHERE tradera_status = 'pending_sync' AND removed_at IS NULL"
            " AND id NOT IN (SELECT item_id FROM listings WHERE state = 'queued' AND held IS NOT NULL)",
        )
    ]
    open_ones = (  # one in doubt is settled when the owner has been told to look
        "SELECT * FROM listings WHERE state IN ('queued', 'adding', 'added', 'committing', 'committed')"
        " AND (ask_at IS NOT NULL OR error IS NULL) AND held IS NULL"
    )
    left += [f"listing {row['id']} is {row['state']}" for row in _rows(db, open_ones)]
    left += [
        f"a message waits: {row['body']}" for row in _rows(db, "SELECT * FROM inbox WHERE state = 'new'")
    ]
    left += [] if around.pushes.empty else ["the push queue is not empty"]
    return left + _ads_that_differ(around) + _sales_untold(around)


def _ads_that_differ(around: Surroundings) -> list[str]:
    ours = {
        row["tradera_item_id"]: row for row in _rows(around.db, "SELECT * FROM listings WHERE state = 'live'")
    }
    theirs = {listed.item_id: listed for listed in around.market.live()}
    left = [
        f"ad {ad} is up at Tradera and unknown here"
        for ad in theirs.keys() - ours.keys()
        if theirs[ad].restarted_from is None or _item_of(around, theirs[ad])["removed_at"] is None
    ]
    left += [f"ad {ad} is up here and not at Tradera" for ad in ours.keys() - theirs.keys()]
    for ad in sorted(ours.keys() & theirs.keys()):
        left += _ad_that_differs(around, ours[ad], theirs[ad])
    return left


def _ad_that_differs(around: Surroundings, listing: dict[str, Any], listed: Listed) -> list[str]:
    """At the item's price, or at that of the step of the ladder on which it came back; one too many is about to go."""
    item = _item_of(around, listed)
    ladder = listing["ladder"] and json.loads(listing["ladder"])
    asked_kr = ladder["price_kr"] if ladder else whole_kronor(item["price_ore"] or 0)
    if asked_kr and listed.price_kr != asked_kr and not listed.refused_price and not listing["surplus"]:
        return [f"{item['external_id']} costs {listed.price_kr} kr at Tradera and {asked_kr} here"]
    unwanted = item["rheo_status"] in {RheoStatus.SOLD, RheoStatus.NOT_LISTED, RheoStatus.ARCHIVED}
    if (unwanted or item["delete_requested"]) and item["last_error"] is None:
        return [f"{item['external_id']} is {item['rheo_status']} and its ad {listed.item_id} is up"]
    return []


def _sales(around: Surroundings) -> dict[tuple[str, str], int]:
    """(order id, item id) -> price in öre, as Tradera has them."""
    sales = {}
    for _, order in around.market.orders.values():
        for line in order.lines:
            item = _item_of(around, around.market.ads[line.tradera_item_id])
            sales[str(order.order_id), str(item["id"])] = line.unit_price_ore
    return sales


def _told(around: Surroundings, event_type: str) -> list[dict[str, Any]]:
    rows = _rows(around.db, "SELECT * FROM notices WHERE type = ? ORDER BY seq", event_type)
    return [{**json.loads(row["body"])["data"], "item_id": row["item_id"]} for row in rows]


def _sales_untold(around: Surroundings) -> list[str]:
    told = {(event.get("orderId"), event["item_id"]) for event in _told(around, "item.sold")}
    return [f"events once: sale {sale} is untold" for sale in _sales(around) if sale not in told]


async def broken_promises(owner: Owner) -> list[str]:
    """What was acknowledged, and what the owner asked for last: accepted items are there, wanted ones live, sold, ended or explained."""
    wish = owner.wish
    view = await owner.look()
    if wish.deleted:
        if view is None or view.item.rheo_status is RheoStatus.ARCHIVED or view.item.delete_requested:
            return []
        return [f"{wish.external_id} was deleted and is {view.item.rheo_status}"]
    if wish.spec is None:
        return []
    if view is None or not owner.is_kept(view):
        return [f"kept: {wish.external_id} was accepted and is not what GET shows"]
    item = view.item
    fine = item.tradera_status in {TraderaStatus.ACTIVE, TraderaStatus.SOLD, TraderaStatus.ENDED}
    if wish.wanted and not fine and item.rheo_status is not RheoStatus.SOLD and not item.last_error:
        return [f"{wish.external_id} is wanted at Tradera and is {item.tradera_status}, with no error"]
    return []


def at_the_end(around: Surroundings, daemon: Daemon) -> list[str]:
    """What must hold once all is settled."""
    found = [f"sound file: {row[0]}" for row in around.db.execute("PRAGMA integrity_check") if row[0] != "ok"]
    found += [f"sound file: {tuple(row)}" for row in around.db.execute("PRAGMA foreign_key_check")]
    found += at_any_time(around) + _commits(around) + _events_once(around) + _deliveries(around)
    found += _ledger(around, daemon) + _overdue_looks(around, daemon.now())
    return found + (_fair_costs(around) if around.faults.fair else [])


def _commits(around: Surroundings) -> list[str]:
    took = Counter(
        listed.ad.own_reference
        for listed in around.market.requests.values()
        if listed.committed_at is not None
    )
    return [f"sold once: {count} commits of {reference}" for reference, count in took.items() if count > 1]


def _events_once(around: Surroundings) -> list[str]:
    """Events once: one listing.created for each ad that went live, one item.sold for each sale, at its price."""
    created = Counter(event["traderaAdId"] for event in _told(around, "listing.created"))
    ads = [each for each in around.market.requests.values() if each.live_at is not None]
    live = Counter(str(each.item_id) for each in ads)
    for ad in (str(each.item_id) for each in ads if each.restarted_from is not None):
        if created[ad] == 0:
            del live[ad]  # it was over before anybody saw it, or is of what is deleted here
    found = [] if created == live else [f"events once: listing.created for {created}, live were {live}"]
    sold = [event for event in _told(around, "item.sold") if event["platform"] == "tradera"]
    told = Counter((event["orderId"], event["item_id"]) for event in sold)
    sales = _sales(around)
    if told != Counter(sales.keys()):
        found.append(f"events once: item.sold for {told}, sold were {sales}")
    for event in sold:
        price_ore = sales.get((event["orderId"], event["item_id"]))
        if round(event["salePrice"] * 100) != price_ore:
            found.append(
                f"events once: {event['externalId']} was sold for {price_ore} öre, told {event['salePrice']}"
            )
    return found


def _deliveries(around: Surroundings) -> list[str]:
    """Every event arrived, with one body; of one item in the order in which it happened."""
    receiver = around.receiver
    rows = _rows(around.db, "SELECT * FROM notices WHERE body IS NOT NULL ORDER BY seq")
    rows = [row for row in rows if row["type"] in RHEO_EVENTS]  # no endpoint here has asked for others
    found = list(receiver.wrong)
    for row in rows:
        bodies = receiver.bodies.get(row["event_id"], set())
        if bodies != {row["body"]}:
            found.append(f"same bytes: {row['type']} {row['event_id']} arrived with {len(bodies)} bodies")
    return found + _out_of_order(around, rows)


def _out_of_order(around: Surroundings, rows: list[dict[str, Any]]) -> list[str]:
    """Events of one item arrive as they happened, save those that failed alone and had to step aside."""
    climate = around.faults.climate
    aside = _failed_often(around.db) if climate.poison or climate.partner else set()
    happened, arrived = defaultdict(list), defaultdict(list)
    for row in rows:
        if row["event_id"] not in aside:
            happened[row["item_id"]].append(row["event_id"])
    for event in around.receiver.firsts:
        if event["eventId"] not in aside:
            arrived[event["data"]["rheoItemId"]].append(event["eventId"])
    kinds = {row["event_id"]: row["type"] for row in rows}
    return [
        f"same bytes: out of order: {[kinds[x] for x in arrived[item_id]]}, not {[kinds[x] for x in events]}"
        for item_id, events in happened.items()
        if arrived[item_id] != events
    ]


def _failed_often(db: sqlite3.Connection) -> set[str]:
    rows = db.execute(
        "SELECT event_id FROM notices JOIN deliveries ON notice_seq = seq WHERE status = 'failed'"
        " GROUP BY event_id HAVING count(*) >= 6"
    )
    return {row[0] for row in rows.fetchall()}


def _ledger(around: Surroundings, daemon: Daemon) -> list[str]:
    """The ledger has every call that may have arrived, and in no 24 hours more than are allowed."""
    found = []
    counted: int = around.db.execute("SELECT count(*) FROM calls WHERE counted = 1").fetchone()[0]
    arrived = around.counts.may_have_arrived
    if counted < len(arrived):
        found.append(f"ledger: {counted} calls counted, {len(arrived)} may have arrived")
    if around.faults.climate.jumps:
        return found  # its 24 hours were not those of the world
    limits = {"": around.settings.daily_calls, **around.settings.methods}
    for method, limit in limits.items():
        if limit is None:
            continue
        times = around.counts.by_method.get(method, []) if method else arrived
        gaps = (later - earlier for earlier, later in zip(times, times[limit:], strict=False))
        if any(gap < DAY_MS for gap in gaps):
            found.append(f"ledger: more than {limit} calls of {method or 'all methods'} in 24 h")
    now = daemon.now()
    stored = len(Ledger.load(around.db, now=now).times(now=now))
    remembered = len(daemon.ledger.times(now=now)) if daemon.ledger else 0
    if remembered < stored:
        found.append(f"ledger: {stored} calls of the window stored, {remembered} remembered")
    return found


def _fair_costs(around: Surroundings) -> list[str]:
    """The number of calls, and what a run without faults must not do at all: repeat a call, a commit or a webhook."""
    found = []
    calls = around.counts.by_operation
    requests = around.market.requests.values()
    delays_s = around.settings.written(around.folder).result_delays_s
    questions = sum(at_s < FAIR_QUEUE_S[1] for at_s in accumulate(delays_s)) + 1
    allowed = sum(len(listed.pictures) + 2 + questions for listed in requests) + around.reference.refused
    used = sum(calls[each] for each in ("create", "image", "commit", "results"))
    if used > allowed:
        found.append(f"calls: {used} calls for {len(requests)} ads, {allowed} allowed: {calls}")
    if around.market.second_commits:
        found.append("a fair run has no second commit")
    told = _rows(around.db, "SELECT type FROM notices WHERE body IS NOT NULL")
    events = sum(row["type"] in RHEO_EVENTS for row in told)  # no endpoint here has asked for others
    if around.receiver.requests != events:
        found.append(f"{around.receiver.requests} webhooks for {events} events in a fair run")
    return found
