"""The states of an item and of its listings: three tables of allowed moves, the only places where a state is decided.

Beside them what each step of a publishing notes on its listing, and what holds an item and lets it go: it stays on its
way to Tradera and keeps its listing, only nothing is sent. What else a move causes (facts, jobs, events) stands in
`effects.py`. No I/O and no clock. `python -m rheod.domain.lifecycle` draws the tables as the diagrams of `rheod/README.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from rheod.domain.ad_text import whole_kronor
from rheod.domain.answers import SellerAd
from rheod.domain.budget import publish_cost
from rheod.domain.errors import Refused, Text
from rheod.domain.event_payloads import NeedsAttention, rfc3339
from rheod.domain.inputs import (
    CategorySeen,
    CommitAnswered,
    CommitRefused,
    CommitStarted,
    Created,
    CreateStarted,
    EndSeen,
    Held,
    NoAnswer,
    PictureSent,
    PictureStarted,
    Released,
    ResultWaits,
    StartedOver,
    Step,
)
from rheod.domain.model import (
    Event,
    Item,
    JobKind,
    JobOrder,
    Ladder,
    Listing,
    ListingState,
    QueueName,
    RheoStatus,
    TraderaStatus,
)


class Move(StrEnum):
    """What moves an item or a listing from one state to another, or finds that it may stay where it is."""

    PICTURES_SETTLED = "pictures_settled"
    PUBLISH_ORDERED = "publish_ordered"
    HELD = "held"
    RELEASED = "released"
    CREATE_STARTED = "create_started"
    CREATED = "created"
    PICTURE_STARTED = "picture_started"
    PICTURE_SENT = "picture_sent"
    COMMIT_STARTED = "commit_started"
    COMMIT_ANSWERED = "commit_answered"
    COMMIT_REFUSED = "commit_refused"
    NO_ANSWER = "no_answer"
    STARTED_OVER = "started_over"
    RESULT_WAITS = "result_waits"
    IN_DOUBT = "in_doubt"
    WENT_LIVE = "went_live"
    END_SEEN = "end_seen"
    CATEGORY_SEEN = "category_seen"
    PUBLISH_FAILED = "publish_failed"
    WITHDRAWN = "withdrawn"
    CLOSED = "closed"
    SOLD = "sold"
    MARKED_SOLD = "marked_sold"
    TAKEN_BACK = "taken_back"
    UNLISTED = "unlisted"
    END_REFUSED = "end_refused"
    ARCHIVED = "archived"
    SUPERSEDED = "superseded"
    TAKEN_OVER = "taken_over"
    TURNED_UP = "turned_up"
    DOUBLED = "doubled"
    REMAINED = "remained"


R, T, L = RheoStatus, TraderaStatus, ListingState

RHEO_MOVES: Mapping[Move, Mapping[RheoStatus, RheoStatus]] = {
    Move.PICTURES_SETTLED: {R.DRAFT: R.ACTIVE},
    Move.PUBLISH_ORDERED: {R.NOT_LISTED: R.ACTIVE},
    Move.SOLD: {R.DRAFT: R.SOLD, R.ACTIVE: R.SOLD, R.NOT_LISTED: R.SOLD},
    Move.MARKED_SOLD: {R.DRAFT: R.SOLD, R.ACTIVE: R.SOLD, R.NOT_LISTED: R.SOLD},
    Move.TAKEN_BACK: {R.SOLD: R.NOT_LISTED},
    Move.UNLISTED: {R.DRAFT: R.NOT_LISTED, R.ACTIVE: R.NOT_LISTED},
    Move.END_REFUSED: {R.NOT_LISTED: R.ACTIVE},
    Move.ARCHIVED: {R.DRAFT: R.ARCHIVED, R.ACTIVE: R.ARCHIVED, R.SOLD: R.ARCHIVED, R.NOT_LISTED: R.ARCHIVED},
}
"""What each move does to `rheoStatus`; a status without an entry stays as it is, unless the move is refused."""

TRADERA_MOVES: Mapping[Move, Mapping[TraderaStatus | None, TraderaStatus | None]] = {
    Move.PUBLISH_ORDERED: {None: T.PENDING_SYNC, T.SYNC_ERROR: T.PENDING_SYNC, T.ENDED: T.PENDING_SYNC},
    Move.WENT_LIVE: {T.PENDING_SYNC: T.ACTIVE, T.SYNC_ERROR: T.ACTIVE},
    Move.PUBLISH_FAILED: {T.PENDING_SYNC: T.SYNC_ERROR},
    Move.WITHDRAWN: {T.PENDING_SYNC: None, T.SYNC_ERROR: None},
    Move.CLOSED: {T.ACTIVE: T.ENDED},
    Move.SOLD: {
        None: T.SOLD,
        T.PENDING_SYNC: T.SOLD,
        T.ACTIVE: T.SOLD,
        T.ENDED: T.SOLD,
        T.SYNC_ERROR: T.SOLD,
    },
    Move.TAKEN_BACK: {T.SOLD: T.ENDED},
}
"""What each move does to `traderaStatus`; a status without an entry stays as it is."""

REFUSALS: Mapping[tuple[Move, RheoStatus], Text] = {
    (Move.PUBLISH_ORDERED, R.SOLD): Text("The item is sold and cannot be published again"),
    (Move.PUBLISH_ORDERED, R.ARCHIVED): Text("The item is archived and cannot be published"),
    (Move.MARKED_SOLD, R.ARCHIVED): Text("The item is archived and cannot be marked as sold"),
    (Move.TAKEN_BACK, R.DRAFT): Text("The item is a draft: there is no sale to take back"),
    (Move.TAKEN_BACK, R.ACTIVE): Text("The item is active: there is no sale to take back"),
    (Move.TAKEN_BACK, R.NOT_LISTED): Text("The item is not_listed: there is no sale to take back"),
    (Move.UNLISTED, R.SOLD): Text("The item is sold and cannot be delisted"),
    (Move.UNLISTED, R.ARCHIVED): Text("The item is archived and cannot be delisted"),
}
"""Moves of an item that an owner may ask for in vain, with the reason of the 409."""

LISTING_MOVES: Mapping[Move, Mapping[ListingState | None, ListingState]] = {
    Move.PUBLISH_ORDERED: {None: L.QUEUED},
    Move.HELD: {L.QUEUED: L.QUEUED},
    Move.RELEASED: {L.QUEUED: L.QUEUED},
    Move.CREATE_STARTED: {L.QUEUED: L.ADDING, L.ADDING: L.ADDING, L.ADDED: L.ADDING},
    Move.CREATED: {L.ADDING: L.ADDED},
    Move.PICTURE_STARTED: {L.ADDED: L.ADDED},
    Move.PICTURE_SENT: {L.ADDED: L.ADDED},
    Move.COMMIT_STARTED: {
        L.ADDED: L.COMMITTING,
        L.COMMITTING: L.COMMITTING,
        L.COMMITTED: L.COMMITTED,
    },
    Move.COMMIT_ANSWERED: {L.COMMITTING: L.COMMITTED},
    Move.COMMIT_REFUSED: {L.COMMITTING: L.COMMITTING},
    Move.NO_ANSWER: {
        L.ADDING: L.ADDING,
        L.ADDED: L.ADDED,
        L.COMMITTING: L.COMMITTING,
        L.COMMITTED: L.COMMITTED,
    },
    Move.STARTED_OVER: {L.ADDING: L.QUEUED, L.ADDED: L.QUEUED},
    Move.RESULT_WAITS: {L.COMMITTING: L.COMMITTING, L.COMMITTED: L.COMMITTED},
    Move.IN_DOUBT: {L.COMMITTING: L.COMMITTING, L.COMMITTED: L.COMMITTED},
    Move.WENT_LIVE: {L.COMMITTING: L.LIVE, L.COMMITTED: L.LIVE},
    Move.END_SEEN: {L.LIVE: L.LIVE},
    Move.CATEGORY_SEEN: {L.LIVE: L.LIVE, L.ENDED: L.ENDED},
    Move.PUBLISH_FAILED: {
        L.QUEUED: L.REJECTED,
        L.ADDING: L.REJECTED,
        L.ADDED: L.REJECTED,
        L.COMMITTING: L.REJECTED,
        L.COMMITTED: L.REJECTED,
    },
    Move.WITHDRAWN: {L.QUEUED: L.WITHDRAWN, L.ADDING: L.WITHDRAWN, L.ADDED: L.WITHDRAWN},
    Move.CLOSED: {L.LIVE: L.ENDED},
    Move.SOLD: dict.fromkeys(L, L.SOLD),
    Move.TAKEN_BACK: {L.SOLD: L.ENDED},
    Move.SUPERSEDED: {
        L.QUEUED: L.WITHDRAWN,
        L.ADDING: L.WITHDRAWN,
        L.ADDED: L.WITHDRAWN,
        L.COMMITTING: L.ENDED,
        L.COMMITTED: L.ENDED,
        L.LIVE: L.ENDED,
    },
    Move.TAKEN_OVER: {None: L.LIVE, L.QUEUED: L.LIVE, L.ADDING: L.LIVE, L.ADDED: L.LIVE, L.REJECTED: L.LIVE},
    Move.TURNED_UP: {L.REJECTED: L.LIVE},
    Move.DOUBLED: {L.COMMITTING: L.COMMITTING, L.COMMITTED: L.COMMITTED, L.LIVE: L.LIVE},
    Move.REMAINED: {L.COMMITTING: L.COMMITTING, L.COMMITTED: L.COMMITTED, L.LIVE: L.LIVE},
}
"""What each move does to a listing; None begins one, which needs that the item has no open one. A state without an
entry does not take the move.

