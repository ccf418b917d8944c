"""What a finding is: one thing the owner should know, what to do about it, and the page of ours where it is seen to.

The same findings are on the first page, in `rheod status`, in `rheod doctor` and in the alerts, in the same words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import quote

from rheod.domain.errors import Text

LONG_MS = 120_000
"""What waits for longer than this is told."""


class Mood(StrEnum):
    """BAD: something does not work. BUSY: it works, and will stop working, or waits for the owner."""

    BAD = "bad"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the owner should know: what is wrong (`text`) and what to do about it (`fix`).

    `subject` tells findings of one kind apart. `alerts` says whether the owner is told outside the pages too. Of what
    waits, `since` says for how long and `next_at` when it is tried again (ms); without that it waits for the owner.
    `where` is the path of the page that it is seen to on, "" when that is the server; it shows the account `owner`. It is about
    `count` things; `items` are the external ids of the first of them, where they are items, and `orders` the numbers of those
    of the owner, where they are orders.
    """

    code: str
    mood: Mood
    text: Text
    fix: Text
    subject: str = ""
    alerts: bool = True
    since: int | None = None
    next_at: int | None = None
    where: str = ""
    owner: str = ""
    count: int = 1
    items: tuple[str, ...] = ()
    orders: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The same for the same thing at every look."""
        return f"{self.code}:{self.subject}"

    @property
    def waits_for_owner(self) -> bool:
        """Whether it goes on when the owner has seen to it, and not by itself."""
        return self.since is not None and self.next_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something of an account, or of all (''), that waits: why, since when and until the next try (ms); `count` of what.

    `items` are the external ids of the first of them, where they are known, and `owner` the first one's account. Without
    a next try it waits for the owner.
    """

    reason: str = ""
    since: int
    next_at: int | None = None
    account: str = ""
    count: int = 1
    items: tuple[str, ...] = ()
    owner: str = ""

    def counted(self, one: str, many: str) -> Text:
        """A sentence about {n} of what waits, which may name its {account}, its {reason} and the first {items}."""
        values = {
            "n": self.count,
            "account": self.account or "own",
            "reason": self.reason,
            "items": ", ".join(self.items[:3]),
        }
        return Text.made(one, values, plural=many)

    def found(self, code: str, mood: Mood, text: Text, fix: Text, *, alerts: bool = True) -> Finding:
        """The finding of it, with since when and the next try."""
        return Finding(
            code=code,
            subject=self.account,
            mood=mood,
            text=text,
            fix=fix,
            alerts=alerts,
            since=self.since,
            next_at=self.next_at,
            owner=self.owner or self.account,
            count=self.count,
            items=self.items,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What 429s say of a method: `used` calls had been made of the `limit` supposed; it rests until `next_at` (ms).

    `learned` is the most that Tradera has let through, once that is known.
    """

    method: str
    used: int
    limit: int
    since: int
    next_at: int | None = None
    learned: int | None = None


def is_long(one: Wait | Refusal, now: int) -> bool:
    """Whether it has waited or rested, or is to, for long."""
    return now - one.since > LONG_MS or (one.next_at or 0) - one.since > LONG_MS


_ITEMS, _SALES, _TRADERA = "/dashboard/items", "/dashboard/sales", "/dashboard/tradera"
_RECEIVER = "/dashboard/integration/webhooks/{subject}"
NOWHERE = ""
"""Seen to on the server alone."""

PLACES: Mapping[str, str] = {
    "account.unconnected": _TRADERA,
    "backup.missed": "/dashboard/system#backup",
    "budget.spent": f"{_TRADERA}#budget",
    "clock.off": NOWHERE,
    "commit.waits": f"{_ITEMS}?show=waits",
    "disk.low": NOWHERE,
    "ending.waits": f"{_ITEMS}?show=live",
    "endpoint.fails": _RECEIVER,
    "endpoint.off": _RECEIVER,
    "event.refused": "/dashboard/integration/deliveries?endpoint={subject}&status=failed",
    "images.full": NOWHERE,
    "item.failed": f"{_ITEMS}?show=failed",
    "items.held": f"{_ITEMS}?show=held",
    "items.look_alike": _ITEMS,
    "listing.double": f"{_ITEMS}?show=live",
    "listing.doubt": f"{_ITEMS}?show=doubt",
    "log.long": NOWHERE,
    "order.grew_after_print": _SALES,
    "order.paid_after_reversal": f"{_SALES}?show=all",
    "order.partly_paid": f"{_SALES}?show=unpaid",
    "order.refunded": f"{_SALES}?show=all",
    "order.sum_differs": f"{_SALES}?show=all",
    "order.unconfirmed": f"{_SALES}?show=all",
    "order.unpaid": f"{_SALES}?show=unpaid",
    "order.unsent": _SALES,
    "order.unshipped": f"{_SALES}?show=sent",
    "pictures.lost": NOWHERE,
    "pictures.wait": f"{_ITEMS}?show=waits",
    "publishing.paused": "/dashboard/ads#pause",
    "publishing.waits": _TRADERA,
    "push.away": NOWHERE,
    "push.silent": NOWHERE,
    "queue.wrong": NOWHERE,
    "quota.held": f"{_TRADERA}#budget",
    "quota.learned": f"{_TRADERA}#budget",
    "receiver.dead": _RECEIVER,
    "reconcile.late": _TRADERA,
    "reference.unread": f"{_TRADERA}#known",
    "relist.late": "/dashboard/returns",
    "relist.over": f"{_ITEMS}?show=unsold",
    "restore.blind": NOWHERE,
    "restore.looks": _TRADERA,
    "restore.strangers": NOWHERE,
    "sale.conflict": f"{_ITEMS}?show=sold",
    "sale.doubt": f"{_SALES}#doubts",
    "sale.quarantined": f"{_SALES}#quarantined",
    "sale.twice": _SALES,
    "sale.unmatched": f"{_SALES}#unmatched",
    "sale.waits": _SALES,
    "settings.superseded": NOWHERE,
    "stock.incomplete": "/dashboard/ads/stock",
    "store.unwritable": NOWHERE,
    "token.dead": _TRADERA,
    "token.ends": _TRADERA,
    "tradera.away": NOWHERE,
    "tradera.key": NOWHERE,
    "tradera.paused": f"{_TRADERA}#budget",
    "work.unclear": f"{_ITEMS}?show=waits",
}
"""By the code of the finding; `{subject}` is what the finding is about."""


ONE_ITEM = frozenset(
    {
        "commit.waits",
        "items.held",
        "items.look_alike",
        "listing.double",
        "listing.doubt",
        "relist.over",
        "sale.conflict",
        "sale.twice",
    }
)
"""Findings that lead to the item itself where they are about one alone."""


MOST_ORDERS = 20
"""So many orders a finding leads to at once."""


def at_its_place(finding: Finding) -> Finding:
    """The finding with the page that it is seen to on, in the account that it is about."""
    subject = quote(finding.subject, safe="")
    where = PLACES.get(finding.code, NOWHERE).format(subject=subject)
    if finding.code in ONE_ITEM and finding.count == 1 and finding.items:
        where = f"{_ITEMS}/{quote(finding.items[0], safe='')}"
    if finding.orders:
        where = f"{_SALES}?order={','.join(map(str, finding.orders[:MOST_ORDERS]))}"
    if where and finding.owner:
        path, mark, part = where.partition("#")
        where = f"{path}{'&' if '?' in path else '?'}account={quote(finding.owner, safe='')}{mark}{part}"
    return replace(finding, where=where)
