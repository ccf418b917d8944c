"""What needs the owner because it waits, or does not answer: pure rules from facts to findings.

Whatever makes an item or a sale wait for long is told with its cause, since when and the next try.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rheod.domain.errors import Text, counted

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
    waits, `since` says for how long and `next_at` when it is tried again (ms), where that is known. `where` is the path of
    the page that it is seen to on, "" when that is the server.
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

    @property
    def key(self) -> str:
        """The same for the same thing at every look."""
        return f"{self.code}:{self.subject}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something of an account, or of all (''), that waits: why, since when and until the next try (ms); `count` of what."""

    reason: str
    since: int
    next_at: int | None = None
    account: str = ""
    count: int = 1


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

    def is_long(self, now: int) -> bool:
        """Whether it rests, or is to rest, for long."""
        return now - self.since > LONG_MS or (self.next_at or 0) - self.since > LONG_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits at one moment `now` (ms).

    `tradera` and `push` are set while they do not answer, `refusals` tell which methods Tradera has refused;
    `not_believed` is what
    Tradera says of categories, attributes and freight that cannot be read, by its name. `reconciled` is when each
    account's orders and ads were last compared, and `reconcile_patience_ms` how old that may be.
    """

    now: int
    tradera: Wait | None = None
    push: Wait | None = None
    refusals: tuple[Refusal, ...] = ()
    endings: tuple[Wait, ...] = ()
    unclear: tuple[Wait, ...] = ()
    sales: tuple[Wait, ...] = ()
    pictures: Wait | None = None
    not_published: int = 0
    sold_but_up: tuple[str, ...] = ()
    sold_twice: tuple[str, ...] = ()
    unsold: tuple[str, ...] = ()
    relists_late: tuple[str, ...] = ()
    reconciled: tuple[tuple[str, int], ...] = ()
    not_believed: tuple[Wait, ...] = ()
    reconcile_patience_ms: int = 3_600_000


def _is_long(wait: Wait | None, now: int) -> bool:
    """Whether it has waited, or is to wait, for long."""
    if wait is None:
        return False
    return now - wait.since > LONG_MS or (wait.next_at or 0) - wait.since > LONG_MS


def of_remotes(facts: Waiting) -> Iterator[Finding]:
    """What does not answer, or lets nothing through."""
    if facts.tradera is not None and facts.now - facts.tradera.since > LONG_MS:
        yield Finding(
            code="tradera.away",
            mood=Mood.BAD,
            text=counted(
                "Tradera has not answered for {n} minute: {reason}",
                "Tradera has not answered for {n} minutes: {reason}",
                (facts.now - facts.tradera.since) // 60_000,
                reason=facts.tradera.reason,
            ),
            fix=Text(
                "Nothing is lost, and rheod asks again by itself. If it lasts, check the network and tradera.base_url"
            ),
            since=facts.tradera.since,
            next_at=facts.tradera.next_at,
        )
    if facts.push is not None and _is_long(facts.push, facts.now):
        yield Finding(
            code="push.away",
            mood=Mood.BAD,
            text=Text("The push queue gives no messages: {reason}", reason=facts.push.reason),
            fix=Text("Check the [push] settings and the network; sales are found later, by asking Tradera"),
            alerts=False,
            since=facts.push.since,
            next_at=facts.push.next_at,
        )
    for account, at in facts.reconciled:
        if facts.now - at > facts.reconcile_patience_ms:
            yield Finding(
                code="reconcile.late",
                subject=account,
                mood=Mood.BAD,
                text=Text(
                    "The sales and ads of account {account} have not been compared with Tradera's for {minutes} minutes",
                    account=account or "own",
                    minutes=(facts.now - at) // 60_000,
                ),
                fix=Text("A sale that push did not tell is found only then: the log says why it fails"),
                since=at,
            )


def of_reference(facts: Waiting) -> Iterator[Finding]:
    """What Tradera says of categories, attributes and freight and could not be believed."""
    for wait in facts.not_believed:
        named, _, leaf = wait.account.partition(":")
        yield Finding(
            code="reference.unread",
            subject=wait.account,
            mood=Mood.BUSY,
            text=_unread(named, leaf, wait.reason),
            fix=Text(
                "What was read last is used meanwhile, and nothing is held back for it; rheod reads it again by itself"
            ),
            alerts=False,
            since=wait.since,
            next_at=wait.next_at,
        )


def _unread(named: str, leaf: str, reason: str) -> Text:
    match named:
        case "categories":
            return Text("Tradera's tree of categories cannot be read: {reason}", reason=reason)
        case "shipping":
            return Text("Tradera's table of freight prices cannot be read: {reason}", reason=reason)
        case _:
            return Text(
                "The attributes of Tradera's category {category} cannot be read: {reason}",
                category=leaf,
                reason=reason,
            )


def of_work(facts: Waiting) -> Iterator[Finding]:
    """Work that should have been done by now."""
    for wait in facts.sales:
        yield Finding(
            code="sale.waits",
            subject=wait.account,
            mood=Mood.BAD,
            text=counted(
                "{n} sale of account {account} is not looked up yet: {reason}",
                "{n} sales of account {account} are not looked up yet: {reason}",
                wait.count,
                account=wait.account or "own",
                reason=wait.reason,
            ),
            fix=Text(
                "rheod asks again by itself; until then the shop does not know of it: look in My Tradera"
            ),
            since=wait.since,
            next_at=wait.next_at,
        )
    for wait in facts.endings:
        yield Finding(
            code="ending.waits",
            subject=wait.account,
            mood=Mood.BAD,
            text=counted(
                "{n} ad of account {account} should have been ended and is still up: {reason}",
                "{n} ads of account {account} should have been ended and are still up: {reason}",
                wait.count,
                account=wait.account or "own",
                reason=wait.reason,
            ),
            fix=Text("rheod tries again by itself. If it hurries, end it in My Tradera"),
            since=wait.since,
            next_at=wait.next_at,
        )
    for wait in facts.unclear:
        yield Finding(
            code="work.unclear",
            subject=wait.account,
            mood=Mood.BUSY,
            text=counted(
                "{n} job of account {account} gets no clear answer of Tradera: {reason}",
                "{n} jobs of account {account} get no clear answer of Tradera: {reason}",
                wait.count,
                account=wait.account or "own",
                reason=wait.reason,
            ),
            fix=Text(
                "rheod tries again by itself, ever more rarely, and goes on with the others. `rheod items list` names"
                " what waits; `rheod items retry ID` tries at once"
            ),
            alerts=False,
            since=wait.since,
            next_at=wait.next_at,
        )
    yield from _of_items(facts)


def _of_items(facts: Waiting) -> Iterator[Finding]:
    yield from _of_returns(facts)
    if facts.relists_late:
        yield Finding(
            code="relist.late",
            mood=Mood.BUSY,
            text=counted(
                "{n} item should have come back by now ({items})",
                "{n} items should have come back by now ({items})",
                len(facts.relists_late),
                items=", ".join(facts.relists_late[:3]),
            ),
            fix=Text("`rheod relist explain ID` says what it waits for"),
            alerts=False,
        )
    if facts.pictures is not None:
        yield Finding(
            code="pictures.wait",
            mood=Mood.BUSY,
            text=counted(
                "{n} picture could not be fetched yet: {reason}",
                "{n} pictures could not be fetched yet: {reason}",
                facts.pictures.count,
                reason=facts.pictures.reason,
            ),
            fix=Text("Check the host of the pictures; they are tried again for half an hour, then given up"),
            alerts=False,
            since=facts.pictures.since,
            next_at=facts.pictures.next_at,
        )
    if facts.not_published:
        yield Finding(
            code="item.failed",
            mood=Mood.BUSY,
            text=counted(
                "{n} item could not be published",
                "{n} items could not be published",
                facts.not_published,
            ),
            fix=Text(
                "`rheod items show ID` says why; mend it and send the item again, or `rheod items retry ID`"
            ),
        )


def _of_returns(facts: Waiting) -> Iterator[Finding]:
    """What was sold twice, or may be, and what comes back no more."""
    if facts.sold_twice:
        yield Finding(
            code="sale.twice",
            mood=Mood.BAD,
            text=counted(
                "{n} item is sold twice, by two of its ads ({items})",
                "{n} items are sold twice, each by two of its ads ({items})",
                len(facts.sold_twice),
                items=", ".join(facts.sold_twice[:3]),
            ),
            fix=Text(
                "Tell one of the two buyers now, and cancel that order in My Tradera. `rheod items show ID` names both ads"
            ),
        )
    if facts.sold_but_up:
        yield Finding(
            code="sale.conflict",
            mood=Mood.BAD,
            text=counted(
                "{n} item is sold while another ad of it is up that Tradera does not end: it may be sold twice ({items})",
                "{n} items are sold while other ads of them are up that Tradera does not end: they may be sold twice ({items})",
                len(facts.sold_but_up),
                items=", ".join(facts.sold_but_up[:3]),
            ),
            fix=Text(
                "Look at both ads in My Tradera now: cancel the bids and end the ad, or tell one of the buyers before it is sold"
            ),
        )
    if facts.unsold:
        yield Finding(
            code="relist.over",
            mood=Mood.BUSY,
            text=counted(
                "{n} item has not been sold and comes back no more ({items})",
                "{n} items have not been sold and come back no more ({items})",
                len(facts.unsold),
                items=", ".join(facts.unsold[:3]),
            ),
            fix=Text(
                "Decide: `rheod items publish ID` puts one up again at its own price, not_listed takes it off the market"
            ),
        )