Nothing leads from where a commit may have been sent back to where a request is made: that would sell the item twice.
"""

LISTING_REFUSALS: Mapping[ListingState, str] = {
    L.QUEUED: "It has no request at Tradera",
    L.ADDING: "Its request at Tradera is still being made",
    L.ADDED: "Its request at Tradera is not committed",
    L.COMMITTING: "Its commit may have arrived at Tradera",
    L.COMMITTED: "Tradera has its commit",
    L.LIVE: "Its ad is up",
    L.SOLD: "It is sold",
    L.ENDED: "Its ad has ended",
    L.REJECTED: "It was refused",
    L.WITHDRAWN: "It was taken back",
}
"""Why a listing in this state does not take a move that the table has no entry for."""


def moved(item: Item, move: Move) -> Item:
    """The item after `move` by its two tables. Raises Refused (CONFLICT) with the reason."""
    reason = REFUSALS.get((move, item.rheo_status))
    if reason:
        raise Refused("CONFLICT", reason)
    rheo = RHEO_MOVES.get(move, {}).get(item.rheo_status, item.rheo_status)
    tradera = TRADERA_MOVES.get(move, {}).get(item.tradera_status, item.tradera_status)
    return replace(item, rheo_status=rheo, tradera_status=tradera)


def moved_listing(listing: Listing, move: Move) -> Listing | None:
    """The listing after `move` by its table; None where it does not take the move."""
    state = LISTING_MOVES[move].get(listing.state)
    return None if state is None else replace(listing, state=state)


def begun(listing: Listing, move: Move) -> Listing:
    """A listing that is new with `move`, in the state in which that begins one."""
    return replace(listing, state=LISTING_MOVES[move][None])


def without_request(listing: Listing) -> Listing:
    """The listing as if nothing of it had been sent."""
    return replace(
        listing,
        request_id=None,
        tradera_item_id=None,
        added_at=None,
        pictures_sent=0,
        picture_in_doubt=False,
    )


def asked_kr(item: Item, listing: Listing) -> int:
    """What the ad is to ask, in whole kronor: the price on its ladder, else the item's."""
    if listing.ladder is not None:
        return listing.ladder.price_kr
    return whole_kronor(item.spec.price_ore or 100)


