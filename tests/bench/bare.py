"""The floor of every call: an aiohttp server whose handlers parse the same JSON and answer the same, and do nothing else.

`running()` keeps one in a process of its own, as the daemon is.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


@asynccontextmanager
async def running(answers: Mapping[str, Any]) -> AsyncIterator[str]:
    """The address of a bare server that gives these answers by path."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.bare", json.dumps(answers), stdin=DEVNULL, stdout=PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


async def serve(answers: Mapping[str, Any]) -> None:
    """Answer until told to stop."""

    async def handle(request: web.Request) -> web.Response:
        if request.can_read_body:
            await request.json()
        return web.json_response(answers[request.match_info["name"]])

    app = web.Application()
    app.router.add_route("*", "/{name}/{rest:.*}", handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(sys.argv[1])))
