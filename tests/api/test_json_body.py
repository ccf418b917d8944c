"""Strict parsing: what could be read in two ways, or by nobody, is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rheod.api.json_body import parse, text_errors
from rheod.domain.errors import Refused

NOT_JSON = [
    b"",
    b"{",
    b"{'a': 1}",
    b'{"a": 01}',
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 1} x',
    b"\xef\xbb\xbf{}",
    b'{"a": "\xff"}',
    b'{"a": "\xed\xa0\x80"}',
    b'"\x01"',
    b'{"a": 1, "a": 2}',
    b'{"x": {"a": 1, "a": 1}}',
    b'{"a": 1, "\\u0061": 2}',
    b'{"a": ' + b"9" * 5000 + b"}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
]


@pytest.mark.parametrize("body", NOT_JSON)
def test_a_body_that_is_not_plain_json_is_a_bad_request(body: bytes) -> None:
    """Every body that no strict parser reads, or that two parsers read differently, is 400 and nothing else."""
    with pytest.raises(Refused) as caught:
        text_errors(parse(body))
    assert caught.value.code == "BAD_REQUEST"


def nested(levels: int) -> Any:
    value: Any = 1
    for level in range(levels):
        value = {"a": value} if level % 2 else [value]
    return value


def test_nesting_is_allowed_to_32_levels_and_refused_at_33() -> None:
    """The limit is the documented one, counted with the outermost level."""
    assert text_errors(parse(json.dumps(nested(32)).encode())) == []
    with pytest.raises(Refused) as caught:
        text_errors(parse(json.dumps(nested(33)).encode()))
    assert caught.value.code == "BAD_REQUEST"


@pytest.mark.parametrize(
    "character", ["\\u0000", "\\u0001", "\\u000b", "\\u001f", "\\ud800", "\\udfff", "\\ufffe", "\\uffff"]
)
def test_poisonous_characters_are_named_by_their_path(character: str) -> None:
    """A forbidden character is found in any string at any depth, and its field named."""
    body = parse(f'{{"title": "ok", "metadata": {{"k": ["x", "a{character}b"]}}}}'.encode())
    assert [one.field for one in text_errors(body)] == ["metadata.k.1"]


def test_a_poisonous_key_names_its_object_and_is_not_repeated() -> None:
    """Keys are checked like values, and the bad key does not travel back."""
    (error,) = text_errors(parse(b'{"metadata": {"a\\u0000b": 1}}'))
    assert error.field == "metadata"
    assert "Keys" in error.message


def test_ordinary_white_space_and_every_script_are_fine() -> None:
    """Tab, line feed, carriage return, emoji and surrogate pairs are text."""
    assert text_errors(parse('{"title": "å\\t\\r\\n\\ud83d\\ude00 漢字 \u200d"}'.encode())) == []


def test_a_number_too_large_to_give_back_is_named() -> None:
    """1e400 is valid JSON but infinite once read: the field that holds it is refused."""
    assert [one.field for one in text_errors(parse(b'{"metadata": {"n": 1e400}}'))] == ["metadata.n"]
