"""A full push queue drained, against a raw aiobotocore loop that receives ten and deletes ten, of equal messages.

The queue is the tests' small one, in a process of its own: moto's server needs half a second for ten messages once it
holds a few hundred, and would hide everything. Both sides are timed alike: from the first ten messages that were
safe (ours: committed; the loop's: received) to the last ten.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from aiobotocore.session import get_session

from rheod.sandbox.demo_daemon import DemoDaemon
from rheod.sandbox.servers import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, SandboxQueue
from rheod.sandbox.tradera_access import Keys
from tests.bench import peers
from tests.bench.table import Row
from tests.push.small_queue import URL

MESSAGES = 4_000
A_CALL = 10
RECEIVERS = 1
"""As many as the daemon has."""

DEADLINE_S = 120.0
LEAST = 0.8
SELLER, TOKEN = next(iter(Keys().sellers.items()))


async def rows(rounds: int) -> list[Row]:
    """Messages a second from a queue that takes as long as Amazon's at its best, and from one that takes no time."""
    return [
        await _row("SQS drain", "queue", rounds, least=LEAST),
        await _row("SQS drain, no latency", "quickest queue", rounds, least=None),
    ]


async def _row(name: str, kind: str, rounds: int, *, least: float | None) -> Row:
    ours, floor = [], []
    async with peers.running(kind) as address:
        queue = SandboxQueue(address, URL)
        for _ in range(rounds):
            floor.append(await _bare(queue, address))
            ours.append(await _drained(queue, address))
    return Row(name=name, tx="/s", ours=ours, floor=floor, least=least)


async def _fill(queue: SandboxQueue) -> None:
    """Sales, as Tradera tells them."""
    await queue.send_each(
        [
            {
                "Type": "OrderCreated",
                "OrderId": number,
                "SellerMemberId": SELLER,
                "ItemIds": [700_000 + number],
            }
            for number in range(1, MESSAGES + 1)
        ]
    )


async def _drained(queue: SandboxQueue, address: str) -> float:
    """The daemon's rate, by the times at which the messages were kept."""
    await _fill(queue)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        daemon = DemoDaemon(folder=folder, settings=_settings(address))
        async with asyncio.timeout(DEADLINE_S), daemon.running():
            await daemon.address()
            while sum(await queue.count()):
                await asyncio.sleep(0.2)
        return _rate(_kept_at(folder / "rheod.db"))


def _settings(address: str) -> dict[str, str]:
    """The queue, and a seller of whom the messages tell; without an application nobody asks Tradera about them."""
    return {
        "RHEOD_TRADERA__USER_ID": str(SELLER),
        "RHEOD_TRADERA__USER_TOKEN": TOKEN,
        "RHEOD_PUSH__QUEUE_URL": URL,
        "RHEOD_PUSH__ENDPOINT_URL": address,
        "RHEOD_PUSH__ACCESS_KEY_ID": ACCESS_KEY_ID,
        "RHEOD_PUSH__SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    }


def _kept_at(file: Path) -> list[float]:
    with closing(sqlite3.connect(file)) as db:
        kept = db.execute("SELECT received_at / 1000.0, state FROM inbox ORDER BY id").fetchall()
    assert [state for _, state in kept] == ["new"] * MESSAGES
    return [at for at, _ in kept]


def _rate(moments: list[float]) -> float:
    """Messages a second; those of the first moment are where the count begins."""
    return (MESSAGES - A_CALL) / (max(moments) - min(moments))


async def _bare(queue: SandboxQueue, address: str) -> float:
    """The rate of loops that only receive and delete."""
    await _fill(queue)
    moments: list[float] = []
    client = get_session().create_client(
        "sqs",
        region_name=REGION,
        endpoint_url=address,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    async with client as sqs, asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as group:
        for _ in range(RECEIVERS):
            group.create_task(_receive(sqs, moments))
    return _rate(moments)


async def _receive(sqs: Any, moments: list[float]) -> None:
    while len(moments) < MESSAGES:
        answer = await sqs.receive_message(
            QueueUrl=URL,
            MaxNumberOfMessages=A_CALL,
            WaitTimeSeconds=1,
            VisibilityTimeout=120,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        messages = answer.get("Messages") or []
        moments += [time.monotonic()] * len(messages)
        entries = [
            {"Id": str(place), "ReceiptHandle": each["ReceiptHandle"]} for place, each in enumerate(messages)
        ]
        if entries:
            await sqs.delete_message_batch(QueueUrl=URL, Entries=entries)
