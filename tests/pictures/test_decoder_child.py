"""The child with real pictures: what comes out of every kind, and what is refused."""

from __future__ import annotations

import asyncio
import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from rheod.domain.errors import Permanent
from rheod.pictures.decoder import DecodedPicture
from tests.pictures.decoding import BLUE, GREEN, RED, WHITE, children, halves, open_decoder, outcome


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, ...], slack: int = 40) -> bool:
    """Say whether a pixel is about this colour (JPEG blurs)."""
    found = image.getpixel(at)
    assert isinstance(found, tuple)
    return all(abs(one - other) <= slack for one, other in zip(found, colour, strict=True))


async def rendered(source: Path, images: Path) -> Image.Image:
    """Render one file and open the outcome, which must be what its record says."""
    async with open_decoder() as decoder:
        done = await decoder.decode(source, images)
    return outcome(done, images)


def grey16() -> Image.Image:
    """A 16-bit grey picture: mid grey (32768) above, nearly black (255) below."""
    levels = b"\x00\x80" * (64 * 24) + b"\xff\x00" * (64 * 24)
    return Image.frombytes("I;16", (64, 48), levels)


def transparent(mode: str) -> Image.Image:
    """Red above, fully transparent below."""
    image = Image.new("RGBA", (64, 48), (*BLUE, 0))
    image.paste((*RED, 255), (0, 0, 64, 24))
    return image.convert(mode)


def palette_with_hole() -> Image.Image:
    """A palette picture whose second colour is transparent."""
    image = Image.new("P", (64, 48), 1)
    image.putpalette([*RED, *BLUE])
    image.paste(0, (0, 0, 64, 24))
    image.info["transparency"] = 1
    return image


@pytest.mark.parametrize(
    ("image", "kind", "above", "below"),
    [
        (halves(), "JPEG", RED, GREEN),
        (halves(), "PNG", RED, GREEN),
        (halves(), "WEBP", RED, GREEN),
        (halves(mode="P"), "GIF", RED, GREEN),
        (halves(mode="CMYK"), "JPEG", RED, GREEN),
        (halves(mode="L"), "JPEG", (81, 81, 81), (112, 112, 112)),
        (halves(top=WHITE).convert("1"), "PNG", WHITE, None),
        (grey16(), "PNG", (128, 128, 128), (0, 0, 0)),
        (transparent("RGBA"), "PNG", RED, WHITE),
        (transparent("RGBA"), "WEBP", RED, WHITE),
        (transparent("LA"), "PNG", (81, 81, 81), WHITE),
        (palette_with_hole(), "PNG", RED, WHITE),
        (palette_with_hole(), "GIF", RED, WHITE),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else str(value),
)
async def test_every_kind_of_picture_becomes_a_plain_jpeg(
    tmp_path: Path,
    image: Image.Image,
    kind: str,
    above: tuple[int, ...],
    below: tuple[int, ...] | None,
) -> None:
    """Modes, depths and transparency all end as RGB on white."""
    image.save(tmp_path / "in", kind)
    out = await rendered(tmp_path / "in", tmp_path / "images")
    assert out.size == (64, 48)
    assert near(out, (32, 8), above)
    assert below is None or near(out, (32, 40), below)
    assert (tmp_path / "in").exists()


async def test_only_the_first_frame_of_an_animation_is_kept(tmp_path: Path) -> None:
    """A GIF that starts red and turns blue is red."""
    first, second = Image.new("RGB", (40, 40), RED), Image.new("RGB", (40, 40), BLUE)
    first.save(tmp_path / "in", "GIF", save_all=True, append_images=[second] * 5, duration=100)
    assert near(await rendered(tmp_path / "in", tmp_path / "images"), (20, 20), RED)


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [
        (1, (64, 48), (32, 8)),
        (2, (64, 48), (32, 8)),
        (3, (64, 48), (32, 40)),
        (4, (64, 48), (32, 40)),
        (5, (48, 64), (8, 32)),
        (6, (48, 64), (40, 32)),
        (7, (48, 64), (40, 32)),
        (8, (48, 64), (8, 32)),
    ],
)
async def test_pictures_are_turned_upright_and_lose_their_metadata(
    tmp_path: Path, orientation: int, size: tuple[int, int], red_at: tuple[int, int]
) -> None:
    """The camera's orientation is carried out; place and camera do not get out."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "test camera"
    exif.get_ifd(0x8825)[1] = "N"
    halves().save(tmp_path / "in", "JPEG", exif=exif, icc_profile=b"test profile", comment=b"test comment")
    out = await rendered(tmp_path / "in", tmp_path / "images")
    assert out.size == size
    assert near(out, red_at, RED)
    assert "comment" not in out.info


@pytest.mark.parametrize(
    ("kind", "size", "expected"),
    [
        ("JPEG", (3000, 600), (2048, 410)),
        ("PNG", (3000, 600), (2048, 410)),
        ("JPEG", (100, 9000), (23, 2048)),
        ("PNG", (9001, 100), (2048, 23)),
        ("PNG", (1, 9000), (1, 2048)),
        ("WEBP", (2048, 16), (2048, 16)),
    ],
)
async def test_big_pictures_shrink_to_the_longest_side(
    tmp_path: Path, kind: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    """The shape is kept, strips join without a seam, and nothing is enlarged."""
    halves(size).save(tmp_path / "in", kind)
    out = await rendered(tmp_path / "in", tmp_path / "images")
    assert abs(out.width - expected[0]) <= 1
    assert abs(out.height - expected[1]) <= 1
    assert near(out, (out.width // 2, out.height // 4), RED)
    assert near(out, (out.width // 2, out.height * 3 // 4), GREEN)


async def test_strips_join_without_a_seam(tmp_path: Path) -> None:
    """A smooth slope shrunk strip by strip equals the same slope shrunk at once."""
    slope = Image.linear_gradient("L").resize((4200, 4200)).convert("RGBA")
    slope.save(tmp_path / "in", "PNG", compress_level=1)
    async with open_decoder(max_pixels=20_000_000) as decoder:
        out = outcome(await decoder.decode(tmp_path / "in", tmp_path / "images"), tmp_path / "images")
    expected = slope.convert("RGB").resize(out.size)
    for row in range(0, out.height, 7):
        wanted = expected.getpixel((1000, row))
        assert isinstance(wanted, tuple)
        assert near(out, (1000, row), wanted, slack=3)


async def test_noise_is_brought_under_the_size_limit(tmp_path: Path) -> None:
    """The worst picture there is comes out under 2.9 MB at a lower quality."""
    noise = random.Random(1).randbytes(1900 * 1900 * 3)
    Image.frombytes("RGB", (1900, 1900), noise).save(tmp_path / "in", "PNG", compress_level=0)
    async with open_decoder(max_pixels=4_000_000) as decoder:
        done = await decoder.decode(tmp_path / "in", tmp_path / "images")
    assert outcome(done, tmp_path / "images").size == (1900, 1900)
    assert done.size_bytes > 1_000_000


async def test_the_same_picture_is_stored_once(tmp_path: Path) -> None:
    """The name is the content's hash, so rendering again changes nothing."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder(processes=2) as decoder:
        first, second = await asyncio.gather(
            decoder.decode(tmp_path / "in", tmp_path / "images"),
            decoder.decode(tmp_path / "in", tmp_path / "images"),
        )
    assert first == second
    assert [path.name for path in (tmp_path / "images").rglob("*.jpg")] == [f"{first.sha256}.jpg"]


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be enormous."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str) -> bytes:
    """A picture's bytes."""
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


