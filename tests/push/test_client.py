"""The push queue: real messages through moto's SQS server, and every bad answer from a loopback one."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from aiobotocore.session import get_session
from aiohttp import web

from rheod.domain.errors import Permanent, RheodError, Transient
from rheod.push.botocore_limits import SmallLoader
from rheod.push.client import PushQueue, QueueMessage, failure
from rheod.sandbox.servers import QueueServer
from tests.push.queues import KEYS, QUEUE_URL, REGION, fake_sqs, queue_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def moto(queue_server: QueueServer) -> str:
    """The address of moto's SQS server."""
    return queue_server.endpoint_url


@asynccontextmanager
async def sender(endpoint: str) -> AsyncIterator[tuple[Any, str]]:
    """Tradera's side: a plain client and the address of a new queue."""
    session = get_session()
    async with session.create_client(
        "sqs",
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
    ) as client:
        url = (await client.create_queue(QueueName=f"push-{uuid4().hex}"))["QueueUrl"]
        yield client, url


async def test_messages_arrive_with_their_count_and_time_and_are_deleted(moto: str) -> None:
    """The body as sent, the first receipt, when it was sent; what is deleted is gone."""
    async with sender(moto) as (client, url), queue_at(moto, url) as queue:
        before = time.time() * 1000
        await client.send_message(QueueUrl=url, MessageBody='{"Type":"OrderCreated","å":1}')
        (message,) = await queue.receive()
        assert message.body == '{"Type":"OrderCreated","å":1}'
        assert message.receive_count == 1
        assert before - 1000 < message.sent_at < before + 60_000
        assert message.message_id
        assert await queue.delete([message]) == []
        left = await client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        assert left["Attributes"]["ApproximateNumberOfMessagesNotVisible"] == "0"


async def test_a_taken_message_stays_hidden_for_two_minutes(moto: str) -> None:
    """The visibility time asked for lies above the worst batch."""
    async with sender(moto) as (client, url), queue_at(moto, url) as queue:
        await client.send_message(QueueUrl=url, MessageBody="a")
        assert len(await queue.receive()) == 1
        assert await queue.receive() == []


async def test_more_than_ten_are_deleted_in_batches(moto: str) -> None:
    """A receive brings at most ten; a delete takes any number."""
    async with sender(moto) as (client, url), queue_at(moto, url) as queue:
        for number in range(12):
            await client.send_message(QueueUrl=url, MessageBody=str(number))
        messages = await queue.receive()
        assert len(messages) == 10
        messages += await queue.receive()
        assert {message.body for message in messages} == {str(number) for number in range(12)}
        assert await queue.delete(messages) == []
        assert await queue.delete([]) == []


async def test_an_empty_queue_is_listened_to_and_then_empty(moto: str) -> None:
    """Nothing to receive takes the waiting time and is no error."""
    async with sender(moto) as (_, url), queue_at(moto, url) as queue:
        start = time.monotonic()
        assert await queue.receive() == []
        assert time.monotonic() - start >= 1


async def test_a_queue_that_does_not_exist_is_named_with_its_settings(moto: str) -> None:
    """The owner learns which settings to look at."""
    async with queue_at(moto, f"{moto}/123456789012/absent") as queue:
        with pytest.raises(Permanent, match=r"push\.queue_url and push\.region"):
            await queue.receive()


