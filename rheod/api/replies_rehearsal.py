"""The answer to a dry run of a publishing, for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rheod.api.replies import At, Reply
from rheod.domain.rehearsal import Verdict

if TYPE_CHECKING:
    from rheod.domain.rehearsal import Rehearsal


class CheckReply(Reply):
    """One thing that was looked at."""

    verdict: Verdict
    text: str


class StepReply(Reply):
    """One call as it would be made; credentials go in headers that are not shown."""

    operation: str
    method: str
    url: str
    body: dict[str, Any] | None


class RehearsalReply(Reply):
    """The whole play; `stops` when it would not be published however long one waits."""

    stops: bool
    checks: list[CheckReply]
    steps: list[StepReply]
    calls: int
    goes_at: At | None


def rehearsal_reply(played: Rehearsal) -> RehearsalReply:
    """A rehearsal as JSON."""
    return RehearsalReply(
        stops=played.stops,
        checks=[CheckReply(verdict=each.verdict, text=each.sentence) for each in played.checks],
        steps=[
            StepReply(
                operation=step.operation,
                method=step.method,
                url=step.url,
                body=None if step.body is None else dict(step.body),
            )
            for step in played.steps
        ],
        calls=played.calls,
        goes_at=played.goes_at,
    )
