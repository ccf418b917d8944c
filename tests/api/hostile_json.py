"""Hostile JSON documents by the hundred, made from a compact table, and what may be answered to each.

In the spirit of JSONTestSuite: what every parser must take, what none may take, and what is left open. Nothing of it
is copied. Deterministic: the same documents in the same order each time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


def words(table: str) -> list[str]:
    """The words of a table; a middle dot stands for a space within one."""
    return [word.replace("·", " ") for word in table.split()]


ITEM = b'{"title":"Bromsok \xc3\xa5 \\ud83d\\ude00","price":95e1,"metadata":{"k":[1,-0.5,true,null,{"a":"\\"b\\\\"}]}}'
"""An item that is taken; its parts show every kind of JSON value."""

TAKEN = words(
    r"""0 -0 1 -1 0.5 -0.0 1e1 1E1 1e+1 1E-1 0e0 123456789012345678901234567890 1e308 5e-324 true false null
"" "a" "\"" "\\" "\/" "\u0041" "\u00e5" "\ud83d\ude00" "\u2028" "\f" "\u000b" "\u00ff" "\ud800\udc00" "\u200f"
[] {} [[]] [{}] {"":0} {"a":{}} [1,2] [null,1] {"a":[]} {"a":1,"b":2} {"A":1,"a":2} {"__proto__":1} [[],[[]]]"""
)
"""Values that are JSON and break no rule of a metadata value."""

RULED_OUT = [
    r'"\b"',
    r'"\u0000"',
    r'"\u001f"',
    r'"\ud800"',
    r'"\udc00\ud800"',
    r'"\ud83d"',
    r'"\uffff"',
]
RULED_OUT += [
    r'"\ufffe"',
    r'{"\u0000":1}',
    r'{"\udc00":1}',
    "1e309",
    "-1e400",
    r'{"a":[1e999]}',
]
"""JSON, but with a character or number that no field may hold."""

BROKEN = words(
    r"""+1 .5 5. 01 -01 00 1e 1e+ 1.e1 .e1 0x10 1_000 1,000 --1 - + 1a 1. -.5 1e1.5 ++1 -a 1e0e0 ∞ 0b1 0o7 1f 1L
NaN -NaN Infinity -Infinity nan inf True False None nul tru truee nulll undefined TRUE Null
"a 'a' "\x41" "\u12" "\u12G4" "\u-123" "\U00000041" "\a" "\'" "\·a" "\ud800 \ 1·1 -·1 1·.5 tr·ue `a` “a” "a""b" "a"b
[ ] [1·1] [,] [,1] [1,] [1,,2] [1·2] [1;2] [1:2] [[]·[] ] [1]] [}] (1) [1,2 [*] [...] [a] [" ["a",
{ } {a:1} {'a':1} {"a"} {"a":} {"a"·1} {"a":1,} {,"a":1} {"a":1,,"b":2} {"a":1;} {"a":1}} {1:1} {null:1} {:1}
{"a":1,"a":1} {"a":1,"a":2} {"a":1,"\u0061":2} {"a":{"b":1,"b":1}} {"\ud83d\ude00":1,"\uD83D\uDE00":2} {"":1,"":1}
{"a":"b"/**/} [1]/**/ /**/1 //1 1// 1#a #1 {"a":1}# <a/> =1 1=1 $1 @ ~ {{}} {[]} {{}:1} [{]} {"a":[}"""
)
BROKEN_BYTES = [
    b'"\n"',
    b'"\t"',
    b'"\x00"',
    b'"\x1f"',
    b'"\xff"',
    b'"\xc3"',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    b"\x00",
]
BROKEN_BYTES += [
    b'"\xf4\x90\x80\x80"',
    b'"\xe2\x82"',
    b'"\xf8\x88\x80\x80\x80"',
    b"\xef\xbb\xbf1",
    b"\x0c1",
    b"1\x0b",
]
BROKEN_BYTES += [
    b"\xc2\xa01",
    b"1\xe2\x80\xa8",
    b"\xd9\xa1",
    b"\xef\xbc\x91",
    b"\xfe\xff\x001",
    b"1\x00\x00\x00",
    b"9" * 5000,
    b"-" + b"1" * 4400,
]

