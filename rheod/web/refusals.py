"""What a page says when something cannot be done: the sentence in the visitor's language, or a page of its own.

Only writes what was raised; decides nothing.
"""

from __future__ import annotations

from rheod.api.answers import STATUS_OF
from rheod.domain.errors import Refused, Transient
from rheod.web.visit import Page
from rheod.web.words import Words


def sentence(error: Refused | Transient, words: Words) -> str:
    """The error's sentence, or those of its fields."""
    details = error.details if isinstance(error, Refused) else ()
    said = "; ".join(f"{one.field}: {words.said(one.message)}" for one in details)
    return said or words.said(str(error))


def page(error: Refused | Transient, words: Words) -> Page:
    """A page that says it, with the status that the API would answer."""
    status = STATUS_OF.get(error.code, 500) if isinstance(error, Refused) else 503
    return Page("problem.html", {"sentence": sentence(error, words)}, status=status)
