"""The words of the owner's search."""

from __future__ import annotations

from rheod.store import search


def test_a_question_is_made_of_the_words_alone() -> None:
    """Nothing of the search's own language gets through."""
    assert search.asked('a "b OR c* ') == '"a" AND "b" AND "OR"* AND "c*"*'
    assert search.asked(" -- ") is None
