"""The HTTP session given to AWS's library, which itself would read an answer of any size whole.

It only counts bytes. Importing it loads AWS's library, so `sqs.py` does that when the queue is opened.
"""

from __future__ import annotations

from typing import Any

from aiobotocore.httpsession import AIOHTTPSession

from rheod.clients.http_words import read_capped
from rheod.clients.sqs_words import TOO_LARGE
from rheod.domain.errors import Transient

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
