"""ICC profiles made by hand, and what lcms makes of a colour by them: for pictures whose colours must come out right."""

from __future__ import annotations

import io
import struct
from itertools import product

from PIL import Image, ImageCms

Triple = tuple[float, float, float]


def _fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def _xyz(values: Triple) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def _profile(space: bytes, kind: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    named = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78)
    white = (0.9642, 1.0, 0.8249)
    tags = {b"desc": named, b"cprt": b"text\0\0\0\0none\0", b"wtpt": _xyz(white), **tags}
    begin = 132 + 12 * len(tags)
    table, body = b"", b""
    for name, data in tags.items():
        table += name + struct.pack(">II", begin + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    head = struct.pack(">I4sI4s4s4s", begin + len(body), bytes(4), 0x02400000, kind, space, pcs)
    head += bytes(12) + b"acsp" + bytes(28) + _fixed(*white)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def rgb(red: Triple, green: Triple, blue: Triple, gamma: float) -> bytes:
    """A profile of three primaries (XYZ, adapted to D50) and one gamma."""
    tags = {b"rXYZ": _xyz(red), b"gXYZ": _xyz(green), b"bXYZ": _xyz(blue)}
    return _profile(
        b"RGB ", b"mntr", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(gamma))
    )


def grey(gamma: float) -> bytes:
    """A profile of greys."""
    return _profile(b"GRAY", b"mntr", b"XYZ ", {b"kTRC": _curve(gamma)})


def _printed(inks: tuple[float, ...]) -> bytes:
    """The CIE Lab (8 bit) of inks on paper, roughly as a press has it: no pure colour, black not quite black."""
    cyan, magenta, yellow, black = inks
    light = (1 - 0.4 * cyan - 0.5 * magenta - 0.1 * yellow) * (1 - 0.85 * black)
    a = (-35 * cyan + 72 * magenta - 4 * yellow) * (1 - black)
    b = (-48 * cyan - 4 * magenta + 88 * yellow) * (1 - black)
    return bytes((max(0, min(255, round(255 * light))), round(a) + 128, round(max(-128, min(127, b))) + 128))


def cmyk() -> bytes:
    """A profile of a press: a table of two levels of each ink."""
    identity = bytes(range(256))
    table = b"".join(_printed(inks) for inks in product((0.0, 1.0), repeat=4))
    matrix = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + matrix + identity * 4 + table + identity * 3
    return _profile(b"CMYK", b"prtr", b"Lab ", {b"A2B0": lut})


P3 = rgb((0.5151, 0.2412, -0.0011), (0.2919, 0.6922, 0.0419), (0.1572, 0.0666, 0.7841), 2.2)
ADOBE_RGB = rgb((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446), 2.19921875)


def managed(image: Image.Image, profile: bytes, *, mode: str | None = None) -> Image.Image:
    """The picture in sRGB by lcms at its most exact, which is how one that manages colours shows it."""
    return ImageCms.ImageCmsTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
        mode or image.mode,
        "RGB",
        flags=ImageCms.Flags.NOOPTIMIZE,
    ).apply(image)
