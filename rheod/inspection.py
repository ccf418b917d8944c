"""The admin socket's look at the database for a support bundle; part of the composition root."""

from __future__ import annotations

import asyncio

from aiohttp import web

from rheod.api.answers import answer
from rheod.api.server import Route
from rheod.assembly import Core
from rheod.store.inspection import inspect


def inspection_routes(core: Core) -> list[Route]:
    """What `build_admin` adds: GET /inspection."""
    file = core.settings.storage.path / "rheod.db"

    async def show(_request: web.Request) -> web.Response:
        return answer(200, await asyncio.to_thread(inspect, file))

    return [("GET", "/inspection", show)]