def on_new_ladder(listing: Listing, price_kr: int, now: int) -> Listing:
    """The listing once its ERP has given another price, also where Tradera will not let the ad have it."""
    late = listing.state.may_be_live and listing.price_kr != price_kr
    anew = Ladder(first_kr=price_kr, price_kr=price_kr, began_at=now)
    return replace(listing, ladder=anew if late else None)


def ladder_followed(restarted: Listing, price_kr: int | None) -> Ladder | None:
    """The ladder of an ad that its seller has started again: that of the ad before, unless it begins anew at their price."""
    ladder = restarted.ladder
    begins = ladder is not None and not ladder.attempt and restarted.price_kr != price_kr
    return None if begins else ladder


def asked_by(ad: SellerAd) -> int | None:
    """What an ad at Tradera asks, in whole kronor."""
    return ad.buy_now_kr if ad.opening_kr is None else ad.opening_kr


def _create_started(listing: Listing, step: CreateStarted, _now: int) -> Listing:
    return replace(
        without_request(listing),
        item_version=step.item.version,
        price_kr=asked_kr(step.item, listing),
        days=step.days,
        category_id=step.category_id,
        warning=step.warning,
    )


def _created(listing: Listing, step: Created, now: int) -> Listing:
    request_id, ad = step.request_id, step.tradera_item_id
    return replace(listing, request_id=request_id, tradera_item_id=ad, added_at=now)


