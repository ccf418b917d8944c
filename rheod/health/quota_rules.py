"""What the owner should know of Tradera's quota: what was refused, what was learned of it, and what holds it down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rheod.domain.errors import Text
from rheod.health.waiting import Finding, Mood, Refusal


def of_quota(refusals: Iterable[Refusal], held_to_sum: Text | None, now: int) -> Iterator[Finding]:
    """From what 429s have told, and from an older setting that holds all calls to a sum."""
    for refusal in refusals:
        yield from _of_refusal(refusal, now)
    if held_to_sum is not None:
        yield Finding(
            code="quota.held",
            mood=Mood.BUSY,
            text=held_to_sum,
            fix=Text(
                "Take the line out, or write it as tradera.quota.total if Tradera has told you such a limit: the Developer Center shows the figures on the application's page"
            ),
            alerts=False,
        )


def _of_refusal(refusal: Refusal, now: int) -> Iterator[Finding]:
    """A method that rests: told at once where less was used than is taken for its limit, else when that lasts."""
    rests = refusal.next_at is not None and refusal.next_at > now
    if rests and (refusal.used < refusal.limit or refusal.is_long(now)):
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
