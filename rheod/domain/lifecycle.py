"""The states of an item and of its listings: three tables of allowed moves, the only places where a state is decided.

What else a move causes (facts, jobs, events) stands in `effects.py`. No I/O and no clock.
`python -m rheod.domain.lifecycle` draws the tables as the diagrams of `rheod/README.md`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any

from rheod.domain.errors import Refused, Text
from rheod.domain.model import Item, Listing, ListingState, RheoStatus, TraderaStatus


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


def diagrams() -> str:
    """The three tables as Mermaid diagrams, each under its name; moves between the same two states share an arrow."""
    tables: dict[str, Mapping[Move, Mapping[Any, Any]]] = {
        "rheoStatus": RHEO_MOVES,
        "traderaStatus": TRADERA_MOVES,
        "listing": LISTING_MOVES,
    }
    return "\n".join(f"### {name}\n\n{_diagram(table)}" for name, table in tables.items())


def _diagram(table: Mapping[Move, Mapping[Any, Any]]) -> str:
    arrows: dict[str, list[str]] = {}
    for move, pairs in table.items():
        for before, after in pairs.items():
            arrows.setdefault(f"{before or 'none'} --> {after or 'none'}", []).append(move)
    lines = [f"    {arrow}: {', '.join(moves)}" for arrow, moves in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```", ""])


if __name__ == "__main__":
    sys.stdout.write(diagrams())
