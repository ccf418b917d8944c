"""Takes pictures that the owner sends: through a temporary file and a decoder's child, kept under its content's name.

What is taken stays for a day, and with each item that names it. Sending the same twice gives the same picture.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from rheod.domain.errors import FieldError, Permanent, Refused, Text, Transient
from rheod.domain.pictures import PROFILE_IGNORED, upload_address
from rheod.pictures.decoder import DecodedPicture, Decoder
from rheod.pictures.download import is_picture
from rheod.store import picture_files
from rheod.usecases import pictures
from rheod.usecases.transaction import Store

UPLOAD_BYTES = 20 * 2**20
TOO_LARGE = Text("The picture is larger than {mib} MiB", mib=UPLOAD_BYTES // 2**20)
NO_PICTURE = Text("It is not a picture: JPEG, PNG, WebP, AVIF or GIF")
FULL = Text("the folder of pictures is full: raise storage.images_max_bytes")
_HEAD_BYTES = 12


class Uploads:
    """`most_bytes` is what all pictures together may come to (0: no bound)."""

    def __init__(self, *, store: Store, decoder: Decoder, pictures_dir: Path, most_bytes: int = 0) -> None:
        self._store = store
        self._decoder = decoder
        self._pictures_dir = pictures_dir
        self._most_bytes = most_bytes
        self._numbers = itertools.count()

    async def take(self, chunks: AsyncIterator[bytes]) -> tuple[str, DecodedPicture]:
        """Keep one picture; gives the address that an item names it by. It is durable when this returns.

        Raises Refused: PAYLOAD_TOO_LARGE, VALIDATION_FAILED with the field `picture` for one that cannot be used,
        UNAVAILABLE when there is no room.
        """
        if self._most_bytes and await self._store.read(picture_files.bytes_in_use) >= self._most_bytes:
            raise Refused("UNAVAILABLE", FULL)
        folder = self._pictures_dir / "tmp"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = folder / f"upload-{next(self._numbers)}.part"
        try:
            await _save(chunks, part)
            decoded = await self._decoder.decode(part, self._pictures_dir)
        except Permanent as error:
            wrong = FieldError("picture", Text.of(str(error)))
            raise Refused("VALIDATION_FAILED", Text("Validation failed"), (wrong,)) from error
        except ConnectionError:
            raise  # whoever reads the request says it
        except OSError as error:
            raise Transient(Text("the picture cannot be stored now: {why}", why=error.strerror)) from error
        finally:
            part.unlink(missing_ok=True)
        note = PROFILE_IGNORED if decoded.profile_ignored else None
        kept = partial(pictures.keep_upload, file=decoded.name, size_bytes=decoded.size_bytes, note=note)
        await self._store.write(kept)
        return upload_address(decoded.name), decoded


async def _save(chunks: AsyncIterator[bytes], part: Path) -> None:
    """Write what comes to a file, and look at its size and first bytes meanwhile."""
    size, head = 0, b""
    with part.open("wb", buffering=0) as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > UPLOAD_BYTES:
                raise Refused("PAYLOAD_TOO_LARGE", TOO_LARGE)
            head = (head + chunk)[:_HEAD_BYTES] if len(head) < _HEAD_BYTES else head
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
    if not is_picture(head):
        raise Permanent(NO_PICTURE)
