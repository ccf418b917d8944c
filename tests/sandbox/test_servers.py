"""The local SQS server: sending, counting, receiving with the real library, and its life and death."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from aiobotocore.session import get_session

from rheod.sandbox.servers import QueueError, QueueServer

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123 - read in one go
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_sent_messages_are_received_by_the_real_client(queue_server: QueueServer) -> None:
    """Messages sent, more than a batch of ten, are counted, received by aiobotocore and deleted."""
    queue = await queue_server.open_queue("receive")
    await queue.send({"Type": "ItemClosed", "Reason": "Åter"}, n=12)
    await queue.send("not json")
    assert await queue.count() == (13, 0)
    async with get_session().create_client(
        "sqs",
        region_name=queue_server.region,
        endpoint_url=queue_server.endpoint_url,
        aws_access_key_id=queue_server.access_key_id,
        aws_secret_access_key=queue_server.secret_access_key,
    ) as client:
        answer = await client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)
        assert len(answer["Messages"]) == 10
        assert await queue.count() == (3, 10)
        handle = answer["Messages"][0]["ReceiptHandle"]
        await client.delete_message(QueueUrl=queue.url, ReceiptHandle=handle)
    assert await queue.count() == (3, 9)


async def test_queues_are_apart(queue_server: QueueServer) -> None:
    """A second queue of the same server has its own messages; the first one is the default."""
    other = await queue_server.open_queue("apart")
    before = await queue_server.count()
    await other.send("x")
    assert await queue_server.count() == before
    assert queue_server.queue_url != other.url


async def test_starts_in_time(queue_server: QueueServer) -> None:
    """The server was ready well within its deadline of 20 s."""
    assert 0 < queue_server.start_s < 15


async def test_stop_ends_the_child() -> None:
    """After stop there is no child, stop again is harmless, and a queue not started says so."""
    server = QueueServer()
    with pytest.raises(QueueError):
        _ = server.queue
    await server.start()
    pid = server.pid
    assert pid is not None
    await server.stop()
    await server.stop()
    assert not alive(pid)


PARENT = """
import asyncio, sys
from rheod.sandbox.servers import QueueServer
async def main():
    server = QueueServer()
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_child_dies_with_a_killed_parent() -> None:
    """A parent that is killed outright takes the server with it."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(pid)
        os.kill(parent.pid, signal.SIGKILL)
    await until(lambda: not alive(pid))
