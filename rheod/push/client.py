"""Receives and deletes the messages of Tradera's push queue at AWS SQS, and says what a failure of it means.

It understands no message, waits for nothing but the long poll and retries nothing: the poller does. AWS's library is
imported when the queue is opened, so that a daemon without a queue does not carry it.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import aiohttp

from rheod.domain.errors import Permanent, RheodError, Text, Transient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import TracebackType


_MOST_PER_CALL = 10
_VISIBILITY_S = 120
_CONNECT_TIMEOUT_S = 5
_TIME_OUTS_TO_RECREATE = 3
_SOONEST_EMPTY_S = 1.0
_LIMITS = "rheod.push.botocore_limits"

_EMPTY_TOO_SOON = Text(
    "the push queue answered empty at once instead of waiting: something between rheod and AWS is answering for it "
    "(check push.endpoint_url and any proxy)"
)
_NO_KEYS = Text(
    "there are no AWS keys for the push queue: set push.access_key_id and push.secret_access_key, "
    "or give rheod's user an AWS profile"
)

_BAD_SETTINGS = Text("the push settings are not usable: check push.endpoint_url and push.region")

_CLOCK_CODES = frozenset({"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"})
_KEY_CODES = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "KmsAccessDenied",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_QUEUE_CODES = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "InvalidAddress",
        "NonExistentQueue",
        "QueueDeletedRecently",
        "QueueDoesNotExist",
    }
)
_PASSING_CODES = frozenset({"OverLimit", "RequestThrottled", "RequestTimeout", "SlowDown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMessage:
    """One message as SQS handed it over: `receipt` is only good for deleting it; `sent_at` in ms UTC, 0 unknown."""

    message_id: str
    receipt: str
    body: str
    receive_count: int
    sent_at: int


class PushQueue:
    """One queue. Without keys the AWS provider chain is asked, save the metadata service of a cloud machine.

    `wait_s` is how long an empty queue is listened to (0 to 20). Every method raises Transient for the network and
    AWS's bad moments, Permanent when the owner must act; the sentence says what to do.
    """

    OVER_WAIT_S: ClassVar[float] = 20.0
    """How much longer than `wait_s` one request may take in all."""

    def __init__(
        self,
        *,
        queue_url: str,
        region: str,
        endpoint_url: str | None,
        access_key_id: str | None,
        secret_access_key: str | None,
        wait_s: int,
    ) -> None:
        self._queue_url = queue_url
        self._wait_s = wait_s
        self._settings = {
            "region_name": region,
            "endpoint_url": endpoint_url,
            "aws_access_key_id": access_key_id,
            "aws_secret_access_key": secret_access_key,
        }
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._time_outs = 0

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Load the library and make the client; connects to nobody. Do it before the daemon says it is ready."""
        for module in ("aiobotocore.session", "aiobotocore.config", _LIMITS):
            await asyncio.to_thread(importlib.import_module, module)
        await self._make_client()

    async def close(self) -> None:
        """Close the client and its connections; may be called twice."""
        self._client = None
        await self._stack.aclose()

    async def receive(self) -> list[QueueMessage]:
        """Up to 10 messages, or none after `wait_s`; they come back in 120 s unless deleted.

        May be cancelled; what SQS had just chosen then comes back by itself. An empty answer that came at once
        is an error: something else than SQS answers, and a poller would spin on it.
        """
        clock = asyncio.get_running_loop().time
        start = clock()
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=_MOST_PER_CALL,
            WaitTimeSeconds=self._wait_s,
            VisibilityTimeout=_VISIBILITY_S,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
        )
        messages = [_message(entry) for entry in answer.get("Messages") or ()]
        if not messages and self._wait_s >= 1 and clock() - start < _SOONEST_EMPTY_S:
            raise Transient(_EMPTY_TOO_SOON)
        return messages

    async def delete(self, messages: Sequence[QueueMessage]) -> list[QueueMessage]:
        """Delete messages; returns those SQS would not delete, which come back and are recognised."""
        failed: list[QueueMessage] = []
        for start in range(0, len(messages), _MOST_PER_CALL):
            batch = messages[start : start + _MOST_PER_CALL]
            entries = [{"Id": str(place), "ReceiptHandle": each.receipt} for place, each in enumerate(batch)]
            answer = await self._call("delete_message_batch", Entries=entries)
            done = {entry.get("Id") for entry in answer.get("Successful") or ()}
            failed += [message for place, message in enumerate(batch) if str(place) not in done]
        return failed

    async def look(self) -> str | None:
        """Ask how the queue is, taking nothing from it; returns the `Date` of the answer, None if it has none."""
        answer = await self._call("get_queue_attributes", AttributeNames=["ApproximateNumberOfMessages"])
        headers = (answer.get("ResponseMetadata") or {}).get("HTTPHeaders") or {}
        date = headers.get("date")
        return date if isinstance(date, str) else None

    async def _call(self, operation: str, **arguments: Any) -> Mapping[str, Any]:
        """One request to SQS within its deadline; after three time-outs in a row the client is made anew."""
        if self._client is None:
            await self._make_client()
        try:
            async with asyncio.timeout(self._wait_s + self.OVER_WAIT_S):
                answer = await getattr(self._client, operation)(QueueUrl=self._queue_url, **arguments)
        except _foreign_errors() as error:
            self._time_outs = self._time_outs + 1 if _is_time_out(error) else 0
            if self._time_outs >= _TIME_OUTS_TO_RECREATE:
                self._time_outs = 0
                await self.close()
            raise failure(error) from error
        self._time_outs = 0
        return answer if isinstance(answer, dict) else {}

    async def _make_client(self) -> None:
        limits = importlib.import_module(_LIMITS)
        config_module = importlib.import_module("aiobotocore.config")
        session = importlib.import_module("aiobotocore.session").get_session()
        # the probe of 169.254.169.254 only delays the start of a machine that is not Amazon's
        session.get_component("credential_provider").remove("iam-role")
        session.register_component("data_loader", limits.SmallLoader())
        config = config_module.AioConfig(
            connect_timeout=_CONNECT_TIMEOUT_S,
            read_timeout=self._wait_s + 5,
            retries={"mode": "standard", "total_max_attempts": 1},
            http_session_cls=limits.CappedSession,
            tcp_keepalive=True,
            proxies={},  # none from the environment: a proxy would see the keys' signatures and every message
        )
        try:
            client = session.create_client("sqs", config=config, **self._settings)
            self._client = await self._stack.enter_async_context(client)
        except _foreign_errors() as error:
            raise failure(error) from error