def refusing(
    status: int, code: str, message: str = "words"
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """An answer as AWS refuses."""

    async def handle(_request: web.Request) -> web.Response:
        body = {"__type": f"com.amazonaws.sqs#{code}", "message": message}
        return web.Response(status=status, body=json.dumps(body), content_type="application/x-amz-json-1.0")

    return handle


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (403, "InvalidClientTokenId", "", Permanent, "push.access_key_id"),
        (400, "AccessDeniedException", "", Permanent, "refused the keys"),
        (403, "ExpiredToken", "", Permanent, "ExpiredToken"),
        (403, "SignatureDoesNotMatch", "", Permanent, "refused the keys"),
        (403, "SignatureDoesNotMatch", "Signature expired: 2026…", Permanent, "clock is wrong"),
        (400, "InvalidSignatureException", "Signature not yet current: 2026…", Permanent, "clock is wrong"),
        (400, "RequestTimeTooSkewed", "", Permanent, "clock is wrong"),
        (400, "QueueDoesNotExist", "", Permanent, "push.queue_url"),
        (400, "InvalidParameterValue", "", Permanent, "check the push settings"),
        (400, "ThrottlingException", "", Transient, "just now"),
        (403, "RequestThrottled", "", Transient, "just now"),
        (500, "InternalFailure", "", Transient, "just now"),
        (503, "ServiceUnavailable", "", Transient, "just now"),
    ],
)
async def test_every_refusal_has_its_kind_and_its_fix(
    status: int, code: str, message: str, kind: type[RheodError], words: str
) -> None:
    """Keys, clock and queue are for the owner; the rest passes."""
    async with fake_sqs(refusing(status, code, message)) as endpoint, queue_at(endpoint) as queue:
        with pytest.raises(RheodError) as caught:
            await queue.receive()
    assert type(caught.value) is kind
    assert words in str(caught.value)
    assert "test-secret" not in str(caught.value)


async def test_nothing_is_retried_inside() -> None:
    """One call is one request, so that the poller's own gaps are the only ones."""
    requests: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        requests.append(request.path)
        return await refusing(500, "InternalFailure")(request)

    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        with pytest.raises(Transient):
            await queue.receive()
    assert len(requests) == 1


@pytest.mark.parametrize("body", ["<html>maintenance</html>", "{}", ""])
async def test_an_empty_answer_at_once_is_no_empty_queue(body: str) -> None:
    """A proxy's page reads as an empty queue; a poller that believed it would spin."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(text=body, content_type="text/html")

    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        with pytest.raises(Transient, match="answered empty at once"):
            await queue.receive()
    async with fake_sqs(handle) as endpoint, queue_at(endpoint, wait_s=0) as queue:
        assert await queue.receive() == []


@pytest.mark.parametrize("body", ["[]", '"text"', '{"Messages": 5}', "\udcff"])
async def test_nonsense_is_passing_trouble(body: str) -> None:
    """JSON of another shape is an error of the remote, not of this program."""

    async def handle(_request: web.Request) -> web.Response:
        raw = body.encode(errors="surrogateescape")
        return web.Response(body=raw, content_type="application/x-amz-json-1.0")

    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        with pytest.raises(Transient):
            await queue.receive()


async def test_what_would_not_delete_is_handed_back() -> None:
    """Entries that failed, or that the answer does not mention, come back from SQS and are recognised."""

    async def handle(_request: web.Request) -> web.Response:
        body = {"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "Code": "x", "SenderFault": False}]}
        return web.json_response(body, content_type="application/x-amz-json-1.0")

    messages = [
        QueueMessage(message_id=name, receipt=name, body="", receive_count=1, sent_at=0) for name in "abc"
    ]
    async with fake_sqs(handle) as endpoint, queue_at(endpoint) as queue:
        assert await queue.delete(messages) == messages[1:]


async def test_an_unreachable_queue_is_passing_trouble() -> None:
    """Nobody listens: the poller tries again."""
    async with queue_at(f"http://127.0.0.1:{free_port()}") as queue:
        with pytest.raises(Transient, match="cannot be reached"):
            await queue.receive()


class HastyQueue(PushQueue):
    """Gives up on a request after a moment, and counts the clients it made."""

    OVER_WAIT_S = 0.6
    made = 0

    async def _make_client(self) -> None:
        self.made += 1
        await super()._make_client()


async def test_three_time_outs_in_a_row_make_a_new_client() -> None:
    """A client whose connections went bad is not kept; one answer in between and it is."""
    silent = True

    async def handle(request: web.Request) -> web.Response:
        if silent:
            await asyncio.Event().wait()
        return await refusing(400, "QueueDoesNotExist")(request)

    async with fake_sqs(handle) as endpoint:
        queue = HastyQueue(queue_url=QUEUE_URL, region=REGION, endpoint_url=endpoint, wait_s=0, **KEYS)
        async with queue:
            for silent in (True, True, False, True, True):  # noqa: B007 - the handler reads it
                with pytest.raises(RheodError):
                    await queue.receive()
            assert queue.made == 1
            with pytest.raises(Transient, match="no answer in time"):
                await queue.receive()
            with pytest.raises(Transient):
                await queue.receive()
            assert queue.made == 2


async def test_a_long_poll_can_be_cancelled_and_the_queue_used_again() -> None:
    """Stopping does not wait for the poll's end, and nothing is broken by it."""
    polling = asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if not polling.is_set():
            polling.set()
            await asyncio.Event().wait()
        return await refusing(400, "QueueDoesNotExist")(request)

    async with fake_sqs(handle) as endpoint, queue_at(endpoint, wait_s=20) as queue:
        poll = asyncio.create_task(queue.receive())
        async with asyncio.timeout(10):
            await polling.wait()
        poll.cancel()
        async with asyncio.timeout(10):  # half of the poll's time
            with pytest.raises(asyncio.CancelledError):
                await poll
        with pytest.raises(Permanent):
            await queue.receive()


