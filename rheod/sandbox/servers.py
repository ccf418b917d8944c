"""The servers on loopback that the simulators need: an HTTP server of this process, and a local SQS in a child.

The SQS is moto's. It is spoken to over its JSON protocol directly, so that sending a message needs no AWS library; the
child lives and dies with this process, and must never be reachable from outside loopback.
"""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any, NamedTuple

import aiohttp
from aiohttp import web

REGION = "eu-central-1"
ACCESS_KEY_ID = "test-access-key"
SECRET_ACCESS_KEY = "test-secret"  # noqa: S105 - the local server checks none
_START_TIMEOUT_S = 20.0
_CALL_TIMEOUT = aiohttp.ClientTimeout(total=10)
_BATCH = 10  # SQS takes at most 10 messages per SendMessageBatch
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "Authorization": (
        f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/sqs/aws4_request, "
        "SignedHeaders=host, Signature=0"
    ),
}
_SHUTDOWN_S = 2.0
MAX_BODY_BYTES = 32 * 1024 * 1024


class HttpServer:
    """Serves one aiohttp application of a simulator; `url` is known after `start` (`http://127.0.0.1:<port>`)."""

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


class QueueError(Exception):
    """The local SQS server did not start, or refused a call; the sentence says which."""


class Depth(NamedTuple):
    """How many messages a queue holds: waiting to be received, and received but not deleted."""

    visible: int
    in_flight: int


class SandboxQueue:
    """One queue of the local server; `url` is for `push.queue_url`."""

    def __init__(self, endpoint_url: str, url: str) -> None:
        self._endpoint_url = endpoint_url
        self.url = url

    async def send(self, body: str | dict[str, Any], n: int = 1) -> None:
        """Send a message n times, a dict as JSON; raises QueueError or aiohttp.ClientError."""
        await self.send_each([body] * n)

    async def send_each(self, bodies: Sequence[str | dict[str, Any]]) -> None:
        """Send these messages, dicts as JSON; raises as `send`."""
        async with aiohttp.ClientSession(timeout=_CALL_TIMEOUT) as session:
            for first in range(0, len(bodies), _BATCH):
                batch = bodies[first : first + _BATCH]
                entries = [
                    {
                        "Id": str(place),
                        "MessageBody": each
                        if isinstance(each, str)
                        else json.dumps(each, separators=(",", ":")),
                    }
                    for place, each in enumerate(batch)
                ]
                answer = await _call(
                    session, self._endpoint_url, "SendMessageBatch", QueueUrl=self.url, Entries=entries
                )
                if answer.get("Failed"):
                    raise QueueError(f"the local SQS refused a message: {answer['Failed'][0]}")

    async def count(self) -> Depth:
        """Count the messages now."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        async with aiohttp.ClientSession(timeout=_CALL_TIMEOUT) as session:
            answer = await _call(
                session, self._endpoint_url, "GetQueueAttributes", QueueUrl=self.url, AttributeNames=names
            )
        attributes = answer["Attributes"]
        return Depth(*(int(attributes[name]) for name in names))


class QueueServer:
    """The server and its first queue; not bound to an event loop, so a test session can share one."""

    region = REGION
    access_key_id = ACCESS_KEY_ID
    secret_access_key = SECRET_ACCESS_KEY

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None
        self._queue: SandboxQueue | None = None
        self.endpoint_url = ""
        self.start_s = 0.0

    async def start(self, queue_name: str = "tradera_api_push_test", *, port: int = 0) -> None:
        """Start the child, wait until it answers and make the first queue; QueueError after 20 s.

        Raises OSError when the port is taken; 0 takes a free one.
        """
        began = time.monotonic()
        self._spawn(port)
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                self._queue = await self._first_queue(queue_name)
        except TimeoutError as error:
            await self.stop()
            raise QueueError(f"the local SQS server did not answer within {_START_TIMEOUT_S:g} s") from error
        except BaseException:
            await self.stop()
            raise
        self.start_s = time.monotonic() - began

    def _spawn(self, port: int) -> None:
        """Start the child on a socket that already listens: no port can be lost between choosing and binding."""
        with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
            self.endpoint_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            number = listener.fileno()
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-m", "rheod.sandbox.queue_child", str(number)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=(number,),
            )

    async def _first_queue(self, name: str) -> SandboxQueue:
        """Ask until the child answers; the listening socket holds the first call until it is ready."""
        while self._process is not None and self._process.poll() is None:
            with suppress(aiohttp.ClientError, TimeoutError):
                return await self.open_queue(name)
            await asyncio.sleep(0.05)
        said: list[str] = []
        if self._errors is not None:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        raise QueueError(f"the local SQS server ended at once: {said[-1] if said else 'it said nothing'}")

    async def open_queue(self, name: str, *, visibility_s: int = 30) -> SandboxQueue:
        """Make a queue (or find the one of that name); a message not deleted comes back after `visibility_s`."""
        attributes = {"VisibilityTimeout": str(visibility_s)}
        async with aiohttp.ClientSession(timeout=_CALL_TIMEOUT) as session:
            answer = await _call(
                session, self.endpoint_url, "CreateQueue", QueueName=name, Attributes=attributes
            )
        return SandboxQueue(self.endpoint_url, answer["QueueUrl"])

    @property
    def queue(self) -> SandboxQueue:
        """The first queue; QueueError before `start`."""
        if self._queue is None:
            raise QueueError("the local SQS server is not started")
        return self._queue

    @property
    def queue_url(self) -> str:
        """The first queue's URL, for `push.queue_url`."""
        return self.queue.url

    async def send(self, body: str | dict[str, Any], n: int = 1) -> None:
        """Send to the first queue."""
        await self.queue.send(body, n)

    async def count(self) -> Depth:
        """Count the first queue's messages."""
        return await self.queue.count()

    @property
    def pid(self) -> int | None:
        """The child's process id, None when it does not run."""
        return None if self._process is None else self._process.pid

    async def stop(self) -> None:
        """End the child; harmless when it was never started."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # it keeps nothing worth a farewell
            await asyncio.to_thread(process.communicate)
        if self._errors is not None:
            self._errors.close()


async def _call(session: aiohttp.ClientSession, endpoint: str, action: str, **fields: Any) -> dict[str, Any]:
    headers = {**_HEADERS, "X-Amz-Target": f"AmazonSQS.{action}"}
    async with session.post(endpoint, data=json.dumps(fields).encode(), headers=headers) as response:
        text = await response.text()
        if response.status != 200:
            raise QueueError(f"the local SQS refused {action}: {response.status} {text[:500]}")
        answer: dict[str, Any] = json.loads(text) if text else {}
        return answer
