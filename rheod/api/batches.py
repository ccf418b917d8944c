"""The partner's batch: many items in one request, read in small steps so that nobody else waits for it.

The list in the body is read one element at a time, so that neither time nor memory goes to the whole at once, and each
item by itself, so that a bad one never spoils the others. As strict as `json_body`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import Field

from rheod.api.context import CALLER
from rheod.api.field_types import MAX_CHARACTERS, Wire, fault, raise_if_any
from rheod.api.item_body import ItemBody, UrlCheck, read_item
from rheod.api.json_body import BODY_BYTES, DUPLICATE, NOT_JSON, decoded, is_clean, parse_at, read_body
from rheod.api.routing import EXTERNAL_ID, Count, Operation, Reply, reply
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import ItemSpec
from rheod.usecases.put_item import BatchEntry

if TYPE_CHECKING:
    from rheod.api.context import ItemServices


_SPACE = re.compile(r"[ \t\n\r]*")
_STEP = re.compile(r'[^"\[\]{}]*+(?:"(?:[^"\\]++|\\.)*+"|([\[\]{}]))', re.DOTALL)
"""Goes on to the end of the next string, or over the next bracket or brace."""

DENSE = 20_000
"""Commas in a text: so many values are read at once in a hundredth of a second, and text for people has fewer."""

STEPS = 2_000
"""So many steps over a value are made before everybody else has a turn."""

_ROOMS = (256, 8192, BODY_BYTES)
"""So many characters are copied to read a value from: few at first, since a text may have a million small values."""

Found = tuple[Any, int] | None
"""An element and its length in characters; None where nothing was found yet, and others may have a turn."""


def elements(text: str, name: str) -> Iterator[Found]:
    """Each element of the list that the object in `text` has under `name`, with its length in characters.

    None at all when there is no such list. Refused (BAD_REQUEST) when the text is not JSON, found out only as far as
    it has been read, (VALIDATION_FAILED) when it is not an object. A value that is larger than an item may be and holds
    very many others is stepped over instead of read, and given as None: reading it would hold up everybody else.
    """
    walk = _Walk(text)
    if not walk.take("{"):
        yield from walk.value()
        walk.end()
        raise_if_any([FieldError("body", Text("Must be an object"))])
    names: set[str] = set()
    more = not walk.take("}")
    while more:
        found = walk.name()
        if found in names:
            raise Refused("BAD_REQUEST", DUPLICATE)
        names.add(found)
        if found == name and walk.take("["):
            yield from walk.list()
        else:
            yield from walk.value()
        if len(names) % STEPS == 0:
            yield None
        more = walk.more("}")
    walk.end()


class _Walk:
    """A place in a JSON text that moves on."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._is_dense = text.count(",") > DENSE

    def take(self, mark: str) -> bool:
        """Step over the mark if it comes next."""
        self._skip()
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def more(self, close: str) -> bool:
        """After a member: True when a comma says that another one follows, False at the closing mark."""
        if self.take(close):
            return False
        self._need(",")
        return True

    def name(self) -> str:
        """A member's name and its colon."""
        self._skip()
        if not self._text.startswith('"', self._at):
            raise Refused("BAD_REQUEST", NOT_JSON)
        name, self._at = parse_at(self._text, self._at)
        self._need(":")
        return str(name)

    def value(self) -> Generator[None, None, Any]:
        """Any value, read in one go where that is quick."""
        self._skip()
        if not self._is_dense:
            value, self._at = parse_at(self._text, self._at)
            return value
        began = self._at
        for most in _ROOMS:
            room = self._text[began : began + most + 1]
            try:
                value, length = parse_at(room, 0)
            except Refused:
                if len(room) <= most:
                    raise
            else:
                if length <= most:
                    self._at += length
                    return value
        yield from self._step_over()
        if self._at - began > BODY_BYTES and self._text.count(",", began, self._at) > DENSE:
            return None
        value, self._at = parse_at(self._text, began)
        return value

    def list(self) -> Iterator[Found]:
        """The elements after an opening bracket, each with its length."""
        more = not self.take("]")
        while more:
            self._skip()
            began = self._at
            element = yield from self.value()
            yield element, self._at - began
            more = self.more("]")

    def end(self) -> None:
        """Nothing but space may follow."""
        self._skip()
        if self._at < len(self._text):
            raise Refused("BAD_REQUEST", NOT_JSON)

    def _step_over(self) -> Generator[None, None, None]:
        """Move to the end of a text, a list or an object, of which only the brackets and braces are looked at."""
        depth = steps = 0
        while depth or not steps:
            step = _STEP.match(self._text, self._at)
            if step is None:
                raise Refused("BAD_REQUEST", NOT_JSON)
            self._at = step.end()
            depth += {None: 0, "[": 1, "{": 1}.get(step[1], -1)
            steps += 1
            if steps % STEPS == 0:
                yield

    def _need(self, mark: str) -> None:
        if not self.take(mark):
            raise Refused("BAD_REQUEST", NOT_JSON)

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at


MAX_ITEMS = 500
BATCH_BYTES = 8 * 1024 * 1024
REASONS = 10
"""Wrong fields told of one item."""

REPEATED = Text("externalId: Given again later in this batch; the last one counts")


class BatchError(Reply):
    """An item that was not taken: its id ("" when it has none to show), its place in the batch from 0, and why."""

    external_id: Annotated[str, EXTERNAL_ID]
    reason: Annotated[
        str, Field(description="Why, each wrong field named.", examples=["price: Must be at least 1"])
    ]
    index: Annotated[Count, Field(description="Its place in the batch, from 0.")]


