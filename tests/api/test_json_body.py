"""Strict parsing: what could be read in two ways, or by nobody, is refused."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from rheod.api.json_body import decoded, parse, text_errors
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
    b"\xef\xbb\xbf\xef\xbb\xbf{}",
    b" \xef\xbb\xbf{}",
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


SAME = [
    '{"price": 1187.375, "n": [0.1, 1e5, 1E-7, 5e-324, 1.7976931348623157e308, -0.0, 95e1]}',
    '{"n": [0, -0, -1, 9007199254740993, 123456789012345678901234567890]}',
    '{"n": ' + "9" * 4300 + "}",
    '{"å": "漢字 \\ud83d\\ude00", "\\u0061": "\\"\\\\/", "b": {"a": [], "b": {}, "": null}}',
    " [true, false, null]\n",
]


@pytest.mark.parametrize("text", SAME)
def test_numbers_and_texts_are_read_as_given(text: str) -> None:
    """Every value is the one that the standard library reads: no number is rounded, no type is changed."""
    assert repr(parse(text.encode())) == repr(json.loads(text))


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"a": "\xff"}', "The body is not UTF-8"),
        (b'{"a": 1, "a": 2}', "The body names the same key twice in one object"),
        (b'{"a": NaN}', "The body is not valid JSON: NaN and Infinity are not numbers"),
        (b"[" * 100_000, "The body is nested deeper than 32 levels"),
        (b'{"a": 01}', "The body is not valid JSON"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(body: bytes, sentence: str) -> None:
    """The sentence tells a client's author what to mend."""
    with pytest.raises(Refused, match=re.escape(sentence) + "$"):
        text_errors(parse(body))


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
    "character", ["\\u0000", "\\u0001", "\\u000e", "\\u001f", "\\ud800", "\\udfff", "\\ufffe", "\\uffff"]
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
    """Tab, line feed, vertical tab, form feed, carriage return, emoji and surrogate pairs are text."""
    assert text_errors(parse('{"title": "å\\t\\r\\n\\u000b\\f\\ud83d\\ude00 漢字 \u200d"}'.encode())) == []


def test_a_number_too_large_to_give_back_is_named() -> None:
    """1e400 is valid JSON but infinite once read: the field that holds it is refused."""
    assert [one.field for one in text_errors(parse(b'{"metadata": {"n": 1e400}}'))] == ["metadata.n"]


def test_a_byte_order_mark_before_the_body_is_no_part_of_it() -> None:
    """Windows writes one before every text file; a body read in steps takes it too."""
    assert parse(b'\xef\xbb\xbf{"title": "Byr\xc3\xa5"}') == {"title": "Byrå"}
    assert decoded(b"\xef\xbb\xbf{}") == "{}"
