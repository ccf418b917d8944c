"""What needs the owner: pure rules from facts to findings, each with a sentence and what to do about it.

The same findings are on the first page, in `rheod status`, in `rheod doctor` and in the alerts, in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from rheod.domain.errors import Text, counted
from rheod.health.findings import LONG_MS, Finding, Mood, Wait, at_its_place, is_long
from rheod.health.orders import OrderFacts, of_orders
from rheod.health.waiting import (
    StoreFacts,
    of_items,
    of_reference,
    of_remotes,
    of_returns,
    of_store,
    of_takeovers,
    of_work,
)
from rheod.store.ads import HeldItems

DAY_MS = 24 * 3600 * 1000
SOON_MS = 2 * 60 * 1000
"""What settles itself within this time is no finding."""
TOKEN_STEPS = (30, 14, 7, 1)
"""Days before a token's end at which the owner is told, each once."""

FEW_FAILURES = 3
ASKED_AGAIN = Text(
    "rheod asks again by itself, ever more rarely, and at once after `rheod doctor --online` or `rheod items retry ID`"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """A seller: `token_ends_at` (ms) None is unknown; `refused` is set while Tradera refuses it."""

    reference: str
    token_ends_at: int | None = None
    refused: Wait | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointFacts:
    """Where webhooks go: `waiting` events are kept for it.

    `failing_since` and `next_try` (ms) are set while it takes none; `alone` are events that it refuses while it takes
    others.
    """

    id: str
    host: str
    url: str
    active: bool
    fail_count: int
    disabled_by_failures: bool
    waiting: int
    failing_since: int | None = None
    next_try: int | None = None
    alone: Wait | None = None
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts(StoreFacts):
    """What is looked at, at one moment `now`. Times in ms UTC; None is unknown or never.

    `push_heard_at` is the queue's last answer, or the start; None without a queue. `publishings` are all that wait, with
    the time at which the budget lets the next one go, None while it does.
    """

    missing: tuple[str, ...] = ()
    paused_since: int | None = None
    superseded: tuple[Text, ...] = ()
    held_to_sum: Text | None = None
    accounts: tuple[AccountFacts, ...] = ()
    endpoints: tuple[EndpointFacts, ...] = ()
    publishings: Wait | None = None
    started_at: int = 0
    push_heard_at: int | None = None
    push_patience_ms: int = 3_600_000
    quarantined: int = 0
    quarantined_since: int | None = None
    doubts_since: tuple[int, ...] = ()
    doubts_next: int | None = None
    doubts_owner: str = ""
    unmatched: int = 0
    unmatched_owner: str = ""
    orders: OrderFacts = field(default_factory=OrderFacts)
    unconnected: tuple[Wait, ...] = ()
    in_doubt: Wait | None = None
    doubled: Wait | None = None
    held: HeldItems | None = None
    look_alikes: tuple[tuple[str, str, str], ...] = ()


def _of_tokens(facts: Facts) -> Iterator[Finding]:
    for wait in facts.unconnected:
        yield wait.found(
            "account.unconnected",
            Mood.BUSY,
            Text("Account {account} is not connected to Tradera and sells nothing", account=wait.account),
            Text(
                "Connect it on the page Tradera, or with `rheod tradera connect --account {account}`",
                account=wait.account,
            ),
            alerts=False,
        )
    for account in facts.accounts:
        values: dict[str, str | int] = {"account": account.reference or "own"}
        if account.refused is not None:
            yield Finding(
                code="token.dead",
                subject=account.reference,
                mood=Mood.BAD,
                text=Text(
                    "Tradera refuses account {account}: {reason}", **values, reason=account.refused.reason
                ),
                fix=ASKED_AGAIN,
                since=account.refused.since,
                next_at=account.refused.next_at,
                owner=account.reference,
            )
        elif account.token_ends_at is not None:
            left_ms = account.token_ends_at - facts.now
            days = max(0, left_ms // DAY_MS)
            for step in [step for step in TOKEN_STEPS if left_ms <= step * DAY_MS][-1:]:
                yield Finding(
                    code="token.ends",
                    subject=f"{account.reference}:{step}",
                    mood=Mood.BAD if days < TOKEN_STEPS[2] else Mood.BUSY,
                    text=counted(
                        "The Tradera token of account {account} ends in {n} day",
                        "The Tradera token of account {account} ends in {n} days",
                        days,
                        **values,
                    ),
                    fix=Text(
                        "Sign in at Tradera again before that: `rheod tradera connect`, or the page Tradera"
                    ),
                    owner=account.reference,
                )


def _of_endpoints(facts: Facts) -> Iterator[Finding]:
    for endpoint in facts.endpoints:
        values: dict[str, str | int] = {
            "host": f"{endpoint.host} ({endpoint.id})",  # two may be on one host
            "id": endpoint.id,
        }
        failing_ms = facts.now - (endpoint.failing_since or facts.now)
        if endpoint.disabled_by_failures and not endpoint.active:
            yield Finding(
                code="endpoint.off",
                subject=endpoint.id,
                mood=Mood.BAD,
                text=counted(
                    "The webhook endpoint at {host} is switched off after its failures; {n} event is kept for it",
                    "The webhook endpoint at {host} is switched off after its failures; {n} events are kept for it",
                    endpoint.waiting,
                    **values,
                ),
                fix=Text(
                    "Mend the receiver, then `rheod webhooks enable {id}`: the events go out in order",
                    **values,
                ),
                since=endpoint.failing_since,
                owner=endpoint.owner,
            )
        elif endpoint.active and (endpoint.fail_count >= FEW_FAILURES or failing_ms > LONG_MS):
            yield Finding(
                code="endpoint.fails",
                subject=endpoint.id,
                mood=Mood.BUSY,
                text=counted(
                    "The webhook endpoint at {host} fails; {n} event waits for it",
                    "The webhook endpoint at {host} fails; {n} events wait for it",
                    endpoint.waiting,
                    **values,
                ),
                fix=Text(
                    "See why: `rheod webhooks deliveries --endpoint {id}`, or the page Integration", **values
                ),
                alerts=False,
                since=endpoint.failing_since,
                next_at=endpoint.next_try,
                owner=endpoint.owner,
            )
        if endpoint.alone is not None and endpoint.active:
            yield replace(_event_refused(endpoint.id, endpoint.alone, values), owner=endpoint.owner)


def _event_refused(endpoint_id: str, alone: Wait, values: Mapping[str, str | int]) -> Finding:
    return Finding(
        code="event.refused",
        subject=endpoint_id,
        mood=Mood.BAD,
        text=counted(
            "The webhook endpoint at {host} takes other events and refuses {n}: {reason}",
            "The webhook endpoint at {host} takes other events and refuses {n}: {reason}",
            alone.count,
            reason=alone.reason,
            **values,
        ),
        fix=Text(
            "See it: `rheod webhooks deliveries --endpoint {id} --status failed`. Mend the receiver, then"
            " `rheod webhooks replay EVENT`",
            **values,
        ),
        since=alone.since,
        next_at=alone.next_at,
    )


def _of_sales(facts: Facts) -> Iterator[Finding]:
    if facts.push_heard_at is not None and facts.now - facts.push_heard_at > facts.push_patience_ms:
        yield Finding(
            code="push.silent",
            mood=Mood.BAD,
            text=Text(
                "Tradera's push queue has not answered for {minutes} minutes: sales are found later, by asking",
                minutes=(facts.now - facts.push_heard_at) // 60_000,
            ),
            fix=Text(
                "Check push.queue_url, the AWS keys and the network; the log says what the queue answers"
            ),
            since=facts.push_heard_at,
            next_at=None if facts.push is None else facts.push.next_at,
        )
    if doubts := [since for since in facts.doubts_since if facts.now - since > SOON_MS]:
        yield Finding(
            code="sale.doubt",
            mood=Mood.BAD,
            text=counted(
                "{n} order may be a sale and cannot be read: its item is neither published nor deleted",
                "{n} orders may be sales and cannot be read: their items are neither published nor deleted",
                len(doubts),
            ),
            fix=Text(
                "See them: `rheod orders list`; look for them at Tradera, then `rheod orders settle ORDER`"
            ),
            since=min(doubts),
            next_at=facts.doubts_next,
            owner=facts.doubts_owner,
            count=len(doubts),
        )
    if facts.quarantined:
        yield Finding(
            code="sale.quarantined",
            mood=Mood.BAD,
            text=counted(
                "{n} message of Tradera could not be understood and is kept: it may be a sale",
                "{n} messages of Tradera could not be understood and are kept: one may be a sale",
                facts.quarantined,
            ),
            fix=Text("See them: `rheod orders messages`, and compare with your sales at Tradera"),
            since=facts.quarantined_since,
        )
    if facts.unmatched:
        yield Finding(
            code="sale.unmatched",
            mood=Mood.BUSY,
            text=counted(
                "{n} sale is of something that rheod does not know",
                "{n} sales are of something that rheod does not know",
                facts.unmatched,
            ),
            fix=Text("See them on the page Orders, or with `rheod orders list --unmatched`"),
            owner=facts.unmatched_owner,
            count=facts.unmatched,
        )
    yield from of_orders(facts.orders, facts.now)


def _of_doubts(facts: Facts) -> Iterator[Finding]:
    if (wait := facts.in_doubt) is not None:
        text = wait.counted(
            "{n} ad is in doubt: Tradera has not said whether it is up ({items})",
            "{n} ads are in doubt: Tradera has not said whether they are up ({items})",
        )
        fix = Text("Look for them at Tradera, then `rheod items settle ID --live AD` or `--not-live`")
        yield wait.found("listing.doubt", Mood.BAD, text, fix)
    if (wait := facts.doubled) is not None:
        text = wait.counted(
            "{n} item has two ads at Tradera and may be sold twice ({items})",
            "{n} items have two ads each at Tradera and may be sold twice ({items})",
        )
        fix = Text(
            "rheod ends the newer ad where it has no bids. Else end one of them in My Tradera now,"
            " or tell the buyer of one before it is sold"
        )
        yield wait.found("listing.double", Mood.BAD, text, fix)


def _of_publishing(facts: Facts) -> Iterator[Finding]:
    publishings = facts.publishings
    if facts.missing:
        since = facts.started_at if publishings is None else publishings.since
        yield Wait(since=since).found(
            "publishing.waits",
            Mood.BUSY,
            Text("Nothing is published: {settings} not set", settings=", ".join(facts.missing)),
            Text("Set them in the settings file and restart rheod, or connect on the page Tradera"),
            alerts=False,
        )
    if facts.paused_since is not None:
        waiting = 0 if publishings is None else publishings.count
        yield Wait(since=facts.paused_since).found(
            "publishing.paused",
            Mood.BUSY,
            counted(
                "You have paused everything: {n} ad waits",
                "You have paused everything: {n} ads wait",
                waiting,
            ),
            Text("Let it go on, on the page Ads or by `rheod schedule resume`"),
            alerts=False,
        )


def _of_waiting_items(facts: Facts) -> Iterator[Finding]:
    if (publishings := facts.publishings) is not None and publishings.next_at is not None:
        text = publishings.counted(
            "Tradera's calls of 24 hours are used up while {n} item waits to be published",
            "Tradera's calls of 24 hours are used up while {n} items wait to be published",
        )
        fix = Text(
            "They go out as calls come free. If it happens often, ask Tradera (apiadmin@tradera.com) for a higher limit and set tradera.quota"
        )
        yield publishings.found("budget.spent", Mood.BUSY, text, fix)
    if (held := facts.held) is not None:
        text = counted(
            "{n} item is held until its category or attributes are settled. {item}: {reason}",
            "{n} items are held until their category or attributes are settled. {item}: {reason}",
            held.count,
            item=ascii(held.external_id)[1:-1],
            reason=held.reason,
        )
        fix = Text("`rheod items check` names what each lacks; a rule, a default or a PUT lets it go at once")
        wait = Wait(since=held.since, count=held.count, items=(held.external_id,), owner=held.owner)
        yield wait.found("items.held", Mood.BUSY, text, fix)


def _of_ids(facts: Facts) -> Iterator[Finding]:
    for *pair, owner in facts.look_alikes:
        one, other = map(ascii, pair)  # what cannot be seen is spelled out
        yield Finding(
            code="items.look_alike",
            subject=f"{one} {other}",
            mood=Mood.BUSY,
            text=Text("Two items have ids that look the same: {one} and {other}", one=one, other=other),
            fix=Text("If they are one thing, delete one of the two: else it is sold twice"),
            owner=owner,
            items=(pair[0],),
        )


def _of_quota(facts: Facts) -> Iterator[Finding]:
    """What 429s have told of each method: one that rests is told at once where that may be a burst, else when it lasts."""
    for refusal in facts.refusals:
        rests = refusal.next_at is not None and refusal.next_at > facts.now
        if rests and (refusal.used < refusal.limit or is_long(refusal, facts.now)):
            yield Finding(
                code="tradera.paused",
                subject=refusal.method,
                mood=Mood.BUSY,
                text=Text(
                    "Tradera refuses more calls of the kind {kind} (429) after {used} in 24 hours; its limit was taken to be {limit}",
                    kind=refusal.method,
                    used=refusal.used,
                    limit=refusal.limit,
                ),
                fix=Text(
                    "It may be a burst: rheod tries again by itself, and all else goes on. Tradera's Developer Center shows the limit on the application's page: set tradera.quota.methods.{kind} to it; apiadmin@tradera.com raises it",
                    kind=refusal.method,
                ),
                alerts=False,
                since=refusal.since,
                next_at=refusal.next_at,
            )
        if refusal.learned is not None and refusal.learned < refusal.limit:
            yield Finding(
                code="quota.learned",
                subject=refusal.method,
                mood=Mood.BUSY,
                text=Text(
                    "Tradera has let through {learned} calls of the kind {kind} in 24 hours and no more: rheod keeps to that, not to {limit}",
                    learned=refusal.learned,
                    kind=refusal.method,
                    limit=refusal.limit,
                ),
                fix=Text(
                    "Set tradera.quota.methods.{kind} to what Tradera's Developer Center shows; apiadmin@tradera.com raises it. Once it is higher: `rheod tradera quota forget {kind}`",
                    kind=refusal.method,
                ),
            )


def _of_settings(facts: Facts) -> Iterator[Finding]:
    """Lines of the settings that hold all calls to a sum, as an older one did, or that have no use any more."""
    if facts.held_to_sum is not None:
        yield Finding(
            code="quota.held",
            mood=Mood.BUSY,
            text=facts.held_to_sum,
            fix=Text(
                "Take the line out, or write it as tradera.quota.total if Tradera has told you such a limit: the Developer Center shows the figures on the application's page"
            ),
            alerts=False,
        )
    if facts.superseded:
        yield Finding(
            code="settings.superseded",
            mood=Mood.BUSY,
            text=counted(
                "{n} line of the settings has no use any more: {lines}",
                "{n} lines of the settings have no use any more: {lines}",
                len(facts.superseded),
                lines="; ".join(facts.superseded),
            ),
            fix=Text("Take them out: `rheod config check` names each of them"),
            alerts=False,
        )


_RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    _of_tokens,
    _of_endpoints,
    _of_sales,
    _of_publishing,
    _of_quota,
    _of_settings,
    _of_doubts,
    _of_waiting_items,
    _of_ids,
    of_remotes,
    of_reference,
    of_work,
    of_returns,
    of_items,
    of_takeovers,
    of_store,
)


def findings(facts: Facts) -> list[Finding]:
    """Everything that needs the owner, the worst first."""
    found = (at_its_place(one) for rule in _RULES for one in rule(facts))
    return sorted(found, key=lambda one: one.mood is not Mood.BAD)