WHOLE = {
    "empty": b"",
    "blank": b" \t\r\n",
    "two byte order marks": b"\xef\xbb\xbf\xef\xbb\xbf" + ITEM,
    "utf-16": ITEM.decode().encode("utf-16"),
    "utf-16 without mark": ITEM.decode().encode("utf-16-le"),
    "utf-32": ITEM.decode().encode("utf-32"),
    "latin-1": '{"title":"Bromsök","price":950}'.encode("latin-1"),
    "twice": ITEM + ITEM,
    "lines": ITEM + b"\n" + ITEM,
    "a callback": b"f(" + ITEM + b")",
    "a guard": b")]}',\n" + ITEM,
    "record separator": b"\x1e" + ITEM,
    "form": b"title=Bromsok&price=950",
    "deep arrays": b"[" * 120_000,
    "deep arrays, closed": b"[" * 60_000 + b"]" * 60_000,
    "deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "deep and mixed": b'[{"a":' * 30_000,
    "one level too deep": b'{"metadata":{"k":' + b"[" * 31 + b"]" * 31 + b"}}",
    "open string": b'{"title":"' + b"a" * 200_000,
    "escapes without end": b'{"title":"' + b"\\u0041" * 30_000,
    "backslashes": b'{"title":"' + b"\\" * 200_001 + b'"}',
    "many keys, one twice": b"{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b',"1":1}',
    "digits": b'{"price":' + b"9" * 200_000 + b"}",
    "nul bytes": b"\x00" * 1000,
    "quotes": b'"' * 100_001,
}
"""Whole bodies that are refused with 400."""


@dataclass(frozen=True, slots=True)
class Document:
    """A body and the statuses that may answer it; `name` says which line of the table it comes from."""

    name: str
    body: bytes
    allowed: frozenset[int]


BAD = frozenset({400})
INVALID = frozenset({422})
ANY = frozenset({202, 400, 422})


def documents() -> Iterator[Document]:
    """All of them: values in three places of an item, every truncation of a good one, and random damage."""
    for text in TAKEN:
        yield Document(f"taken {text}", in_metadata(text.encode()), frozenset({202}))
        yield Document(f"taken as a price {text}", in_price(text.encode()), frozenset({202, 422}))
        yield Document(f"taken as a body {text}", text.encode(), frozenset({400, 422}))
    for text in RULED_OUT:
        yield Document(f"ruled out {text}", in_metadata(text.encode()), INVALID)
        yield Document(f"ruled out as a price {text}", in_price(text.encode()), INVALID)
    for value in [*(text.encode() for text in BROKEN), *BROKEN_BYTES]:
        for place in (in_metadata, in_price, in_list):
            yield Document(f"broken, {place.__name__} {value[:40]!r}", place(value), BAD)
    for name, body in WHOLE.items():
        yield Document(name, body, BAD)
    for end in range(len(ITEM)):
        yield Document(f"cut at {end}", ITEM[:end], BAD)
    yield from damaged(Random(1), 200)


def damaged(rng: Random, count: int) -> Iterator[Document]:
    """The good item with one to three bytes replaced, put in or left out."""
    for number in range(count):
        body = bytearray(ITEM)
        for _ in range(rng.randint(1, 3)):
            place = rng.randrange(len(body))
            body[place : place + rng.randint(0, 1)] = bytes(
                rng.choices(b'{}[],:"\\0e-\x00\xff\xc3 ', k=rng.randint(0, 1))
            )
        yield Document(f"damaged {number}", bytes(body), ANY)


def in_metadata(value: bytes) -> bytes:
    """An item with the value among its metadata."""
    return b'{"title":"Bromsok","price":950,"metadata":{"k":' + value + b"}}"


def in_price(value: bytes) -> bytes:
    """An item with the value for its price."""
    return b'{"title":"Bromsok","price":' + value + b"}"


def in_list(value: bytes) -> bytes:
    """An item with the value in a list that nobody reads."""
    return b'{"unknown":[0,' + value + b'],"title":"Bromsok","price":950}'


assert json.loads(ITEM)["price"] == 950
