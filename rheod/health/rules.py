"""What needs the owner: pure rules from facts to findings, each with a sentence and what to do about it.

The same findings are on the first page, in `rheod status`, in `rheod doctor` and in the alerts, in the same words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DAY_MS = 24 * 3600 * 1000
TOKEN_STEPS = (30, 14, 7, 1)
"""Days before a token's end at which the owner is told, each once."""

FEW_FAILURES = 3


class Mood(StrEnum):
    """BAD: something does not work. BUSY: it works, and will stop working, or waits for the owner."""

    BAD = "bad"
    BUSY = "busy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing the owner should know. `text` and `fix` are English with `{name}` places for `values`.

    `subject` tells findings of one kind apart. `alerts` says whether the owner is told outside the pages too.
    """

    code: str
    mood: Mood
    text: str
    fix: str
    subject: str = ""
    values: Mapping[str, str | int] = field(default_factory=dict)
    alerts: bool = True

    @property
    def key(self) -> str:
        """The same for the same thing at every look."""
        return f"{self.code}:{self.subject}"

    @property
    def sentence(self) -> str:
        """What is wrong, in English."""
        return self.text.format(**self.values)

    @property
    def remedy(self) -> str:
        """What to do about it, in English."""
        return self.fix.format(**self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """A seller: `token_ends_at` None is unknown; `refused_since` is set while Tradera refuses its token (ms)."""

    reference: str
    token_ends_at: int | None = None
    refused_since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """Where webhooks go: `waiting` events are kept for it."""

    id: str
    host: str
    url: str
    active: bool
    fail_count: int
    disabled_by_failures: bool
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverFacts:
    """An account after a restore: `under_way` until its last look at Tradera; the ads of items it does not know."""

    reference: str
    under_way: bool = True
    blind: bool = False
    strangers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is looked at, at one moment `now`. Times in ms UTC; None is unknown or never.

    `push_heard_at` is the queue's last answer, or the start; None without a queue. `backup_due_at` is when the last
    backup, or the installation, has become too old.
    """

    now: int
    missing: tuple[str, ...] = ()
    accounts: tuple[AccountFacts, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    calls_left: int = 0
    publishings_waiting: int = 0
    next_call_at: int | None = None
    push_heard_at: int | None = None
    push_patience_ms: int = 3_600_000
    quarantined: int = 0
    unmatched: int = 0
    in_doubt: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    takeovers: tuple[TakeoverFacts, ...] = ()
    backup_due_at: int | None = None
    free_bytes: int | None = None
    least_free_bytes: int = 0
    log_bytes: int = 0
    most_log_bytes: int = 64 * 2**20
    image_bytes: int = 0
    most_image_bytes: int = 0


def findings(facts: Facts) -> list[Finding]:
    """Everything that needs the owner, the worst first."""
    found = [
        *_of_tokens(facts),
        *_of_endpoints(facts),
        *_of_sales(facts),
        *_of_publishing(facts),
        *_of_takeovers(facts),
        *_of_store(facts),
    ]
    return sorted(found, key=lambda one: one.mood is not Mood.BAD)


def _of_tokens(facts: Facts) -> Iterator[Finding]:
    for account in facts.accounts:
        values: dict[str, str | int] = {"account": account.reference or "own"}
        if account.refused_since is not None:
            yield Finding(
                code="token.dead",
                subject=account.reference,
                mood=Mood.BAD,
                text="Tradera refuses the token of account {account}: nothing of it is published or asked for",
                fix="Sign in at Tradera again: `rheod tradera connect`, or the page Tradera",
                values=values,
            )
        elif account.token_ends_at is not None:
            yield from _ending(account, facts.now, values)


def _ending(account: AccountFacts, now: int, values: Mapping[str, str | int]) -> Iterator[Finding]:
    assert account.token_ends_at is not None
    days = max(0, (account.token_ends_at - now) // DAY_MS)
    reached = [step for step in TOKEN_STEPS if account.token_ends_at - now <= step * DAY_MS]
    if reached:
        yield Finding(
            code="token.ends",
            subject=f"{account.reference}:{reached[-1]}",
            mood=Mood.BAD if days < TOKEN_STEPS[2] else Mood.BUSY,
            text="The Tradera token of account {account} ends in {days} days",
            fix="Sign in at Tradera again before that: `rheod tradera connect`, or the page Tradera",
            values={**values, "days": days},
        )


def _of_endpoints(facts: Facts) -> Iterator[Finding]:
    for endpoint in facts.endpoints:
        values: dict[str, str | int] = {"host": endpoint.host, "id": endpoint.id, "waiting": endpoint.waiting}
        if endpoint.disabled_by_failures and not endpoint.active:
            yield Finding(
                code="endpoint.off",
                subject=endpoint.id,
                mood=Mood.BAD,
                text="The webhook endpoint at {host} is switched off after its failures; {waiting} events are kept for it",
                fix="Mend the receiver, then `rheod webhooks enable {id}`: the events go out in order",
                values=values,
            )
        elif endpoint.active and endpoint.fail_count >= FEW_FAILURES:
            yield Finding(
                code="endpoint.fails",
                subject=endpoint.id,
                mood=Mood.BUSY,
                text="The webhook endpoint at {host} fails; {waiting} events wait for it",
                fix="See why: `rheod webhooks deliveries`, or the page Integration",
                values=values,
                alerts=False,
            )


def _of_sales(facts: Facts) -> Iterator[Finding]:
    if facts.push_heard_at is not None and facts.now - facts.push_heard_at > facts.push_patience_ms:
        yield Finding(
            code="push.silent",
            mood=Mood.BAD,
            text="Tradera's push queue has not answered for {minutes} minutes: sales are found later, by asking",
            fix="Check push.queue_url, the AWS keys and the network; the log says what the queue answers",
            values={"minutes": (facts.now - facts.push_heard_at) // 60_000},
        )
    if facts.quarantined:
        yield Finding(
            code="sale.quarantined",
            mood=Mood.BAD,
            text="{n} messages of Tradera could not be understood and are kept: one may be a sale",
            fix="See them: `rheod orders list --unmatched`, and compare with your sales at Tradera",
            values={"n": facts.quarantined},
        )
    if facts.unmatched:
        yield Finding(
            code="sale.unmatched",
            mood=Mood.BUSY,
            text="{n} sales are of something that rheod does not know",
            fix="See them on the page Sales, or with `rheod orders list --unmatched`",
            values={"n": facts.unmatched},
        )


def _of_publishing(facts: Facts) -> Iterator[Finding]:
    if facts.missing:
        yield Finding(
            code="publishing.waits",
            mood=Mood.BUSY,
            text="Nothing is published: {settings} not set",
            fix="Set them in the settings file and restart rheod, or connect on the page Tradera",
            values={"settings": ", ".join(facts.missing)},
            alerts=False,
        )
    if facts.in_doubt:
        yield Finding(
            code="listing.doubt",
            mood=Mood.BAD,
            text="{n} ads are in doubt: Tradera has not said whether they are up ({items})",
            fix="Look for them at Tradera, then `rheod items settle ID --live AD` or `--not-live`",
            values={"n": len(facts.in_doubt), "items": ", ".join(facts.in_doubt[:3])},
        )
    if facts.publishings_waiting and facts.calls_left <= 0:
        yield Finding(
            code="budget.spent",
            mood=Mood.BUSY,
            text="Tradera's calls of 24 hours are used up while {n} items wait to be published",
            fix="They go out as calls come free. If it happens often, ask Tradera for a higher limit and set tradera.daily_calls",
            values={"n": facts.publishings_waiting},
        )
    if facts.unmapped:
        yield Finding(
            code="category.missing",
            mood=Mood.BUSY,
            text="No Tradera category is set for: {domains}",
            fix="Set it under [tradera.defaults.category_id], or send tradera.categoryId with the item",
            values={"domains": ", ".join(facts.unmapped)},
            alerts=False,
        )


def _of_takeovers(facts: Facts) -> Iterator[Finding]:
    for one in facts.takeovers:
        values: dict[str, str | int] = {"account": one.reference or "own"}
        if one.blind:
            yield Finding(
                code="restore.blind",
                subject=one.reference,
                mood=Mood.BAD,
                text="After the restore Tradera does not tell which ads of account {account} are rheod's: nothing of it"
                " is published",
                fix="Compare your ads at Tradera with `rheod items list`, then `rheod restore --compared`",
                values=values,
            )
        elif one.under_way:
            yield Finding(
                code="restore.looks",
                subject=one.reference,
                mood=Mood.BUSY,
                text="After the restore rheod first looks at what account {account} has at Tradera: nothing of it is"
                " published until then",
                fix="Wait: it goes on by itself, after tradera.takeover_wait_s (an hour) at the latest if calls are left",
                values=values,
                alerts=False,
            )
        if one.strangers:
            yield Finding(
                code="restore.strangers",
                subject=one.reference,
                mood=Mood.BUSY,
                text="{n} ads at Tradera are of items that the restored backup does not know: {ads}",
                fix="End them in My Tradera before the same things are sent again, or they are up twice",
                values={"n": len(one.strangers), "ads": ", ".join(map(str, one.strangers[:5]))},
            )


def _of_store(facts: Facts) -> Iterator[Finding]:
    if facts.backup_due_at is not None and facts.now >= facts.backup_due_at:
        yield Finding(
            code="backup.missed",
            mood=Mood.BUSY,
            text="There is no fresh backup",
            fix="Run `rheod backup DEST`, and let the timer do it daily: `systemctl enable --now rheod-backup.timer`",
        )
    if facts.free_bytes is not None and facts.free_bytes < facts.least_free_bytes:
        yield Finding(
            code="disk.low",
            mood=Mood.BAD,
            text="The disk of the data folder has only {mib} MiB left",
            fix="Make room: with a full disk rheod answers 503 and takes nothing in",
            values={"mib": facts.free_bytes // 2**20},
        )
    if facts.most_image_bytes and facts.image_bytes >= facts.most_image_bytes:
        yield Finding(
            code="images.full",
            mood=Mood.BAD,
            text="The pictures of items that are for sale come to {mib} MiB: new pictures are not fetched",
            fix="Raise storage.images_max_bytes and restart rheod, or delete items that are not for sale any more",
            values={"mib": facts.image_bytes // 2**20},
        )
    if facts.log_bytes > facts.most_log_bytes:
        yield Finding(
            code="log.long",
            mood=Mood.BUSY,
            text="The database's write-ahead log has grown to {mib} MiB",
            fix="End whatever has been reading the database for long, such as a copy that hangs",
            values={"mib": facts.log_bytes // 2**20},
            alerts=False,
        )
