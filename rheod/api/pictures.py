"""The owner's own pictures: one a request, to be named by an item that is PUT within a day."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from aiohttp import hdrs, web
from pydantic import Field

from rheod.api.json_body import BROKEN_BODY, ask_to_go_on
from rheod.api.routing import Operation, Reply, reply
from rheod.domain.errors import FieldError, Refused, Text
from rheod.pictures.folder import TOO_LARGE, UPLOAD_BYTES

if TYPE_CHECKING:
    from rheod.api.context import PictureServices

UPLOAD_S = 180.0
"""So long a picture may take to arrive: 20 MiB from a phone with one bar."""


class PictureReply(Reply):
    """A picture as it is kept: upright, in sRGB, without metadata. The same picture again is the same answer."""

    url: Annotated[
        str,
        Field(
            description="What an item names it by, in `imageUrls`; for a day, and as long as an item does.",
            examples=["upload:" + "0a" * 32],
        ),
    ]
    hosted_url: Annotated[str, Field(description="Our copy.")]
    width: Annotated[int, Field(description="Pixels.")]
    height: Annotated[int, Field(description="Pixels.")]


class PictureCalls:
    """Handler of `/rheod/pictures`."""

    def __init__(self, *, parts: PictureServices) -> None:
        self._parts = parts

    async def take(self, request: web.Request) -> web.Response:
        """Take one picture from the owner, to be named by an item within a day."""
        if hdrs.CONTENT_ENCODING in request.headers:
            raise Refused("UNSUPPORTED_MEDIA_TYPE", Text("The body must not have a Content-Encoding"))
        if not request.content_type.startswith("image/") and request.content_type != _BYTES:
            raise Refused(
                "UNSUPPORTED_MEDIA_TYPE", Text("The body must be image/… or application/octet-stream")
            )
        if (request.content_length or 0) > UPLOAD_BYTES:
            raise Refused("PAYLOAD_TOO_LARGE", TOO_LARGE)
        async with within(UPLOAD_S):
            await ask_to_go_on(request)
            try:
                url, picture = await self._parts.uploads.take(request.content.iter_any())
            except Refused as error:
                # in its reader's language: somebody holds the phone that has sent the picture
                details = tuple(
                    FieldError(each.field, Text.of(self._parts.say(request, each.message)))
                    for each in error.details
                )
                raise Refused(error.code, Text.of(self._parts.say(request, str(error))), details) from error
        base = (self._parts.public_url or "").rstrip("/")
        hosted = f"{base}/images/{picture.name}"
        return reply(
            201, PictureReply(url=url, hosted_url=hosted, width=picture.width, height=picture.height)
        )


_BYTES = "application/octet-stream"


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[None]:
    """Raise Refused (BAD_REQUEST) for a body that takes longer to arrive, or breaks off."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Refused(
            "BAD_REQUEST", Text("The body did not arrive within {seconds} seconds", seconds=f"{seconds:g}")
        ) from error
    except BROKEN_BODY as error:
        raise Refused("BAD_REQUEST", Text("The body could not be read")) from error


def operations(parts: PictureServices) -> list[Operation]:
    """What the owner's page and programs send pictures by."""
    calls = PictureCalls(parts=parts)
    return [
        Operation(
            "POST",
            "/rheod/pictures",
            calls.take,
            access="owner",
            tag="Items",
            picture=True,
            body_bytes=UPLOAD_BYTES,
            status=201,
            answer=PictureReply,
        )
    ]
