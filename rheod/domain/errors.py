"""The three kinds of failure rheod tells apart, and when what failed is tried again: every layer decides without the cause.

`Refused`: the caller must act. `Transient`: time may heal it. `Permanent`: the owner must act.
Foreign exceptions become one of these at the call (clients, store) and never travel further. What may reach a page is a
`Text`, a template with values, so that it can be shown in the reader's language; `str(error)` is that Text. The template is
the message id of the Swedish catalogue (`web/locale/sv.po`); English is what it says by itself.

Retry schedules are data and the next attempt is a pure function. Nothing here waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Self

Value = str | int | float


class Text(str):
    """An English sentence that remembers its template and values; wherever a `str` is wanted it is that sentence.

    The template is written as a literal, for the catalogue's test reads it from the source. A value may be a Text or an
    error too; what is no number is kept as its text.
    `plural` is the template for every `n` but 1 (see `counted`).
    """

    __slots__ = ("plural", "template", "values")
    template: str
    plural: str | None
    values: dict[str, Value]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Raises LookupError when the template names a value that is not given."""
        return cls.made(template, values)

    @classmethod
    def made(cls, template: str, values: Mapping[str, object], *, plural: str | None = None) -> Self:
        """For what is not written in the source: stored sentences. Raises LookupError or ValueError on a bad template."""
        kept = {
            name: each if isinstance(each, str | int | float) else str(each) for name, each in values.items()
        }
        wanted = template if plural is None or kept["n"] == 1 else plural
        text = super().__new__(cls, wanted.format(**kept))
        text.template, text.plural, text.values = template, plural, kept
        return text

    @classmethod
    def of(cls, sentence: str) -> Text:
        """A sentence that somebody else wrote, as it stands; one of ours stays what it is."""
        return sentence if isinstance(sentence, Text) else Text("{text}", text=sentence)

    def __str__(self) -> str:
        return self  # `str(error)` and `str(text)` keep template and values; a plain copy would lose them

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.template, self.values, self.plural)


def counted(one: str, many: str, n: int, **values: object) -> Text:
    """A sentence about `{n}` things: `one` for exactly one of them, `many` otherwise."""
    return Text.made(one, {"n": n, **values}, plural=many)


def _again(template: str, values: Mapping[str, object], plural: str | None) -> Text:
    return Text.made(template, values, plural=plural)


class RheodError(Exception):
    """Any failure rheod has a sentence for; `str(error)` is that sentence, fit for an owner to read."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: its dotted path and what it must be; never the offending value."""

    field: str
    message: Text


class Refused(RheodError):
    """The caller asked for something that cannot be done as asked.

    `code` is the API's word for it, such as NOT_FOUND or VALIDATION_FAILED; `api/routing.py` maps it to a status.
    """

    def __init__(self, code: str, message: Text, details: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.details = details


class Transient(RheodError):
    """A remote or the machine failed in a way that may pass; try again later.

    `retry_after_s` is the remote's own wish in seconds, if it named a sane one.
    """

    def __init__(self, message: Text, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unanswered(Transient):
    """A call was sent and no trustworthy answer came back: it may or may not have taken effect."""


class Permanent(RheodError):
    """A remote refused for good; repeating the same thing will not help."""

    def __init__(self, message: Text) -> None:
        super().__init__(message)


class StoreUnavailable(Transient):
    """The store cannot write now (disk full, locked, closing); nothing was recorded."""


PICTURE_DELAYS_S: Sequence[float] = (2, 10, 60, 300, 1800)
"""Gaps between tries of one picture: six tries in about 36 minutes, then the picture has failed."""

TRADERA_DELAYS_S: Sequence[float] = (5, 15, 45, 120, 300, 900)
"""Gaps after a Tradera call that failed in passing (5 s to 15 min); the last one repeats."""

_LEAST_LOOK_GAP_MS = 15 * 60 * 1000
_LONGEST_LOOK_GAP_MS = 24 * 3600 * 1000

LOOP_DELAYS_S: Sequence[float] = (1, 2, 4, 8, 16, 30, 60)
"""Gaps of a loop whose remote is away; the last one repeats."""


def delay_ms(schedule_s: Sequence[float], failures: int, rng: Random | None = None) -> int:
    """Milliseconds to wait after the n-th failure (n from 1); beyond the schedule its last gap repeats.

    With `rng`, between half and the whole of the gap, so that many waiters do not wake together.
    """
    gap = schedule_s[min(max(failures, 1), len(schedule_s)) - 1]
    factor = 1.0 if rng is None else 0.5 + rng.random() / 2
    return round(gap * factor * 1000)


def stretched_ms(gap_ms: int, retry_after_s: float | None) -> int:
    """A receiver's Retry-After may stretch a gap up to twice its length and never shortens it."""
    if retry_after_s is None:
        return gap_ms
    return min(max(gap_ms, round(retry_after_s * 1000)), 2 * gap_ms)


def look_gap_ms(age_ms: int) -> int:
    """How long until an ad in doubt is looked for again, by the age of the doubt: a quarter of it, 15 min to a day.

    It has no end: what may have been committed may come up at any time.
    """
    return min(max(age_ms // 4, _LEAST_LOOK_GAP_MS), _LONGEST_LOOK_GAP_MS)
