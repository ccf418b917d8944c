"""The three kinds of failure rheod tells apart, so that every layer can decide without knowing the cause.

`Refused`: the caller must act. `Transient`: time may heal it. `Permanent`: the owner must act.
Foreign exceptions become one of these at the call (clients, store) and never travel further. What may reach a page is a
Text, so that it can be shown in the reader's language; `str(error)` is that Text.

Sentences for people as templates with values, so that each can be shown in more than one language.

The template is the message id of the Swedish catalogue (`web/locale/sv.po`); English is what it says by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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

    `code` is the API's word for it, such as NOT_FOUND or VALIDATION_FAILED; `api/responses.py` maps it to a status.
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
