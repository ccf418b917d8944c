"""The child process that decodes strangers' pictures, so that a hostile one costs a child and not the daemon.

Run as a script by `decoder.py`: one JSON request per line on stdin, one JSON answer per line on stdout, the end
of stdin ends it. It must import little (it starts in front of a waiting picture) and nothing of rheod.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
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
    ImageChops,
    JpegImagePlugin,
    PngImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import ImageCms


# The plugins by name: were one missing, Pillow would import all of its forty. Never Pillow's whole list: the EPS
# plugin starts Ghostscript. AVIF is imported with the first AVIF.
_FORMATS = (
    JpegImagePlugin.JpegImageFile.format,
    PngImagePlugin.PngImageFile.format,
    WebPImagePlugin.WebPImageFile.format,
    GifImagePlugin.GifImageFile.format,
    "AVIF",
)
_HEAD_BYTES = 64
_HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"hevm", b"hevs")
_MEMORY_BYTES = 512 * 2**20
_FILE_BYTES = 64 * 2**20
_STRIP_PIXELS = 1_000_000
_HEAVY_BYTES = 64 * 2**20
_QUALITIES = (88, 80, 72, 62, 50, 36, 20)
_STEPS = (0, 48, 104, 160, 208, 255)
_SAMPLE = bytes(level for colour in itertools.product(_STEPS, repeat=3) for level in colour)
"""Colours in which a profile is compared with sRGB."""
_MOSTLY = 160
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


class UnreadablePicture(Exception):
    """The picture is at fault: `why` is a key of the decoder's sentences, `values` what they name."""

    def __init__(self, why: str, **values: float) -> None:
        super().__init__(why)
        self.answer = {"unreadable": why, "values": values}


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
        if "shrink" in request:
            return _shrink(request)
        with Path(request["source"]).open("rb") as source:
            decoded = _decode(source, request)
        if decoded is None:
            return {"heavy": True}
        image, ignored = decoded
        data = _encode(image, request["max_bytes"])
        name = _keep(data, Path(request["pictures_dir"]), Path(request["part"]))
    except UnreadablePicture as verdict:
        return verdict.answer
    except OSError as error:
        return {"failed": error.strerror or "input/output error"}
    width, height = image.size
    return {
        "name": name,
        "width": width,
        "height": height,
        "size_bytes": len(data),
        "profile_ignored": ignored,
    }


def _shrink(request: dict[str, Any]) -> dict[str, Any]:
    """Store a small copy of a hosted picture, whole or not at all."""
    side, part = request["shrink"], Path(request["part"])
    with _verdicts(), Image.open(request["source"], formats=_FORMATS) as image:
        image.draft("RGB", (side, side))
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.save(out, "WEBP", quality=78, method=3)
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(out.getvalue())
    part.rename(request["target"])
    return {}


def _decode(source: IO[bytes], request: dict[str, Any]) -> tuple[Image.Image, bool] | None:
    """The first frame upright, in sRGB on white, without metadata, its longest side at most `max_side`.

    Beside it whether its colour profile was unusable. None for one that takes so much memory, by its header, that it
    should be decoded `alone`. The header's size was judged by `Image.open` (MAX_IMAGE_PIXELS) before anything is
    decoded here.
    """
    max_side = request["max_side"]
    with _verdicts(), _opened(source) as image:
        longer, shorter = max(image.size), min(image.size)
        if longer < request["min_long"] or shorter < request["min_short"]:
            raise UnreadablePicture(
                "small",
                width=image.width,
                height=image.height,
                long=request["min_long"],
                short=request["min_short"],
            )
        pixels = image.width * image.height
        # A progressive JPEG is held whole as coefficients whatever size it is then decoded to; libwebp and its
        # binding hold four canvases (measured: 12 megapixels took 230 MB), libavif hardly less.
        several = image.format in {"WEBP", "AVIF"}
        held = pixels * (6 if image.info.get("progressive") else 16 if several else 0)
        # a JPEG decodes to 1/2, 1/4 or 1/8 of its size where that is still enough; the others ignore it
        scale = min(1.0, max_side / longer)
        image.draft(None, (math.ceil(image.width * scale), math.ceil(image.height * scale)))
        if not request["alone"] and image.width * image.height * 4 + held > _HEAVY_BYTES:
            return None
        image.load()
        turn: Image.Transpose | None = None
        with contextlib.suppress(*_BAD_INPUT):  # a picture with unreadable EXIF is still a picture
            turn = _UPRIGHT.get(image.getexif().get(_ORIENTATION, 1))
        small = _flattened(image, max_side)
        small.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
        if small.mode == "CMYK" and "adobe" not in image.info:
            # Pillow takes a JPEG's inks for inverted, as Adobe writes them, but 0 is no ink where some program took
            # Adobe's marker away and left the numbers; hardly a picture is mostly black ink, so that one which would
            # be is left as it is
            inked = ImageChops.invert(small)
            black = inked.getchannel("K").resize((1, 1), Image.Resampling.BOX).tobytes()[0]
            small = small if black > _MOSTLY else inked
        small, ignored = _in_srgb(small, image.info.get("icc_profile"))
        return (small if turn is None else small.transpose(turn)), ignored


