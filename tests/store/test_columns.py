"""Sentences in columns: template and values come back, what somebody else wrote stays as it is."""

from __future__ import annotations

import copy
import json
import pickle
import sqlite3

import pytest

from rheod.domain.errors import Permanent, Text, counted
from rheod.store.columns import restored

WHY = Text("{host} answered {status}", host="shop.se", status=404)
NESTED = Text("No picture could be used: {why}", why=WHY)


def through_a_column(sentence: str) -> str | None:
    """What SQLite gives back of it."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE kept (error TEXT) STRICT")
    db.execute("INSERT INTO kept VALUES (?)", (sentence,))
    (value,) = db.execute("SELECT error FROM kept").fetchone()
    db.close()
    return restored(value)


def test_a_text_is_its_english_sentence_wherever_a_string_is_wanted() -> None:
    """In an f-string, in JSON, in a comparison."""
    assert NESTED == f"{NESTED}" == "No picture could be used: shop.se answered 404"
    assert json.loads(json.dumps({"error": NESTED})) == {"error": str(NESTED)}


@pytest.mark.parametrize("text", [NESTED, Text("{{name}} is {n}", n=1.5), Text.of("what {Tradera} said")])
def test_a_text_comes_back_from_a_column(text: Text) -> None:
    """With the values of a sentence inside a sentence, and with braces nobody fills in."""
    back = through_a_column(text)
    assert isinstance(back, Text)
    assert (back, back.template, back.values) == (text, text.template, text.values)


@pytest.mark.parametrize(("n", "sentence"), [(1, "1 sale is unknown"), (2, "2 sales are unknown")])
def test_a_count_comes_back_with_both_its_templates(n: int, sentence: str) -> None:
    """Which form a language takes is for the language to say."""
    back = through_a_column(counted("{n} sale is unknown", "{n} sales are unknown", n))
    assert isinstance(back, Text)
    assert (back, back.template, back.plural) == (sentence, "{n} sale is unknown", "{n} sales are unknown")


@pytest.mark.parametrize(
    "sentence",
    [
        "Tradera answered 400 to create: Bad",
        "",
        '{"template": "cut',
        '{"template": 1, "values": {}}',
        '{"template": "{a}", "values": {}}',
    ],
)
def test_a_plain_sentence_stays_as_it_is(sentence: str) -> None:
    """Stored by an earlier version, or foreign and looking like one of ours."""
    assert through_a_column(sentence) == sentence
    assert not isinstance(through_a_column(sentence), Text)


def test_an_error_keeps_its_text() -> None:
    """`str(error)` is what is stored nearly everywhere; copies and pickles keep template and values too."""
    said = str(Permanent(WHY))
    for each in (said, copy.deepcopy(said), pickle.loads(pickle.dumps(said))):  # noqa: S301 - our own bytes
        assert isinstance(each, Text)
        assert each.values == {"host": "shop.se", "status": 404}
    assert isinstance(Text("Not sent: {why}", why=Permanent(WHY)).values["why"], Text)
