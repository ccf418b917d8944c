"""The size of SQS's answers: the largest there can be is read, a larger one is cut."""

from __future__ import annotations

import asyncio
import json
import tracemalloc

import pytest
from aiohttp import web

from rheod.domain.errors import Transient
from rheod.push.botocore_limits import ANSWER_BYTES
from tests.push.queues import fake_sqs, queue_at


async def test_an_endless_answer_is_cut_at_the_limit() -> None:
    """Memory stays flat and the connection is closed: the far end can send no more than the limit and its buffers."""
    sent = 0
    cut = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "application/x-amz-json-1.0"})
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65536)
                sent += 65536
        except (ConnectionError, asyncio.CancelledError):
            cut.set()
            raise

    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        tracemalloc.start()
        try:
            with pytest.raises(Transient, match="larger than any of SQS"):
                await queue.receive()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        async with asyncio.timeout(10):
            await cut.wait()
    assert sent < ANSWER_BYTES + 16 * 1024 * 1024
    assert peak < 3 * ANSWER_BYTES


async def test_the_largest_answer_of_sqs_fits() -> None:
    """Ten messages of the largest size in the letters that JSON writes longest."""
    body = "\x01" * (256 * 1024)
    entries = [{"MessageId": str(number), "ReceiptHandle": "r" * 1024, "Body": body} for number in range(10)]

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=json.dumps({"Messages": entries}), content_type="application/x-amz-json-1.0")

    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        assert [message.body for message in await queue.receive()] == [body] * 10
