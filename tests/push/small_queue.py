"""A very small SQS on loopback: what is sent to it is handed out until it is deleted, and it goes wrong on demand."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from typing import Any

from aiohttp import web

URL = "http://127.0.0.1/1234567890/tradera_api_push_test"


class SmallQueue:
    """One queue. What was received and not deleted is hidden until `reappear`.

    Every answer to a receiver takes `call_s`, the first message is number `first`. `away` answers every call with 503, `refused` with AWS's word for wrong keys, `keeps` names message ids that a
    batch may not delete.
    """

    def __init__(self, *, call_s: float = 0, first: int = 1) -> None:
        self._call_s = call_s
        self.away = False
        self.refused = False
        self.keeps: set[str] = set()
        self.calls: Counter[str] = Counter()
        self.deleted: list[str] = []
        self._waiting: dict[str, str] = {}
        self._hidden: dict[str, str] = {}
        self._numbers = itertools.count(first)
        self._arrival = asyncio.Event()
        app = web.Application()
        self.add_to(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self.endpoint_url = ""

    def add_to(self, app: web.Application) -> None:
        """Answer under an application that somebody else serves."""
        app.router.add_post("/{tail:.*}", self._answer)

    async def start(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.endpoint_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        self._arrival.set()
        await self._runner.cleanup()

    def send(self, body: str | dict[str, Any]) -> str:
        """Put a message in; returns its id."""
        message_id = f"id-{next(self._numbers)}"
        self._waiting[message_id] = body if isinstance(body, str) else json.dumps(body)
        self._arrival.set()
        return message_id

    def reappear(self) -> None:
        """Let the visibility time of everything received pass."""
        self._waiting |= self._hidden
        self._hidden.clear()
        self._arrival.set()

    @property
    def left(self) -> int:
        """Messages not deleted."""
        return len(self._waiting) + len(self._hidden)

    async def _answer(self, request: web.Request) -> web.Response:
        action = request.headers["X-Amz-Target"].partition(".")[2]
        self.calls[action] += 1
        if self.away:
            return web.Response(status=503, text="<html>away</html>")
        if self.refused:
            error = {"__type": "com.amazon.coral.service#InvalidClientTokenId", "message": "no such key"}
            return web.json_response(error, status=403)
        asked = await request.json()
        answer = await self._obey(action, asked)
        return web.json_response(answer, content_type="application/x-amz-json-1.0")

    async def _obey(self, action: str, asked: dict[str, Any]) -> dict[str, Any]:
        if action == "ReceiveMessage":
            await asyncio.sleep(self._call_s)
            return await self._receive(min(1.0, asked["WaitTimeSeconds"]))
        if action == "SendMessageBatch":
            return {
                "Successful": [{"MessageId": self.send(each["MessageBody"])} for each in asked["Entries"]]
            }
        if action == "GetQueueAttributes":
            numbers = dict(zip(asked["AttributeNames"], (len(self._waiting), len(self._hidden)), strict=True))
            return {"Attributes": {name: str(number) for name, number in numbers.items()}}
        await asyncio.sleep(self._call_s)
        return self._delete(asked)

    async def _receive(self, wait_s: float) -> dict[str, Any]:
        self._arrival.clear()
        if not self._waiting:
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrival.wait()
            except TimeoutError:
                return {}
        taken = dict(itertools.islice(self._waiting.items(), 10))
        for message_id in taken:
            self._hidden[message_id] = self._waiting.pop(message_id)
        messages = [
            {"MessageId": message_id, "ReceiptHandle": message_id, "Body": body, "Attributes": {}}
            for message_id, body in taken.items()
        ]
        return {"Messages": messages}

    def _delete(self, asked: dict[str, Any]) -> dict[str, Any]:
        done, failed = [], []
        for entry in asked["Entries"]:
            message_id = entry["ReceiptHandle"]
            if message_id in self.keeps:
                failed.append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
                continue
            self._hidden.pop(message_id, None)
            self.deleted.append(message_id)
            done.append({"Id": entry["Id"]})
        return {"Successful": done, "Failed": failed}
