"""The child process that decodes strangers' pictures, so that a hostile one costs a child and not the daemon.

Run as a script by `decoder.py`: one JSON request per line on stdin, one JSON answer per line on stdout, the end
of stdin ends it. It must import little (it starts in front of a waiting picture) and nothing of rheod.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import resource
import signal
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from PIL import (
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


# The four plugins by name: were one missing, Pillow would import all of its forty. Never Pillow's whole list: the EPS
# plugin starts Ghostscript.
_FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    GifImagePlugin.GifImageFile.format,
)
_MEMORY_BYTES = 512 * 2**20
_FILE_BYTES = 64 * 2**20
_STRIP_PIXELS = 1_000_000
_HEAVY_BYTES = 64 * 2**20
_QUALITIES = (88, 80, 72, 62, 50, 36, 20)
_WHITE = (255, 255, 255)
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# What decoders raise on hostile input, as found in Pillow's source and its bug list.
_BAD_INPUT = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)


class Unreadable(Exception):
    """The picture is at fault; the text says how, in words for its owner."""


def main() -> None:
    """Answer requests until stdin ends; argv: largest picture in pixels, longest job in seconds."""
    max_pixels, timeout_s = int(sys.argv[1]), float(sys.argv[2])
    _confine()
    Image.MAX_IMAGE_PIXELS = max_pixels
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    # Nothing a library prints may be taken for an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        # The parent kills a late child; should the parent be gone, the alarm does.
        signal.setitimer(signal.ITIMER_REAL, timeout_s * 2)
        answers.write(json.dumps(_answer(json.loads(line))) + "\n")
        answers.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _confine() -> None:
    """Limit this process; a refusal (a system-call filter) is tolerated, the parent's deadline remains."""
    limits = (
        (resource.RLIMIT_AS, _MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    )
    for what, size in limits:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(what, (size, size))
    # A terminal's Ctrl-C and a service's SIGTERM reach the whole group; work in hand is ended by the parent.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Do one request: `unreadable` blames the picture, `failed` this machine, `heavy` wants it asked again to be alone."""
    try:
        with Path(request["source"]).open("rb") as source:
            image = _decode(source, request["max_side"], alone=request["alone"])
        if image is None:
            return {"heavy": True}
        data = _encode(image, request["max_bytes"])
        name = _keep(data, Path(request["pictures_dir"]), Path(request["part"]))
    except Unreadable as verdict:
        return {"unreadable": str(verdict)}
    except OSError as error:
        return {"failed": error.strerror or "input/output error"}
    width, height = image.size
    return {"name": name, "width": width, "height": height, "size_bytes": len(data)}


def _decode(source: IO[bytes], max_side: int, *, alone: bool) -> Image.Image | None:
    """The first frame upright, in RGB on white, without metadata, its longest side at most `max_side`.

    None for one that takes so much memory, by its header, that it should be decoded `alone`. The header's size was
    judged by `Image.open` (MAX_IMAGE_PIXELS) before anything is decoded here.
    """
    with _verdicts(), Image.open(source, formats=_FORMATS) as image:
        pixels = image.width * image.height
        # A progressive JPEG is held whole as coefficients whatever size it is then decoded to; libwebp
        # and its binding hold four canvases (measured: 12 megapixels took 230 MB).
        held = pixels * (6 if image.info.get("progressive") else 16 if image.format == "WEBP" else 0)
        # a JPEG decodes to 1/2, 1/4 or 1/8 of its size where that is still enough; the others ignore it
        scale = min(1.0, max_side / max(image.size))
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        if not alone and image.width * image.height * 4 + held > _HEAVY_BYTES:
            return None
        image.load()
        turn: Image.Transpose | None = None
        with contextlib.suppress(*_BAD_INPUT):  # a picture with unreadable EXIF is still a picture
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
        small = _flattened(image, max_side)
        small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        return small if turn is None else small.transpose(turn)


@contextlib.contextmanager
def _verdicts() -> Iterator[None]:
    """Turn what decoders raise into a verdict; Pillow's own words may hold paths and are not passed on."""
    try:
        yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise Unreadable(f"it has more than {limit:g} megapixels") from error
    except UnidentifiedImageError as error:
        raise Unreadable("it is not a JPEG, PNG, WebP or GIF") from error
    except MemoryError as error:
        raise Unreadable("it needs too much memory") from error
    except _BAD_INPUT as error:
        raise Unreadable("it is damaged or cut off") from error


def _flattened(image: Image.Image, max_side: int) -> Image.Image:
    """Copy to RGB at less than twice `max_side`, strip by strip: no second full-size copy is ever held."""
    width, height = image.size
    factor = max(1, max(image.size) // max_side)
    if factor == 1 and image.mode == "RGB" and not image.has_transparency_data:
        small = image.copy()  # most photographs: nothing to flatten
        small.info.clear()
        return small
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    small = Image.new("RGB", (math.ceil(width / factor), math.ceil(height / factor)))
    for top in range(0, height, rows):
        strip = _in_rgb(image.crop((0, top, width, min(top + rows, height))))
        small.paste(strip if factor == 1 else strip.reduce(factor), (0, top // factor))
    return small


def _in_rgb(strip: Image.Image) -> Image.Image:
    if strip.mode.startswith("I"):
        # 16-bit grey: scaled by hand, since Pillow's own conversion clips everything above 255 to white.
        strip = strip.convert("I").point(lambda value: value * (1 / 256)).convert("L")
        strip.info.pop("transparency", None)
    if not strip.has_transparency_data:
        return strip.convert("RGB")
    clear = strip.convert("RGBA")
    white = Image.new("RGB", strip.size, _WHITE)
    white.paste(clear, mask=clear)
    return white


def _encode(image: Image.Image, max_bytes: int) -> bytes:
    """A JPEG under `max_bytes`, at the best of a few qualities that fits."""
    with _verdicts():
        for quality in _QUALITIES:
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality)
            if out.tell() < max_bytes:
                return out.getvalue()
    raise Unreadable("it cannot be made small enough")


def _keep(data: bytes, pictures_dir: Path, part: Path) -> str:
    """Store under the content's own hash, whole or not at all, also across a power cut; return the name."""
    digest = hashlib.sha256(data).hexdigest()
    folder = pictures_dir / digest[:2]
    new_folder = not folder.is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.rename(folder / f"{digest}.jpg")
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(folder)
    if new_folder:
        _sync_folder(pictures_dir)
    return f"{digest[:2]}/{digest}.jpg"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
