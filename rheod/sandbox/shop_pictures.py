"""The pictures the sandbox's shop serves: small, distinguishable by name, drawn once each.

Pure drawing; no HTTP here.
"""

from __future__ import annotations

import io
import zlib
from functools import lru_cache

_MIN_SIDE, _MAX_SIDE = 1, 6000
FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP"}


def side(text: str | None, default: int) -> int:
    """Read a width or height in pixels, held within 1 to 6000; a missing or odd one is the default."""
    if text is None or not (text.isdecimal() and text.isascii()):
        return default
    return max(_MIN_SIDE, min(_MAX_SIDE, int(text[:6])))


@lru_cache(maxsize=256)
def draw(name: str, width: int, height: int, suffix: str = "jpg") -> bytes:
    """Draw a picture whose colours and text come from `name`; `suffix` is a key of FORMATS."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - heavy, and not every user of the sandbox draws

    digest = zlib.crc32(name.encode())
    ground = (64 + digest % 160, 64 + (digest >> 8) % 160, 64 + (digest >> 16) % 160)
    picture = Image.new("RGB", (width, height), ground)
    pen = ImageDraw.Draw(picture)
    cell_w, cell_h = width / 6, height / 6
    for bit in range(16):
        if digest >> bit & 1:
            left, top = (1 + bit % 4) * cell_w, (1 + bit // 4) * cell_h
            pen.rectangle((left, top, left + cell_w, top + cell_h), fill=(ground[1], ground[2], ground[0]))
    pen.text((4, 4), name, fill="black")
    out = io.BytesIO()
    picture.save(out, FORMATS[suffix], quality=75)
    return out.getvalue()