def _commit_started(listing: Listing, step: CommitStarted, now: int) -> Listing:
    """The first commit starts the wait for its result; the same one sent again only puts off the next question."""
    if listing.commit_sent_at is None:
        listing = replace(listing, commit_sent_at=now, waits_since=now, asked=0)
    return replace(listing, ask_at=max(listing.ask_at or 0, now + step.ask_in_ms), put_off=None)


def _category_seen(listing: Listing, step: CategorySeen, _now: int) -> Listing:
    return replace(
        listing, category_id=step.category_id, moved_from=listing.category_id, warning=step.warning
    )


def _result_waits(listing: Listing, step: ResultWaits, now: int) -> Listing:
    """So long as rheod itself could not ask, or could not send what was wanted, Tradera's time does not run."""
    kept = 0 if step.counted else listing.ask_at or 0
    at = max(now + step.ask_in_ms, kept)
    late_ms = max(0, now - (listing.ask_at or now)) if step.counted else 0
    return replace(
        listing,
        asked=listing.asked + int(step.counted),
        ask_at=at,
        waits_since=at if step.renewed else (listing.waits_since or now) + late_ms,
        put_off=step.put_off,
    )


STEPS: Mapping[type[Step], tuple[Move, Callable[[Listing, Any, int], Listing]]] = {
    CreateStarted: (Move.CREATE_STARTED, _create_started),
    Created: (Move.CREATED, _created),
    PictureStarted: (
        Move.PICTURE_STARTED,
        lambda listing, _step, _now: replace(listing, picture_in_doubt=True),
    ),
    PictureSent: (
        Move.PICTURE_SENT,
        lambda listing, _step, _now: replace(
            listing, pictures_sent=listing.pictures_sent + 1, picture_in_doubt=False
        ),
    ),
    CommitStarted: (Move.COMMIT_STARTED, _commit_started),
    CommitAnswered: (
        Move.COMMIT_ANSWERED,
        lambda listing, step, now: replace(
            listing,
            ask_at=listing.ask_at
            if step.ask_in_ms is None
            else max(listing.ask_at or 0, now + step.ask_in_ms),
        ),
    ),
    CommitRefused: (Move.COMMIT_REFUSED, lambda listing, step, _now: replace(listing, error=step.error)),
    NoAnswer: (Move.NO_ANSWER, lambda listing, _step, _now: listing),
    StartedOver: (Move.STARTED_OVER, lambda listing, _step, _now: without_request(listing)),
    ResultWaits: (Move.RESULT_WAITS, _result_waits),
    EndSeen: (Move.END_SEEN, lambda listing, step, _now: replace(listing, ends_at=step.ends_at)),
    CategorySeen: (Move.CATEGORY_SEEN, _category_seen),
}
"""The move of each step, and the facts it brings beside the state."""


