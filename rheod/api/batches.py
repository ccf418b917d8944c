"""The partner's batch: many items in one request, read in small steps so that nobody else waits for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from rheod.api.batch_json import elements
from rheod.api.bodies import read_body
from rheod.api.operation import Operation
from rheod.api.parts import CALLER
from rheod.api.replies import reply
from rheod.api.replies_browsing import BatchError, BatchReply
from rheod.api.strict_json import decoded
from rheod.api.wire_batch import BATCH_BYTES, BatchBody, BatchReader

if TYPE_CHECKING:
    from rheod.api.parts import ApiParts

STEP_S = 0.01
"""So long a batch may be read before everybody else has had a turn."""


class BatchCalls:
    """The handler of `/integration/v1/items/batch`."""

    def __init__(self, *, parts: ApiParts) -> None:
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
        return reply(202, _answer(reader, accepted=verdicts.count(None)))

    async def _read(self, body: bytes) -> BatchReader:
        reader = BatchReader(check_url=self._parts.check_image_url)
        loop = asyncio.get_running_loop()
        turn_ends = loop.time() + STEP_S
        for element, characters in elements(decoded(body), "items"):
            reader.take(element, characters)
            if loop.time() > turn_ends:
                await asyncio.sleep(0)
                turn_ends = loop.time() + STEP_S
        reader.end()
        return reader


def _answer(reader: BatchReader, *, accepted: int) -> BatchReply:
    faults = sorted(reader.faults, key=lambda fault: fault.place)
    errors = [BatchError(external_id=one.external_id, reason=one.reason, index=one.place) for one in faults]
    return BatchReply(accepted=accepted, rejected=len(errors), errors=errors)


def operations(parts: ApiParts) -> list[Operation]:
    """The batch, with the partner's API key."""
    return [
        Operation(
            "POST",
            "/integration/v1/items/batch",
            BatchCalls(parts=parts).put,
            gate="partner",
            tag="Items",
            rate="batch",
            body=BatchBody,
            body_bytes=BATCH_BYTES,
            status=202,
            answer=BatchReply,
        )
    ]
