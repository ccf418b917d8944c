"""What a failure of AWS's library means to us, in a sentence with the fix where the owner can do something.

Pure. botocore is only imported when a call is made, for then it is loaded anyway.
"""

from __future__ import annotations

import importlib
from typing import Any

import aiohttp

from rheod.domain.errors import Permanent, RheodError, Transient
from rheod.domain.text import Text

EMPTY_TOO_SOON = Text(
    "the push queue answered empty at once instead of waiting: something between rheod and AWS is answering for it "
    "(check push.endpoint_url and any proxy)"
)
TOO_LARGE = Text(
    "the push queue's answer is larger than any of SQS can be: something between rheod and AWS is answering for it "
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


def foreign_errors() -> tuple[type[Exception], ...]:
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
    return Transient(Text("the push queue cannot be reached ({code})", code=_network_words(error, botocore)))


def is_time_out(error: Exception) -> bool:
    """Say whether nobody answered in time, which may be a dead connection of a client gone bad."""
    botocore: Any = importlib.import_module("botocore.exceptions")
    return isinstance(error, TimeoutError | botocore.ReadTimeoutError | botocore.ConnectTimeoutError)


def _refusal(response: dict[str, Any]) -> RheodError:
    """An answer of AWS with an error in it; the code is theirs, the rest of their text stays out."""
    error = response.get("Error") or {}
    code = str(error.get("Code", "unknown"))[:100]
    status = (response.get("ResponseMetadata") or {}).get("HTTPStatusCode")
    if code in _CLOCK_CODES or _speaks_of_time(str(error.get("Message", ""))):
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


def _speaks_of_time(message: str) -> bool:
    """SQS reports a clock that is off as a bad signature; only its words tell (F24)."""
    return message.startswith(("Signature expired", "Signature not yet current"))


def _network_words(error: Exception, botocore: Any) -> str:
    if is_time_out(error):
        return Text("no answer in time")
    if isinstance(error, botocore.EndpointConnectionError):
        return Text("no connection")
    if isinstance(error, botocore.SSLError):
        return Text("TLS failed")
    return type(error).__name__
