"""A small HTTP server on loopback that the simulators share: start, the port it got, stop.

It knows nothing of what is served, and it is not the daemon's server.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

_SHUTDOWN_S = 2.0
MAX_BODY_BYTES = 32 * 1024 * 1024


class HttpServer:
    """Serves one aiohttp application; `url` is known after `start` (`http://127.0.0.1:<port>`)."""

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind and serve; port 0 takes a free one. Raises OSError when the port is taken."""
        runner = web.AppRunner(self._app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            await runner.cleanup()
            raise
        address: Any = runner.addresses[0]
        self._runner = runner
        self.url = f"http://{host}:{address[1]}"

    async def stop(self) -> None:
        """Close every connection; harmless when it was never started."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
