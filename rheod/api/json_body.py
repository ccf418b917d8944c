"""Reads a JSON body the strict way: what two parsers could read differently, or no parser should, is refused.

A request's body is read under a deadline and a size, and refused by its headers before a byte of it is read: aiohttp
bounds neither the time a body takes nor what an encoding may hide. Knows nothing of what fields mean, and never repeats
what was sent, neither keys nor values.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from codecs import BOM_UTF8
from typing import Any, NoReturn

import jiter
from aiohttp import ClientError, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from rheod.domain.errors import FieldError, Refused, Text

MAX_NESTING = 32
"""Levels of arrays and objects, the outermost one counted."""

MAX_DETAILS = 200
"""Wrong fields listed in one answer: enough for any honest body, and a hostile one cannot make the answer large."""

NAMED_KEY_CHARS = 64
"""How much of a caller's own key may appear in the path of a wrong field."""

# C0 controls save tab, LF, VT, FF and CR; lone surrogates; U+FFFE and U+FFFF: legal in JSON, poison for what is behind us.
_FORBIDDEN = re.compile("[\x00-\x08\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

TEXT_MESSAGE = Text("Must not contain control characters or broken Unicode")
NOT_JSON = Text("The body is not valid JSON")
DUPLICATE = Text("The body names the same key twice in one object")
KEY_MESSAGE = Text("Keys must not contain control characters or broken Unicode")


def parse(body: bytes) -> Any:
    """The value of a JSON body; Refused(BAD_REQUEST) unless it is UTF-8 JSON that can be read in one way only.

    jiter reads what is sound, a few times faster. What it refuses, the slower decoder reads once more: it tells what is
    wrong in our words, and takes lone surrogates, whose field `text_errors` names. A byte order mark may come first.
    """
    try:
        return jiter.from_json(
            body.removeprefix(BOM_UTF8), allow_inf_nan=False, catch_duplicate_keys=True, cache_mode="keys"
        )
    except ValueError:
        text = decoded(body)
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        raise _refused(error) from error


def decoded(body: bytes) -> str:
    """The text of a body; Refused(BAD_REQUEST) unless it is UTF-8."""
    try:
        return body.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("BAD_REQUEST", Text("The body is not UTF-8")) from error


def parse_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of the text, and the place after it; refuses what `parse` does."""
    try:
        return _DECODER.raw_decode(text, at)
    except (ValueError, RecursionError) as error:
        raise _refused(error) from error


def _refused(error: ValueError | RecursionError) -> Refused:
    """How a text is refused that the decoder cannot read, be it only for an integer of thousands of digits."""
    if isinstance(error, RecursionError):
        return Refused("BAD_REQUEST", Text("The body is nested deeper than {n} levels", n=MAX_NESTING))
    return Refused("BAD_REQUEST", NOT_JSON)


def text_errors(value: Any) -> list[FieldError]:
    """Every string (keys too) and number in `value` that no field may hold, with its path.

    Refused(BAD_REQUEST) when the value is nested too deep. Goes through ignored fields as well: the rule is
    about the body, not about what is read from it.
    """
    if _is_harmless(value):
        return []
    found: list[FieldError] = []
    waiting: list[tuple[Any, tuple[str, ...]]] = [(value, ())]
    while waiting and len(found) < MAX_DETAILS:
        current, path = waiting.pop()
        if isinstance(current, str):
            if _FORBIDDEN.search(current):
                found.append(FieldError(dotted(path), TEXT_MESSAGE))
        elif isinstance(current, float):
            if not math.isfinite(current):  # 1e400 is valid JSON but no number that can be given back
                found.append(FieldError(dotted(path), Text("Must be a finite number")))
        elif isinstance(current, (dict, list)):
            waiting.extend(reversed(_children(current, path, found)))
    return found


def _is_harmless(value: Any) -> bool:
    """Whether nothing in the value needs a closer look: the common case, told by one search through all its texts."""
    texts: list[str] = []
    level: list[Any] = [value]
    for depth in range(MAX_NESTING + 1):
        deeper: list[Any] = []
        for each in level:
            kind = type(each)
            if kind is str:
                texts.append(each)
            elif depth == MAX_NESTING and kind in {dict, list}:
                return False
            elif kind is dict:
                texts.extend(each)
                deeper.extend(each.values())
            elif kind is list:
                deeper.extend(each)
            elif kind is float and not math.isfinite(each):
                return False
        if not deeper:
            return is_clean("".join(texts))
        level = deeper
    return False


def dotted(path: tuple[str | int, ...]) -> str:
    """The path of a field as answers name it: `imageUrls.0`; `body` for the body itself."""
    return ".".join(str(part)[:NAMED_KEY_CHARS] for part in path) or "body"


def is_clean(text: str) -> bool:
    """True when the text holds none of the characters that are refused everywhere."""
    return text.isprintable() or _FORBIDDEN.search(text) is None  # all that is forbidden is unprintable


def _children(
    current: dict[str, Any] | list[Any], path: tuple[str, ...], found: list[FieldError]
) -> list[tuple[Any, tuple[str, ...]]]:
    if len(path) >= MAX_NESTING:
        raise Refused("BAD_REQUEST", Text("The body is nested deeper than {n} levels", n=MAX_NESTING))
    if isinstance(current, list):
        return [(child, (*path, str(place))) for place, child in enumerate(current) if _needs_a_look(child)]
    if not all(map(is_clean, current)):
        found.append(FieldError(dotted(path), KEY_MESSAGE))
    return [(child, (*path, key)) for key, child in current.items() if _needs_a_look(child) and is_clean(key)]


def _needs_a_look(value: Any) -> bool:
    """Whether anything can be wrong in a value: of a hundred thousand harmless ones no path is made."""
    kind = type(value)
    if kind is str:
        return not is_clean(value)
    if kind is float:
        return not math.isfinite(value)
    return kind is dict or kind is list


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Refused("BAD_REQUEST", DUPLICATE)
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise Refused("BAD_REQUEST", Text("The body is not valid JSON: NaN and Infinity are not numbers"))


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)


BODY_BYTES = 256 * 1024
"""A single item's limit, and every other small body's too."""

BROKEN_BODY = (ClientError, HttpProcessingError, web.RequestPayloadError, ConnectionError)
"""What reading a body raises that its sender has broken off or framed badly."""
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


async def read_json(request: web.Request, *, limit_bytes: int, deadline_s: float) -> Any:
    """The parsed body. Refused with 415, 413 or 400, checked in that order, before and while it is read."""
    return parse(await read_body(request, limit_bytes=limit_bytes, deadline_s=deadline_s))


async def read_body(request: web.Request, *, limit_bytes: int, deadline_s: float) -> bytes:
    """The body as it was sent, refused as `read_json` does but for what is in it."""
    check_headers(request, limit_bytes=limit_bytes)
    body = bytearray()
    try:
        if request.content.is_eof():  # all of it came with the headers: there is nothing to wait for
            body += request.content.read_nowait()
        else:
            async with asyncio.timeout(deadline_s):
                await ask_to_go_on(request)
                await collect(request, body, limit_bytes)
    except TimeoutError as error:
        raise Refused(
            "BAD_REQUEST", Text("The body did not arrive within {seconds} seconds", seconds=f"{deadline_s:g}")
        ) from error
    except BROKEN_BODY as error:
        raise Refused("BAD_REQUEST", Text("The body could not be read")) from error
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return bytes(body)


async def ask_to_go_on(request: web.Request) -> None:
    """Tell a client that waits for it that the body is wanted."""
    if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # so that an error can still be answered


async def read_optional_json(request: web.Request, *, limit_bytes: int, deadline_s: float) -> Any:
    """As `read_json`, but no body at all is an empty object."""
    return (
        await read_json(request, limit_bytes=limit_bytes, deadline_s=deadline_s)
        if request.can_read_body
        else {}
    )


async def expect_later(_request: web.Request) -> None:
    """Leaves `100 Continue` to the moment the body is wanted, so that a refused one is never sent."""


def check_headers(request: web.Request, *, limit_bytes: int) -> None:
    """Refused when the headers alone say that the body will not do."""
    if hdrs.CONTENT_ENCODING in request.headers:
        raise Refused("UNSUPPORTED_MEDIA_TYPE", Text("The body must not have a Content-Encoding"))
    charset = (request.charset or "utf-8").lower()
    if request.content_type != "application/json" or charset not in _UTF8:
        raise Refused("UNSUPPORTED_MEDIA_TYPE", Text("The body must be application/json in UTF-8"))
    if (request.content_length or 0) > limit_bytes:
        raise _too_large(limit_bytes)


async def collect(request: web.Request, body: bytearray, limit_bytes: int) -> None:
    """Read the whole body; Refused (PAYLOAD_TOO_LARGE) as soon as it is longer than it may be."""
    while chunk := await request.content.readany():
        body += chunk
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)


def _too_large(limit_bytes: int) -> Refused:
    return Refused("PAYLOAD_TOO_LARGE", Text("The body is larger than {kib} KiB", kib=limit_bytes // 1024))
