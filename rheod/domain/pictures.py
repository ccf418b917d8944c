"""Which of an item's pictures its ad gets, and what is to be said of each though it can be shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rheod.domain.errors import Text
from rheod.domain.model import Picture, PictureState

UPLOAD = "upload:"
"""How the address of a picture begins that the owner has sent: what follows is the SHA-256 of what is kept of it."""
UPLOAD_MS = 24 * 3_600_000
"""So long a sent picture is kept that no item takes."""

_SHA256 = re.compile("[0-9a-f]{64}", re.ASCII)

THUMBNAIL_SIDES = (160, 640)
"""Longest sides, in pixels, of the small copies that pages show."""

PROFILE_IGNORED = Text("its colour profile is broken and was ignored: its colours may be off")


def upload_address(file: str) -> str:
    """What an item names a sent picture by."""
    return UPLOAD + file.rpartition("/")[2].removesuffix(".jpg")


def uploaded_file(url: str) -> str | None:
    """The hosted file of a sent picture; None for every other address."""
    sha256 = url.removeprefix(UPLOAD)
    if sha256 == url or _SHA256.fullmatch(sha256) is None:
        return None
    return f"{sha256[:2]}/{sha256}.jpg"


def thumbnail_of(file: str, side: int) -> str:
    """The name of the small copy beside a hosted file."""
    return f"{file.removesuffix('.jpg')}.{side}.webp"


def hosted_of(name: str) -> str:
    """The name of the hosted file that a file in the folder of pictures is, or is a small copy of."""
    folder, _, file = name.rpartition("/")
    return f"{folder}/{file.partition('.')[0]}.jpg"


def distinct(pictures: Iterable[Picture]) -> tuple[Picture, ...]:
    """These pictures, each content once: the same picture twice costs a call and shows nothing new."""
    seen: dict[str, Picture] = {}
    for picture in pictures:
        seen.setdefault(picture.file or picture.id, picture)
    return tuple(seen.values())


def warnings(pictures: Sequence[Picture]) -> list[Text | None]:
    """For each of an item's pictures, in their order, what the owner should know of it."""
    first: dict[str, int] = {}
    said: list[Text | None] = []
    for picture in pictures:
        ready = picture.file is not None and picture.state is PictureState.READY
        number = first.setdefault(picture.file or "", picture.position + 1) if ready else 0
        same = ready and number != picture.position + 1
        note = None if picture.note is None else Text.of(picture.note)
        said.append(Text("the same picture as number {n}: it is sent once", n=number) if same else note)
    return said


def doubles(pictures: Sequence[Picture]) -> Text | None:
    """That some of the pictures are the same, in one sentence; None when none are."""
    ready = [picture for picture in pictures if picture.state is PictureState.READY]
    double = len(ready) - len(distinct(ready))
    if not double:
        return None
    return Text("{n} of {all} pictures are the same as another: each is sent once", n=double, all=len(ready))
