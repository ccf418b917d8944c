"""What Tradera answers, as rheod takes it: a seller's ad, and what is believed after a call that changes something.

No answer is never *no*, and an answer that says nothing is never *yes*. What is unknown is looked at before anything is
built on it: a commit by its result and its ad, a price and an ending by the ad, a parcel and a payment by the transactions, and a
request whose creation got no answer is left alone, for nobody sees it before its commit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class AdState(StrEnum):
    """Where an ad stands at Tradera, as its seller sees it."""

    RUNNING = "running"
    BIDS = "bids"
    SOLD = "sold"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerAd:
    """One of the seller's ads as Tradera shows it. Kronor; None where Tradera says nothing; times in ms UTC."""

    tradera_item_id: int
    item_type: int | None = None
    own_references: tuple[str, ...] = ()
    total_bids: int = 0
    max_bid_kr: int | None = None
    opening_kr: int | None = None
    buy_now_kr: int | None = None
    remaining: int | None = None
    reserve_reached: bool | None = None
    ended: bool | None = None
    got_winner: bool | None = None
    ends_at: int | None = None
    category_id: int | None = None
    link: str | None = None
    started_at: int | None = None

    def state_at(self, now: int) -> AdState:
        """The state at `now` (ms UTC, only needed when Tradera leaves out `status`)."""
        ended = self.ended
        if ended is None:
            ended = self.ends_at is not None and self.ends_at <= now
        if not ended:
            return AdState.BIDS if self.total_bids > 0 else AdState.RUNNING
        if self.got_winner is not None:
            return AdState.SOLD if self.got_winner else AdState.ENDED
        won = self.total_bids > 0 and self.reserve_reached is not False
        return AdState.SOLD if won or self.remaining == 0 else AdState.ENDED

    @property
    def reached_kr(self) -> int | None:
        """The price reached: the highest bid, else the fixed price (an order's line is the better proof)."""
        return self.max_bid_kr if self.total_bids > 0 else self.buy_now_kr


class Answer(StrEnum):
    """How a call ended: what its body said with a 2xx, else its status, else why there was none."""

    YES = "true"
    NO = "false"
    SUCCESSFUL = "isSuccessful: true"
    UNSUCCESSFUL = "isSuccessful: false, or errors named"
    UNDECIDED = "isSuccessful: null"
    NUMBERS = "the numbers that were asked for"
    OTHERS_NUMBERS = "the number of another ad or order"
    EMPTY = "no byte"
    EMPTY_OBJECT = "{}"
    EMPTY_LIST = "[]"
    ELSE = "something else"
    NOT_JSON = "HTML or half of an answer with 200"
    S400 = "400"
    S401 = "401"
    S403 = "403"
    S404 = "404"
    S408 = "408"
    S409 = "409"
    S429 = "429"
    S500 = "500"
    S502 = "502"
    HTML_403 = "HTML with 403"
    UNANSWERED = "no answer: a timeout, or the connection was lost after sending"
    NOT_SENT = "no connection"


class Belief(StrEnum):
    """What is taken for true after an answer."""

    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    NOT_DONE = "not done"  # it never got there, or was turned away unread: to be repeated as it is


_ANY: Mapping[Answer, Belief] = {
    **dict.fromkeys(Answer, Belief.UNKNOWN),
    Answer.NO: Belief.REFUSED,
    Answer.UNSUCCESSFUL: Belief.REFUSED,
    Answer.S400: Belief.REFUSED,
    Answer.S401: Belief.REFUSED,
    Answer.S403: Belief.REFUSED,
    Answer.S404: Belief.REFUSED,
    Answer.S409: Belief.REFUSED,
    Answer.S429: Belief.NOT_DONE,
    Answer.NOT_SENT: Belief.NOT_DONE,
}
_WITHOUT_BODY: Mapping[Answer, Belief] = {
    **_ANY,
    Answer.EMPTY: Belief.DONE,  # the contract knows no other success
    Answer.YES: Belief.DONE,
    Answer.SUCCESSFUL: Belief.DONE,
}

BELIEFS: Mapping[str, Mapping[Answer, Belief]] = {
    "create": {**_ANY, Answer.NUMBERS: Belief.DONE},
    "image": _WITHOUT_BODY,
    "commit": _WITHOUT_BODY,
    "price": {**_ANY, Answer.SUCCESSFUL: Belief.DONE},
    "end": {**_ANY, Answer.YES: Belief.DONE},
    "ship": {**_ANY, Answer.NUMBERS: Belief.DONE, Answer.SUCCESSFUL: Belief.DONE, Answer.YES: Belief.DONE},
    "transaction_status": {
        **_ANY,
        Answer.NUMBERS: Belief.DONE,
        Answer.SUCCESSFUL: Belief.DONE,
        Answer.YES: Belief.DONE,
    },
}
"""By operation. A refusal is a clear word about this call alone: an earlier one that got no answer may have arrived."""