WITHOUT_KEYS = """
import asyncio
from rheod.push.client import PushQueue
from rheod.domain.errors import Permanent

async def main():
    queue = PushQueue(queue_url="https://sqs.eu-central-1.amazonaws.com/1/push", region="eu-central-1",
                      endpoint_url=None, access_key_id=None, secret_access_key=None, wait_s=1)
    async with queue:
        try:
            await queue.receive()
        except Permanent as error:
            print(error)

asyncio.run(main())
"""


def test_without_any_keys_the_owner_is_told_so_at_once(tmp_path: Path) -> None:
    """The provider chain is asked, but never the metadata service of cloud machines."""
    with socket.create_server(("127.0.0.1", 0)) as metadata:
        metadata.setblocking(False)
        address = f"http://127.0.0.1:{metadata.getsockname()[1]}"
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_KEYS],
            env={"HOME": str(tmp_path), "AWS_EC2_METADATA_SERVICE_ENDPOINT": address},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        with pytest.raises(BlockingIOError):
            metadata.accept()
    assert "push.access_key_id" in done.stdout


async def test_a_queue_may_be_closed_twice_and_used_after() -> None:
    """A closed client is made anew when it is needed."""
    async with fake_sqs(refusing(400, "QueueDoesNotExist")) as endpoint:
        queue = queue_at(endpoint)
        await queue.open()
        await queue.close()
        await queue.close()
        with pytest.raises(Permanent):
            await queue.receive()
        await queue.close()


def test_the_library_is_only_loaded_when_a_queue_is_opened() -> None:
    """A daemon without a queue does not carry AWS's code."""
    code = "import sys, rheod.push.client; print([name for name in sys.modules if 'botocore' in name])"
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert shown.stdout.strip() == "[]"


def test_a_bad_argument_is_a_matter_of_settings() -> None:
    """What the library refuses to send at all is for the owner."""
    assert isinstance(failure(ValueError("Invalid endpoint: nonsense")), Permanent)


@pytest.mark.parametrize("region", ["eu-central-1", "cn-north-1", "us-gov-west-1"])
async def test_sqs_is_found_without_the_list_of_every_service(region: str) -> None:
    """The small data we give the library leads to the same address as its own, in every partition."""
    found = []
    for loader in (None, SmallLoader()):
        session = get_session()
        if loader is not None:
            session.register_component("data_loader", loader)
        async with session.create_client("sqs", region_name=region) as client:
            found.append((client.meta.endpoint_url, client.meta.partition))
    assert found[0] == found[1]
