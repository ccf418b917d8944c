"""The HTTP session given to AWS's library, which itself would read an answer of any size whole.

It only counts bytes. Importing it loads AWS's library, so `sqs.py` does that when the queue is opened.

What AWS's library is given to find SQS by, in place of its list of every service in every region.

That list is a megabyte of JSON, seven in memory for as long as the daemon runs; SQS's addresses all follow the rule of
their partition. Importing this loads AWS's library, so `sqs.py` does that when the queue is opened.
"""

from __future__ import annotations

from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from botocore.loaders import Loader

from rheod.domain.errors import Transient
from rheod.net.http_errors import read_capped
from rheod.push.errors import TOO_LARGE

ANSWER_BYTES = 10 * 256 * 1024 * 6 + 64 * 1024
"""Ten messages of 256 KiB, each byte of them written as a JSON escape, and what stands around them."""


class CappedSession(AIOHTTPSession):  # type: ignore[misc]  # the library has no types
    """Reads an answer to `ANSWER_BYTES`; a larger one raises Transient and closes its connection."""

    async def send(self, request: Any) -> Any:
        """Send a request and read its answer, as the library does for all but streams."""
        request.stream_output = True  # the library then leaves the reading to us
        response = await super().send(request)
        body = bytearray()
        whole = False
        try:
            whole = await read_capped(response.raw, ANSWER_BYTES, into=body)
        finally:
            if not whole:
                response.raw.close()
        if not whole:
            raise Transient(TOO_LARGE)
        response._content = bytes(body)  # noqa: SLF001 - where the library keeps what it has read
        return response


_LIST = "endpoints"
_RULE = {
    "hostname": "{service}.{region}.{dnsSuffix}",
    "protocols": ["http", "https"],
    "signatureVersions": ["v4"],
}


class SmallLoader(Loader):  # type: ignore[misc]  # the library has no types
    """Reads the library's data as ever, but that list."""

    def load_data_with_path(self, name: str) -> Any:
        """The data of this name and where it was found."""
        if name != _LIST:
            return super().load_data_with_path(name)
        partitions, path = super().load_data_with_path("partitions")
        return {"version": 3, "partitions": [_partition(each) for each in partitions["partitions"]]}, path


def _partition(told: dict[str, Any]) -> dict[str, Any]:
    """A partition as the list has it, without its services."""
    return {
        "partition": told["id"],
        "regionRegex": told["regionRegex"],
        "dnsSuffix": told["outputs"]["dnsSuffix"],
        "regions": told["regions"],
        "defaults": _RULE,
        "services": {},
    }
