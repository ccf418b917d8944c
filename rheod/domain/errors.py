"""The three kinds of failure rheod tells apart, so that every layer can decide without knowing the cause.

`Refused`: the caller must act. `Transient`: time may heal it. `Permanent`: the owner must act.
Foreign exceptions become one of these at the call (clients, store) and never travel further. What may reach a page is a
Text, so that it can be shown in the reader's language; `str(error)` is that Text.
"""

from __future__ import annotations

from dataclasses import dataclass

from rheod.domain.text import Text


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