class BatchReply(Reply):
    """What became of a batch; the accepted items are durable."""

    accepted: Annotated[Count, Field(description="How many were taken; they are durable.")]
    rejected: Annotated[Count, Field(description="How many were not taken.")]
    errors: Annotated[list[BatchError], Field(description="What was not taken, and why.")]


class BatchItem(ItemBody):
    """One item of a batch: as the body of a PUT, with its external id."""

    external_id: Annotated[
        str, Field(description="The item's id in your system.", min_length=1, max_length=MAX_CHARACTERS)
    ]


class BatchBody(Wire):
    """Many items at once."""

    items: Annotated[list[BatchItem], Field(description="The items.", min_length=1, max_length=MAX_ITEMS)]


@dataclass(frozen=True, slots=True)
class BatchFault:
    """Why the item at this place of the batch (from 0) was not taken; its id is None when it has none to show."""

    place: int
    external_id: str | None
    reason: str


class BatchReader:
    """Takes the elements of a batch one after the other and keeps what can be put and what is wrong."""

    def __init__(self, *, check_url: UrlCheck) -> None:
        self._check_url = check_url
        self._read = 0
        self._entries: dict[str, tuple[int, BatchEntry | None]] = {}
        self.faults: list[BatchFault] = []

    @property
    def entries(self) -> list[BatchEntry]:
        """What can be put, no two with the same id."""
        return [entry for _, entry in self._entries.values() if entry is not None]

    def take(self, element: Any, characters: int) -> None:
        """Read one element. Refused (VALIDATION_FAILED) when it is one too many for a batch."""
        if self._read == MAX_ITEMS:
            raise _wrong_number()
        place, self._read = self._read, self._read + 1
        external_id, found = _id_of(element)
        earlier = None if external_id is None else self._entries.pop(external_id, None)
        if earlier is not None and earlier[1] is not None:
            self.faults.append(BatchFault(earlier[0], external_id, REPEATED))
        try:
            spec = self._spec(element, characters, found)
        except Refused as error:
            self.faults.append(BatchFault(place, external_id, reason_of(error)))
            entry = None
        else:
            entry = BatchEntry(external_id or "", spec)
        if external_id is not None:
            self._entries[external_id] = (place, entry)

    def end(self) -> None:
        """All were read. Refused (VALIDATION_FAILED) when there were none."""
        if self._read == 0:
            raise _wrong_number()

    def refuse(self, external_id: str, error: Refused) -> None:
        """What was read well was refused after all."""
        place, _ = self._entries[external_id]
        self.faults.append(BatchFault(place, external_id, reason_of(error)))

    def _spec(self, element: Any, characters: int, found: list[FieldError]) -> ItemSpec:
        if characters > BODY_BYTES:
            raise Refused("PAYLOAD_TOO_LARGE", Text("Must be at most {kib} KiB", kib=BODY_BYTES // 1024))
        return read_item(element, check_url=self._check_url, found=found)


def reason_of(error: Refused) -> str:
    """An error as one sentence, each wrong field named."""
    told = [f"{one.field}: {one.message}" for one in error.details[:REASONS]]
    more = ["…"] if len(error.details) > REASONS else []
    return "; ".join(told + more) or str(error)


def _id_of(element: Any) -> tuple[str | None, list[FieldError]]:
    """The id of an item, None when it cannot be told; and what is wrong with it."""
    given = element.get("externalId") if isinstance(element, dict) else None
    if not isinstance(given, str):
        message = Text("Required") if given is None else Text("Must be a string")
        return None, [FieldError("externalId", message)] if isinstance(element, dict) else []
    sentence = fault(given)
    shown = given if is_clean(given) else None
    return shown, [FieldError("externalId", sentence)] if sentence else []


def _wrong_number() -> Refused:
    wrong = FieldError("items", Text("Must be a list of 1 to {n} items", n=MAX_ITEMS))
    return Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,))


STEP_S = 0.01
"""So long a batch may be read before everybody else has had a turn."""


class BatchCalls:
    """The handler of `/integration/v1/items/batch`."""

    def __init__(self, *, parts: ItemServices) -> None:
        self._parts = parts
        self._one_at_a_time = asyncio.Lock()  # each takes several times the memory of its body

    async def put(self, request: web.Request) -> web.Response:
        """Create or update up to 500 items; each is taken or refused by itself, and those taken are durable.

        A parent may be in the same batch, in any order. Of two items with the same id the last one counts.
        """
        body = await read_body(request, limit_bytes=BATCH_BYTES, deadline_s=self._parts.body_deadline_s)
        async with self._one_at_a_time:
            reader = await self._read(body)
            entries = reader.entries
            verdicts = await self._parts.batches.put(request[CALLER].account_id, entries)
        for entry, refused in zip(entries, verdicts, strict=True):
            if refused is not None:
                reader.refuse(entry.external_id, refused)
        errors = [
            BatchError(external_id=one.external_id or "", reason=one.reason, index=one.place)
            for one in sorted(reader.faults, key=lambda fault: fault.place)
        ]
        return reply(202, BatchReply(accepted=verdicts.count(None), rejected=len(errors), errors=errors))

    async def _read(self, body: bytes) -> BatchReader:
        reader = BatchReader(check_url=self._parts.check_image_url)
        loop = asyncio.get_running_loop()
        turn_ends = loop.time() + STEP_S
        for found in elements(decoded(body), "items"):
            if found is not None:
                reader.take(*found)
            if loop.time() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + STEP_S
        reader.end()
        return reader


def operations(parts: ItemServices) -> list[Operation]:
    """The batch, with the partner's API key."""
    return [
        Operation(
            "POST",
            "/integration/v1/items/batch",
            BatchCalls(parts=parts).put,
            access="partner",
            tag="Items",
            rate="batch",
            body=BatchBody,
            body_bytes=BATCH_BYTES,
            status=202,
            answer=BatchReply,
        )
    ]
