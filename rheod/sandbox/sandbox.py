"""The whole sandbox: simulated Tradera, local SQS and shop together, and the settings that point a rheod at them.

Also `rheod sandbox`, which keeps them up until SIGINT or SIGTERM. It starts no daemon.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Self

from rheod.sandbox.servers import QueueError, QueueServer, SandboxQueue
from rheod.sandbox.shop import Shop
from rheod.sandbox.tradera import TraderaSimulator
from rheod.sandbox.tradera_access import Keys

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


_VISIBILITY_S = 5  # short, so that a killed consumer's messages come back while somebody still watches


def wall_clock() -> int:
    """The time now, in ms UTC."""
    return time.time_ns() // 1_000_000


class Sandbox:
    """The three remotes; use it as `async with Sandbox(...) as sandbox`.

    `queue_server` may be one that already runs (it is then not stopped); each sandbox has its own queue in it.
    `processing_delay_s`, `daily_calls` and `keys` are the simulator's. With a `port` Tradera has that one, the shop and
    the queue the next two, so that the settings are the same at every start; with 0 all are free ones.
    """

    def __init__(  # noqa: PLR0913 - keyword-only: each is one thing a test may want otherwise
        self,
        *,
        now: Callable[[], int] = wall_clock,
        rng: random.Random | None = None,
        queue_server: QueueServer | None = None,
        processing_delay_s: float = 1.0,
        daily_calls: int | None = None,
        port: int = 0,
        keys: Keys | None = None,
    ) -> None:
        self.tradera = TraderaSimulator(
            now=now,
            keys=keys,
            rng=rng or random.Random(secrets.randbits(64)),  # noqa: S311 - ids of a simulation
            processing_delay_s=processing_delay_s,
            daily_calls=daily_calls,
        )
        self.shop = Shop(now=now)
        self._shared = queue_server
        self._server = queue_server or QueueServer()
        self._queue: SandboxQueue | None = None
        self._port = port
        self._running = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start all three; what was started is stopped again when one fails (OSError, QueueError)."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.tradera.stop)
            await self.tradera.start(port=self._port)
            stack.push_async_callback(self.shop.stop)
            await self.shop.start(port=self._port and self._port + 1)
            if self._shared is None:
                stack.push_async_callback(self._server.stop)
                await self._server.start(port=self._port and self._port + 2)
            name = "tradera_api_push_" + ("sandbox" if self._port else secrets.token_hex(4))
            self._queue = await self._server.open_queue(name, visibility_s=_VISIBILITY_S)
            self.tradera.queue = self._queue
            self._running = stack.pop_all()

    async def stop(self) -> None:
        """Stop what this sandbox started."""
        await self._running.aclose()

    @property
    def queue(self) -> SandboxQueue:
        """The push queue of this sandbox; only after `start`."""
        if self._queue is None:
            raise RuntimeError("the sandbox is not started")
        return self._queue

    def settings(self) -> dict[str, str]:
        """Environment variables that point a rheod at this sandbox."""
        keys = self.tradera.keys
        user_id, token = next(iter(keys.sellers.items()))
        return {
            "RHEOD_TRADERA__BASE_URL": self.tradera.base_url,
            "RHEOD_TRADERA__SITE_URL": self.tradera.site_url,
            "RHEOD_TRADERA__APP_ID": str(keys.app_id),
            "RHEOD_TRADERA__APP_KEY": keys.app_key,
            "RHEOD_TRADERA__PUBLIC_KEY": keys.public_key,
            "RHEOD_TRADERA__USER_ID": str(user_id),
            "RHEOD_TRADERA__USER_TOKEN": token,
            "RHEOD_PUSH__QUEUE_URL": self.queue.url,
            "RHEOD_PUSH__ENDPOINT_URL": self._server.endpoint_url,
            "RHEOD_PUSH__REGION": self._server.region,
            "RHEOD_PUSH__ACCESS_KEY_ID": self._server.access_key_id,
            "RHEOD_PUSH__SECRET_ACCESS_KEY": self._server.secret_access_key,
            "RHEOD_IMAGES__ALLOW_HTTP": "true",
            "RHEOD_IMAGES__ALLOW_PRIVATE_NETWORKS": "true",
            "RHEOD_WEBHOOKS__ALLOW_HTTP": "true",
            "RHEOD_WEBHOOKS__ALLOW_PRIVATE_NETWORKS": "true",
        }


async def run_sandbox(port: int = 0) -> int:
    """Keep a sandbox up until SIGINT or SIGTERM and print the settings for it; answers the exit code.

    `port` is the simulated Tradera's, the next two are the shop's and the queue's (0 = free ones).
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with Sandbox(port=port) as sandbox:
            sys.stdout.write(_greeting(sandbox))
            sys.stdout.flush()
            await stopped.wait()
    except OSError as error:
        return _failed(f"{os.strerror(error.errno or 0)}; try another --port")
    except QueueError as error:
        return _failed(f"{error}; are the packages of requirements.lock installed?")
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return 0


def _failed(reason: str) -> int:
    sys.stderr.write(f"The sandbox could not start: {reason}\n")
    return 1


def _greeting(sandbox: Sandbox) -> str:
    settings = sandbox.settings() | {"RHEOD_STORAGE__PATH": str(Path.home() / ".rheod-sandbox")}
    exports = "".join(f"export {name}={quote(value)}\n" for name, value in settings.items())
    site, shop = sandbox.tradera.site_url, sandbox.shop
    return (
        f"{exports}\n"
        "# Paste the lines above into another terminal; now run `rheod serve` there.\n"
        f"# pictures: {shop.picture_url('part-1')}\n"
        f"# sell:     curl -X POST {site}/sandbox/items/AD_NUMBER/sell\n"
        "#           AD_NUMBER is Tradera's number of the ad, in `rheod items show ID`, not the item's own id\n"
        f"# state:    curl {site}/sandbox/state\n"
        "# Ctrl-C ends it.\n"
    )