def stepped(item: Item, listing: Listing, step: Step, now: int) -> tuple[Listing, str | None]:
    """The listing after a step with what that brings; as it was, and why, where the step is not taken.

    The request may be not the one to go on with, though the listing's state would allow it; a price is no reason.
    """
    move, note = STEPS[type(step)]
    after = moved_listing(listing, move)
    if after is None:
        return listing, LISTING_REFUSALS[listing.state]
    if isinstance(step, CreateStarted) and listing.is_held:
        return listing, "It is held"
    if isinstance(step, CommitStarted) and step.request_id != listing.request_id:
        return listing, "It has another request by now"
    uses_request = isinstance(step, PictureStarted | CommitStarted) and not listing.state.may_be_live
    if uses_request and listing.item_version != item.version:
        return listing, "The item has changed since its request was made"
    return note(after, step, now), None


Outcome = tuple[Item, Listing | None, tuple[JobOrder, ...], tuple[Event, ...]]


def hold_or_release(item: Item, listing: Listing | None, given: Held | Released, now: int) -> Outcome:
    """The item and its listing after it, with the jobs and events it causes; of a listing under way nothing changes."""
    after = listing and moved_listing(listing, Move.HELD if isinstance(given, Held) else Move.RELEASED)
    if listing is None or after is None:
        return item, listing, (), ()
    if isinstance(given, Released):
        if not listing.is_held:
            return item, listing, (), ()
        free = replace(after, held=None, held_missing=(), held_since=None)
        order = JobOrder(
            queue=QueueName.TRADERA,
            kind=JobKind.PUBLISH,
            subject=listing.id,
            cost=publish_cost(given.pictures),
        )
        return unheld(item, listing), free, (order,) if given.pictures_settled else (), ()
    if listing.is_held and (listing.held, listing.held_missing) == (given.reason, given.missing):
        return item, listing, (), ()
    held = replace(without_request(after), held=given.reason, held_missing=given.missing, held_since=now)
    told = NeedsAttention(reason=given.reason, missing=given.missing, since=rfc3339(now))
    event = told.event(once=f"held:{listing.id}:{told.digest}")
    return replace(item, last_error=given.reason), held, (), (event,)


def unheld(item: Item, listing: Listing) -> Item:
    """The item without the sentence that held it."""
    return replace(item, last_error=None) if listing.is_held and item.last_error == listing.held else item


def diagrams() -> str:
    """The three tables as Mermaid diagrams, each under its name; moves between the same two states share an arrow."""
    tables: dict[str, Mapping[Move, Mapping[Any, Any]]] = {
        "rheoStatus": RHEO_MOVES,
        "traderaStatus": TRADERA_MOVES,
        "listing": LISTING_MOVES,
    }
    lines = []
    for name, table in tables.items():
        arrows: dict[str, list[str]] = {}
        for move, pairs in table.items():
            for before, after in pairs.items():
                arrows.setdefault(f"{before or 'none'} --> {after or 'none'}", []).append(move)
        drawn = [f"    {arrow}: {', '.join(moves)}" for arrow, moves in arrows.items()]
        lines += [f"### {name}", "", "```mermaid", "stateDiagram-v2", *drawn, "```", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(diagrams())
