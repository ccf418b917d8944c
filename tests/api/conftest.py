"""The real API over a real socket, on the real catalogue, key ring and store in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from rheod.api.connections import STANDARD, ConnectionLimits
from rheod.api.server import build_app, start
from rheod.webhooks.client import TestEventSender, WebhookClient
from tests.api.running import Api, Clock, OpenApi, made_parts, one_decoder
from tests.stores import opened


@pytest.fixture
async def open_api(tmp_path: Path) -> AsyncIterator[OpenApi]:
    """Starts an API; keyword arguments replace values of its parts, `limits` the server's; `hooks` sends test events."""
    async with AsyncExitStack() as stack:

        async def opener(
            *, limits: ConnectionLimits = STANDARD, hooks: WebhookClient | None = None, **changes: Any
        ) -> Api:
            clock = Clock()
            database = await stack.enter_async_context(opened(tmp_path))
            decoder = one_decoder()
            stack.push_async_callback(decoder.close)
            parts, member = await made_parts(database, tmp_path, clock, decoder)
            if hooks is not None:
                changes["test_events"] = TestEventSender(
                    endpoints=parts.endpoints, client=hooks, now=parts.now, rng=parts.rng
                )
            parts = replace(parts, **changes)
            runner, port = await start(build_app(parts), host="127.0.0.1", port=0, limits=limits)
            stack.push_async_callback(runner.cleanup)
            session = await stack.enter_async_context(aiohttp.ClientSession())
            _, key = await parts.keys.create(parts.default_account, "test", ("items", "orders"))
            return Api(
                parts=parts,
                port=port,
                key=key,
                admin=await parts.keys.new_admin_token(),
                database=database,
                clock=clock,
                member=member,
                session=session,
            )

        yield opener


@pytest.fixture
async def api(open_api: OpenApi) -> Api:
    """An API with generous limits."""
    return await open_api()