def _message(entry: Mapping[str, Any]) -> QueueMessage:
    attributes = entry.get("Attributes") or {}
    return QueueMessage(
        message_id=str(entry.get("MessageId", "")),
        receipt=str(entry.get("ReceiptHandle", "")),
        body=str(entry.get("Body", "")),
        receive_count=_number(attributes.get("ApproximateReceiveCount"), 1),
        sent_at=_number(attributes.get("SentTimestamp"), 0),
    )


def _number(value: Any, otherwise: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return otherwise


def _foreign_errors() -> tuple[type[Exception], ...]:
    """Everything a call of AWS's library may raise for reasons outside this program."""
    botocore: Any = importlib.import_module("botocore.exceptions")
    network = (botocore.BotoCoreError, botocore.ClientError, aiohttp.ClientError, OSError)
    nonsense = (
        ValueError,
        TypeError,
        AttributeError,
        LookupError,
    )  # botocore's parser, over JSON of another shape
    return network + nonsense


def failure(error: Exception) -> RheodError:
    """The error of ours that an error of aiobotocore, botocore or the network amounts to."""
    botocore: Any = importlib.import_module("botocore.exceptions")
    if isinstance(error, botocore.ClientError):
        return _refusal(error.response)
    if isinstance(error, botocore.NoCredentialsError | botocore.PartialCredentialsError):
        return Permanent(_NO_KEYS)
    if isinstance(error, botocore.CredentialRetrievalError | botocore.ProfileNotFound):
        return Permanent(_NO_KEYS)
    if isinstance(error, botocore.ParamValidationError | botocore.NoRegionError):
        return _refused(type(error).__name__)
    if isinstance(error, ValueError) and not isinstance(error, UnicodeError):
        return Permanent(_BAD_SETTINGS)
    code: str = type(error).__name__
    if _is_time_out(error):
        code = Text("no answer in time")
    elif isinstance(error, botocore.EndpointConnectionError):
        code = Text("no connection")
    elif isinstance(error, botocore.SSLError):
        code = Text("TLS failed")
    return Transient(Text("the push queue cannot be reached ({code})", code=code))


def _is_time_out(error: Exception) -> bool:
    """Say whether nobody answered in time, which may be a dead connection of a client gone bad."""
    botocore: Any = importlib.import_module("botocore.exceptions")
    return isinstance(error, TimeoutError | botocore.ReadTimeoutError | botocore.ConnectTimeoutError)


def _refusal(response: dict[str, Any]) -> RheodError:
    """An answer of AWS with an error in it; the code is theirs, the rest of their text stays out."""
    error = response.get("Error") or {}
    code = str(error.get("Code", "unknown"))[:100]
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    # SQS reports a clock that is off as a bad signature; only the message says which it is
    message = str(error.get("Message", ""))
    if code in _CLOCK_CODES or message.startswith(("Signature expired", "Signature not yet current")):
        return Permanent(
            Text(
                "AWS refused the request because this machine's clock is wrong ({code}): set the time (timedatectl)",
                code=code,
            )
        )
    if code in _KEY_CODES:
        return Permanent(
            Text(
                "AWS refused the keys of the push queue ({code}): check push.access_key_id and push.secret_access_key, "
                "and that their user may receive and delete on this queue",
                code=code,
            )
        )
    if code in _QUEUE_CODES:
        return Permanent(
            Text("AWS knows no such push queue ({code}): check push.queue_url and push.region", code=code)
        )
    passes = "Throttl" in code or code in _PASSING_CODES
    if passes or not isinstance(status, int) or status >= 500 or status == 429:
        return Transient(Text("AWS could not serve the push queue just now ({code})", code=code))
    return _refused(code)


def _refused(code: str) -> Permanent:
    return Permanent(
        Text("AWS refused the request to the push queue ({code}): check the push settings", code=code)
    )
