"""Two limits on AWS's library: how much of an answer it reads, and how much it loads to find SQS.

Importing this loads the library, so `client.py` does that when the queue is opened.
"""

from __future__ import annotations

from typing import Any

from aiobotocore.httpsession import AIOHTTPSession
from botocore.loaders import Loader

from rheod.domain.errors import Text, Transient
from rheod.net.http_errors import read_capped

TOO_LARGE = Text(
    "the push queue's answer is larger than any of SQS can be: something between rheod and AWS is answering for it "
    "(check push.endpoint_url and any proxy)"
)
ANSWER_BYTES = 10 * 256 * 1024 * 6 + 64 * 1024
"""Ten messages of 256 KiB, each byte of them written as a JSON escape, and what stands around them."""


class CappedSession(AIOHTTPSession):  # type: ignore[misc]  # the library has no types
    """Reads an answer to `ANSWER_BYTES`; a larger one raises Transient and closes its connection.

    The library by itself would read an answer of any size whole.
    """

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
        response._content = bytes(body)  # noqa: SLF001 - where the library keeps what it has read; it has no setter
        return response


_LIST = "endpoints"
_RULE = {
    "hostname": "{service}.{region}.{dnsSuffix}",
    "protocols": ["http", "https"],
    "signatureVersions": ["v4"],
}


class SmallLoader(Loader):  # type: ignore[misc]  # the library has no types
    """Reads the library's data, but makes the list of every service in every region from the partitions alone.

    That list is a megabyte of JSON, seven in memory for as long as the daemon runs; SQS's addresses all follow the rule
    of their partition.
    """

    def load_data_with_path(self, name: str) -> Any:
        """The data of this name and where it was found."""
        if name != _LIST:
            return super().load_data_with_path(name)
        partitions, path = super().load_data_with_path("partitions")
        found = [
            {
                "partition": each["id"],
                "regionRegex": each["regionRegex"],
                "dnsSuffix": each["outputs"]["dnsSuffix"],
                "regions": each["regions"],
                "defaults": _RULE,
                "services": {},
            }
            for each in partitions["partitions"]
        ]
        return {"version": 3, "partitions": found}, path