NOISE = Image.effect_noise((200, 200), 90).convert("RGB")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bomb(13_300, 13_300), "it has more than 2 megapixels"),
        (bomb(1_500, 1_500), "it has more than 2 megapixels"),
        (bomb(2_000_000_000, 2_000_000_000), "it has more than 2 megapixels"),
        (bomb(100, 100), "it is damaged or cut off"),
        (saved(NOISE, "JPEG")[:3000], "it is damaged or cut off"),
        (saved(NOISE, "PNG")[:3000], "it is damaged or cut off"),
        (saved(NOISE, "GIF")[:3000], "it is damaged or cut off"),
        (saved(NOISE, "WEBP")[:3000], "it is"),
        (saved(NOISE, "BMP"), "it is not a JPEG, PNG, WebP, AVIF or GIF"),
        (saved(NOISE, "TIFF"), "it is not a JPEG, PNG, WebP, AVIF or GIF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is not a JPEG, PNG, WebP, AVIF or GIF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is not a JPEG, PNG, WebP, AVIF or GIF"),
        (b"\xff\xd8\xff\xe0", "it is"),
        (b"", "it is not a JPEG, PNG, WebP, AVIF or GIF"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else value,
)
async def test_bad_pictures_are_refused_for_good(tmp_path: Path, data: bytes, words: str) -> None:
    """Bombs, stumps and strangers are the owner's to replace; the same child goes on working."""
    (tmp_path / "in").write_bytes(data)
    halves().save(tmp_path / "good", "PNG")
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "good", tmp_path / "images")
        before = children()
        with pytest.raises(Permanent, match=f"^the picture cannot be read: {words}"):
            await decoder.decode(tmp_path / "in", tmp_path / "images")
        await decoder.decode(tmp_path / "good", tmp_path / "images")
        assert children() == before


async def test_damaged_bytes_never_kill_the_decoder(tmp_path: Path) -> None:
    """A few hundred randomly broken pictures give a picture or a verdict, nothing else."""
    rng = random.Random(7)
    good = [saved(halves(mode="P"), "GIF"), *(saved(NOISE, kind) for kind in ("JPEG", "PNG", "WEBP"))]
    async with open_decoder() as decoder:
        for _ in range(200):
            data = bytearray(rng.choice(good))
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            (tmp_path / "in").write_bytes(data)
            (done,) = await asyncio.gather(
                decoder.decode(tmp_path / "in", tmp_path / "images"), return_exceptions=True
            )
            assert isinstance(done, DecodedPicture | Permanent)


async def test_a_picture_that_needs_too_much_memory_is_refused(tmp_path: Path) -> None:
    """The child's address space is bounded: decoding beyond it is a verdict, not a crash of the host."""
    (tmp_path / "in").write_bytes(bomb(20_000, 20_000))
    async with open_decoder(max_pixels=500_000_000) as decoder:
        with pytest.raises(Permanent, match="it needs too much memory"):
            await decoder.decode(tmp_path / "in", tmp_path / "images")
