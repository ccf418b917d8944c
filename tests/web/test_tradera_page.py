"""The page Tradera: it has words for whatever rheod may call for."""

from __future__ import annotations

from typing import Any, cast

from rheod.domain.model import CallClass
from rheod.web.tradera import kinds_of_calls
from rheod.web.words import Words


class Visitor:
    """Somebody who reads Swedish."""

    t = Words("sv", now=lambda: 0).t


def test_every_kind_of_call_has_its_words() -> None:
    """A kind without words would be an error page."""
    words = kinds_of_calls(cast("Any", Visitor()))
    assert list(words) == list(CallClass)
    assert len(set(words.values())) == len(CallClass)
