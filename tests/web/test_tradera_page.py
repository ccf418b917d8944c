"""The page Tradera: it has words for whatever rheod may call for."""

from __future__ import annotations

from rheod.domain.model import CallClass
from rheod.web.tradera import KINDS


def test_every_kind_of_call_has_its_words() -> None:
    """A kind without words would be an error page."""
    assert list(KINDS) == list(CallClass)
    assert len(set(KINDS.values())) == len(CallClass)