def _opened(source: IO[bytes]) -> Image.Image:
    """The picture before anything of it is decoded. Raises Unreadable for HEIC, for which there is no decoder."""
    head = source.read(_HEAD_BYTES)
    source.seek(0)
    if head[4:8] == b"ftyp":
        brands = {head[at : at + 4] for at in range(8, len(head) - 3, 4) if at != 12}
        if b"avif" not in brands and brands.intersection(_HEIC_BRANDS):
            raise UnreadablePicture("heic")
        with contextlib.suppress(ImportError):
            from PIL import AvifImagePlugin  # noqa: F401, PLC0415 - a large library, and hardly anybody sends it
    return Image.open(source, formats=_FORMATS)


@contextlib.contextmanager
def _verdicts() -> Iterator[None]:
    """Turn what decoders raise into a verdict; Pillow's own words may hold paths and are not passed on."""
    try:
        yield
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise UnreadablePicture("pixels", limit=limit) from error
    except UnidentifiedImageError as error:
        raise UnreadablePicture("kind") from error
    except MemoryError as error:
        raise UnreadablePicture("memory") from error
    except _BAD_INPUT as error:
        raise UnreadablePicture("damaged") from error


def _flattened(image: Image.Image, max_side: int) -> Image.Image:
    """Copy to L, I (16-bit grey), RGB or CMYK at less than twice `max_side`, strip by strip.

    No second full-size copy is ever held.
    """
    width, height = image.size
    factor = max(1, max(image.size) // max_side)
    if factor == 1 and image.mode in {"L", "RGB", "CMYK"} and not image.has_transparency_data:
        small = image.copy()  # most photographs: nothing to flatten
        small.info.clear()
        return small
    rows = max(1, _STRIP_PIXELS // (width * factor)) * factor
    flat: Image.Image | None = None
    for top in range(0, height, rows):
        strip = _on_white(image.crop((0, top, width, min(top + rows, height))))
        if flat is None:
            flat = Image.new(strip.mode, (math.ceil(width / factor), math.ceil(height / factor)))
        flat.paste(strip if factor == 1 else strip.reduce(factor), (0, top // factor))
    assert flat is not None
    return flat


def _on_white(strip: Image.Image) -> Image.Image:
    """Without transparency and palette, in the colours its profile speaks of."""
    if strip.mode.startswith("I"):
        strip.info.pop("transparency", None)
        return strip.convert("I")
    grey = strip.mode in {"1", "L", "LA", "La"}
    if not strip.has_transparency_data:
        return strip if strip.mode in {"L", "RGB", "CMYK"} else strip.convert("L" if grey else "RGB")
    clear = strip.convert("LA" if grey else "RGBA")
    white = Image.new("L" if grey else "RGB", strip.size, "white")
    white.paste(clear.convert(white.mode), mask=clear.getchannel("A"))
    return white


def _in_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """The picture in sRGB by its colour profile, and whether that was unusable and hence ignored."""
    if profile:
        from PIL import ImageCms  # noqa: PLC0415 - most pictures need none of it

        try:
            return _managed(image, ImageCms.ImageCmsProfile(io.BytesIO(profile))), False
        except (ImageCms.PyCMSError, *_BAD_INPUT):
            pass
    if image.mode == "I":
        # Scaled by hand, since Pillow's own conversion clips everything above 255 to white.
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGB"), bool(profile)


def _managed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """The picture in sRGB. Raises what Pillow raises where the profile is broken or of other colours."""
    from PIL import ImageCms  # noqa: PLC0415

    srgb = ImageCms.createProfile("sRGB")
    if image.mode in {"L", "I"} and profile.profile.xcolor_space.strip() == "GRAY":
        # One grey after the other through a table: lcms by itself is coarse in the darks, or slow.
        depth, mode, one = (256, "L", 1) if image.mode == "L" else (65536, "I;16", 2)
        levels = b"".join(level.to_bytes(one, "little") for level in range(depth))
        exact = ImageCms.buildTransform(profile, srgb, mode, "RGB", flags=ImageCms.Flags.NOOPTIMIZE)
        table = exact.apply(Image.frombytes(mode, (depth, 1), levels)).getchannel("G").tobytes()
        return image.point(list(table), "L").convert("RGB")
    if image.mode == "I":
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    if image.mode == "L":
        image = image.convert("RGB")
    fine = ImageCms.Flags.HIGHRESPRECALC  # of the table that inks go through
    transform = ImageCms.buildTransform(profile, srgb, image.mode, "RGB", flags=fine)
    if image.mode == "RGB":
        sample = Image.frombytes("RGB", (len(_SAMPLE) // 3, 1), _SAMPLE)
        changed = ImageChops.difference(sample, transform.apply(sample)).tobytes()
        if max(changed) <= 1:
            return image  # sRGB by another name, as most are
        transform.apply_in_place(image)
        return image
    return transform.apply(image)


def _encode(image: Image.Image, max_bytes: int) -> bytes:
    """A JPEG under `max_bytes`, at the best of a few qualities that fits."""
    with _verdicts():
        for quality in _QUALITIES:
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality)
            if out.tell() < max_bytes:
                return out.getvalue()
    raise UnreadablePicture("bytes")


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
