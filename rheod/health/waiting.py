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
    waits, `since` says for how long and `next_at` when it is tried again (ms); without that it waits for the owner.
    `where` is the path of the page that it is seen to on, "" when that is the server; it shows the account `owner`. It is about
    `count` things; `items` are the external ids of the first of them, where they are items.
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

    def is_long(self, now: int) -> bool:
        """Whether it rests, or is to rest, for long."""
        return now - self.since > LONG_MS or (self.next_at or 0) - self.since > LONG_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """What waits at one moment `now` (ms).

    `tradera` and `push` are set while they do not answer, `refusals` tell which methods Tradera has refused;
    `not_believed` is what Tradera says of categories, attributes and freight that cannot be read, by its name.
    `reconciled` is since when each account's orders and ads have not been compared, and `reconcile_patience_ms` how
    long that may be.
    """

    now: int
    tradera: Wait | None = None
    push: Wait | None = None
    refusals: tuple[Refusal, ...] = ()
    endings: tuple[Wait, ...] = ()
    unclear: tuple[Wait, ...] = ()
    sales: tuple[Wait, ...] = ()
    pictures: Wait | None = None
    not_published: Wait | None = None
    sold_but_up: Wait | None = None
    sold_twice: Wait | None = None
    unsold: Wait | None = None
    relists_late: Wait | None = None
    put_off: Wait | None = None
    reconciled: tuple[Wait, ...] = ()
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
        yield facts.tradera.found(
            "tradera.away",
            Mood.BAD,
            counted(
                "Tradera has not answered for {n} minute: {reason}",
                "Tradera has not answered for {n} minutes: {reason}",
                (facts.now - facts.tradera.since) // 60_000,
                reason=facts.tradera.reason,
            ),
            Text(
                "Nothing is lost, and rheod asks again by itself. If it lasts, check the network and tradera.base_url"
            ),
        )
    if facts.push is not None and _is_long(facts.push, facts.now):
        yield facts.push.found(
            "push.away",
            Mood.BAD,
            Text("The push queue gives no messages: {reason}", reason=facts.push.reason),
            Text("Check the [push] settings and the network; sales are found later, by asking Tradera"),
            alerts=False,
        )
    for wait in facts.reconciled:
        if facts.now - wait.since > facts.reconcile_patience_ms:
            yield wait.found(
                "reconcile.late",
                Mood.BAD,
                Text(
                    "The sales and ads of account {account} have not been compared with Tradera's for {minutes} minutes",
                    account=wait.account or "own",
                    minutes=(facts.now - wait.since) // 60_000,
                ),
                Text("A sale that push did not tell is found only then: the log says why it fails"),
            )


def of_reference(facts: Waiting) -> Iterator[Finding]:
    """What Tradera says of categories, attributes and freight and could not be believed."""
    for wait in facts.not_believed:
        named, _, leaf = wait.account.partition(":")
        yield wait.found(
            "reference.unread",
            Mood.BUSY,
            _unread(named, leaf, wait.reason),
            Text(
                "What was read last is used meanwhile, and nothing is held back for it; rheod reads it again by itself"
            ),
            alerts=False,
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
        text = wait.counted(
            "{n} sale of account {account} is not looked up yet: {reason}",
            "{n} sales of account {account} are not looked up yet: {reason}",
        )
        fix = Text("rheod asks again by itself; until then the shop does not know of it: look in My Tradera")
        yield wait.found("sale.waits", Mood.BAD, text, fix)
    for wait in facts.endings:
        text = wait.counted(
            "{n} ad of account {account} should have been ended and is still up: {reason}",
            "{n} ads of account {account} should have been ended and are still up: {reason}",
        )
        fix = Text("rheod tries again by itself. If it hurries, end it in My Tradera")
        yield wait.found("ending.waits", Mood.BAD, text, fix)
    for wait in facts.unclear:
        text = wait.counted(
            "{n} job of account {account} gets no clear answer of Tradera: {reason}",
            "{n} jobs of account {account} get no clear answer of Tradera: {reason}",
        )
        fix = Text(
            "rheod tries again by itself, ever more rarely, and goes on with the others. `rheod items list` names"
            " what waits; `rheod items retry ID` tries at once"
        )
        yield wait.found("work.unclear", Mood.BUSY, text, fix, alerts=False)
    yield from _of_items(facts)


def _of_items(facts: Waiting) -> Iterator[Finding]:
    yield from _of_returns(facts)
    if (wait := facts.put_off) is not None and _is_long(wait, facts.now):
        text = wait.counted(
            "{n} ad is to be committed once more, and no call is left for it ({items})",
            "{n} ads are to be committed once more, and no calls are left for them ({items})",
        )
        fix = Text(
            "They come before all other ads as soon as a call is free; `rheod items show ID` says when"
        )
        yield wait.found("commit.waits", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.relists_late) is not None:
        text = wait.counted(
            "{n} item should have come back by now ({items})",
            "{n} items should have come back by now ({items})",
        )
        fix = Text("`rheod relist explain ID` says what it waits for")
        yield wait.found("relist.late", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.pictures) is not None:
        text = wait.counted(
            "{n} picture could not be fetched yet: {reason}",
            "{n} pictures could not be fetched yet: {reason}",
        )
        fix = Text("Check the host of the pictures; they are tried again for half an hour, then given up")
        yield wait.found("pictures.wait", Mood.BUSY, text, fix, alerts=False)
    if (wait := facts.not_published) is not None:
        text = wait.counted("{n} item could not be published", "{n} items could not be published")
        fix = Text(
            "`rheod items show ID` says why; mend it and send the item again, or `rheod items retry ID`"
        )
        yield wait.found("item.failed", Mood.BUSY, text, fix)


def _of_returns(facts: Waiting) -> Iterator[Finding]:
    """What was sold twice, or may be, and what comes back no more."""
    if (wait := facts.sold_twice) is not None:
        text = wait.counted(
            "{n} item is sold twice, by two of its ads or elsewhere too ({items})",
            "{n} items are sold twice, each by two of its ads or elsewhere too ({items})",
        )
        fix = Text(
            "Tell one of the two buyers now, and cancel that order in My Tradera. `rheod items show ID` names both ads"
        )
        yield wait.found("sale.twice", Mood.BAD, text, fix)
    if (wait := facts.sold_but_up) is not None:
        text = wait.counted(
            "{n} item is sold while another ad of it is up that Tradera does not end: it may be sold twice ({items})",
            "{n} items are sold while other ads of them are up that Tradera does not end: they may be sold twice ({items})",
        )
        fix = Text(
            "Look at both ads in My Tradera now: cancel the bids and end the ad, or tell one of the buyers before it is sold"
        )
        yield wait.found("sale.conflict", Mood.BAD, text, fix)
    if (wait := facts.unsold) is not None:
        text = wait.counted(
            "{n} item has not been sold and comes back no more ({items})",
            "{n} items have not been sold and come back no more ({items})",
        )
        fix = Text(
            "Decide: `rheod items publish ID` puts one up again at its own price, not_listed takes it off the market"
        )
        yield wait.found("relist.over", Mood.BUSY, text, fix)
