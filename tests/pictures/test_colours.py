"""The colours of a picture, as its profile means them, in sRGB; and the pictures that are refused or reduced."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image, ImageCms

from rheod.domain.errors import Permanent
from rheod.pictures.decoder import DecodedPicture, Sides
from tests.pictures import profiles
from tests.pictures.decoding import RED, open_decoder, outcome
from tests.pictures.profiles import ADOBE_RGB, P3, managed

LEAST = Sides(least_long=400, least_short=100)
_EXACT: dict[str, dict[str, Any]] = {
    "PNG": {},
    "WEBP": {"lossless": True},
    "JPEG": {"quality": 98, "subsampling": 0},
    "AVIF": {"quality": 99},
}
PATCH = 32
"""Side of a patch: two blocks of a JPEG, so that its middle is of one colour."""


def patches(mode: str, colours: list[tuple[int, ...]]) -> Image.Image:
    """A picture of 400 x 400 with patches of these colours, from the left and down."""
    image = Image.new(mode, (416, 416))
    for number, colour in enumerate(colours):
        place = (number % 13 * PATCH, number // 13 * PATCH)
        image.paste(colour if len(colour) > 1 else colour[0], (*place, place[0] + PATCH, place[1] + PATCH))
    return image


def some(bands: int, seed: int, *, most: int = 255) -> list[tuple[int, ...]]:
    """Greys, and colours by chance."""
    rng = Random(seed)
    greys = [(level,) * bands for level in (0, 8, 16, 64, 128, 200, 255) if level <= most]
    return greys + [tuple(rng.randint(0, most) for _ in range(bands)) for _ in range(60)]


def off_by(found: Image.Image, wanted: Image.Image, count: int) -> int:
    """How far the middles of the patches are off at the most."""
    worst = 0
    for number in range(count):
        left, top = number % 13 * PATCH + PATCH // 4, number // 13 * PATCH + PATCH // 4
        box = (left, top, left + PATCH // 2, top + PATCH // 2)
        one, other = (
            each.resize((1, 1), Image.Resampling.BOX, box).getpixel((0, 0)) for each in (found, wanted)
        )
        assert isinstance(one, tuple)
        assert isinstance(other, tuple)
        worst = max(worst, *(abs(here - there) for here, there in zip(one, other, strict=True)))
    return worst


async def decoded(
    folder: Path, data: bytes, sides: Sides | None = None
) -> tuple[DecodedPicture, Image.Image]:
    (folder / "in").write_bytes(data)
    async with open_decoder(max_pixels=62_000_000, sides=sides) as decoder:
        done = await decoder.decode(folder / "in", folder / "images")
    return done, outcome(done, folder / "images")


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **{**_EXACT[kind], **options})
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize("profile", [P3, ADOBE_RGB], ids=["Display P3", "Adobe RGB"])
async def test_a_wide_profile_is_carried_into_srgb(tmp_path: Path, profile: bytes, kind: str) -> None:
    """Each patch is within 3 of what a program that manages colours shows."""
    colours = some(3, 1)
    image = patches("RGB", colours)
    data = saved(image, kind, icc_profile=profile)
    done, found = await decoded(tmp_path, data)
    wanted = managed(Image.open(io.BytesIO(data)), profile)  # as it was after the loss of its own kind
    assert off_by(found, wanted, len(colours)) <= 3
    assert not done.profile_ignored


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("gamma", [1.0, 1.8, 2.2])
async def test_greys_are_carried_too(tmp_path: Path, kind: str, gamma: float) -> None:
    """Also those of a linear profile, whose darks are far apart in sRGB."""
    colours = some(1, 2)
    image = patches("L", colours)
    _, found = await decoded(tmp_path, saved(image, kind, icc_profile=profiles.grey(gamma)))
    assert off_by(found, managed(image, profiles.grey(gamma)), len(colours)) <= 3


async def test_greys_of_16_bits_keep_their_darks(tmp_path: Path) -> None:
    """The eight bits of the picture are taken after the profile, not before it."""
    levels = [0, 100, 200, 400, 1000, 5000, 20000, 40000, 65535]
    raw = b"".join(struct.pack("<H", levels[x // PATCH % 9]) for x in range(416)) * 416
    image = Image.frombytes("I;16", (416, 416), raw)
    _, found = await decoded(tmp_path, saved(image, "PNG", icc_profile=profiles.grey(1.0)))
    assert off_by(found, managed(image, profiles.grey(1.0)), 9) <= 3


@pytest.mark.parametrize("kind", ["straight", "Adobe", "marker lost"])
async def test_inks_become_colours(tmp_path: Path, kind: str) -> None:
    """By the profile of the press; with Adobe's marker the numbers are inverted, and without it they rarely are."""
    image = patches("CMYK", [(*colour[:3], colour[3] // 4) for colour in some(4, 3, most=230)])
    data = saved(image, "JPEG", icc_profile=profiles.cmyk())
    assert data.count(b"\xff\xee\x00\x0eAdobe") == 1
    wanted = managed(Image.open(io.BytesIO(data)), profiles.cmyk())
    if kind == "straight":
        upside = Image.eval(image, lambda level: 255 - level)
        data = saved(upside, "JPEG", icc_profile=profiles.cmyk())
    if kind != "Adobe":
        at = data.index(b"\xff\xee\x00\x0eAdobe")
        data = data[:at] + data[at + 16 :]
    _, found = await decoded(tmp_path, data)
    assert off_by(found, wanted, 60) <= 3


async def test_transparent_pictures_are_carried_and_lie_on_white(tmp_path: Path) -> None:
    """What shows of them has the colours of the profile."""
    colours = some(3, 4)
    image = patches("RGB", colours)
    clear = image.copy()
    clear.putalpha(Image.new("L", image.size, 255))
    clear.putpixel((400, 400), (0, 0, 0, 0))
    _, found = await decoded(tmp_path, saved(clear, "PNG", icc_profile=P3))
    assert off_by(found, managed(image, P3), len(colours)) <= 3


@pytest.mark.parametrize(
    ("mode", "profile"),
    [
        ("RGB", b"no profile"),
        ("RGB", P3[:300]),
        ("RGB", profiles.grey(2.2)),
        ("L", profiles.cmyk()),
        ("RGB", b"\0" * 4000),
    ],
    ids=["words", "cut", "of greys", "of inks", "zeros"],
)
async def test_a_broken_profile_is_ignored_and_said(tmp_path: Path, mode: str, profile: bytes) -> None:
    """The picture is shown as if it had none."""
    image = patches(mode, some(len(mode), 5))
    done, found = await decoded(tmp_path, saved(image, "PNG", icc_profile=profile))
    assert done.profile_ignored
    assert off_by(found, image.convert("RGB"), 60) <= 3


async def test_srgb_by_another_name_changes_nothing(tmp_path: Path) -> None:
    """A profile that says what pictures without one are taken for."""
    image = patches("RGB", some(3, 6))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    done, found = await decoded(tmp_path, saved(image, "PNG", icc_profile=srgb))
    assert off_by(found, image, 60) <= 2
    assert not done.profile_ignored


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
async def test_the_picture_of_a_phone_is_upright_and_bright(tmp_path: Path, kind: str) -> None:
    """Turned by EXIF in every kind that has it, and carried from Display P3."""
    image = Image.new("RGB", (600, 400), (200, 60, 59))
    image.paste((63, 160, 70), (0, 0, 60, 60))
    exif = Image.Exif()
    exif[0x0112] = 6
    _, found = await decoded(tmp_path, saved(image, kind, icc_profile=P3, exif=exif))
    assert found.size == (400, 600)
    wanted = managed(image, P3)
    for at, source in (((200, 300), (300, 200)), ((385, 15), (15, 15))):
        pair = zip(found.getpixel(at), wanted.getpixel(source), strict=True)  # type: ignore[arg-type]
        assert all(abs(one - other) <= 8 for one, other in pair)


async def test_a_gain_map_or_a_second_frame_is_dropped(tmp_path: Path) -> None:
    """A phone's JPEG with another picture behind the first becomes the first."""
    first, second = Image.new("RGB", (640, 480), RED), Image.new("L", (320, 240), 128)
    out = io.BytesIO()
    first.save(out, "MPO", save_all=True, append_images=[second], icc_profile=P3, quality=95)
    _, found = await decoded(tmp_path, out.getvalue())
    assert found.size == (640, 480)
    assert found.getpixel((320, 240)) != (128, 128, 128)


@pytest.mark.parametrize(
    ("size", "fits"),
    [((400, 100), True), ((100, 400), True), ((399, 399), False), ((6000, 99), False), ((1, 1), False)],
)
async def test_what_is_too_small_is_refused_with_its_size(
    tmp_path: Path,
    size: tuple[int, int],
    fits: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Tracking pixels and strips are no pictures of a thing."""
    data = saved(Image.new("RGB", size, RED), "PNG")
    if fits:
        await decoded(tmp_path, data, LEAST)
        return
    with pytest.raises(Permanent, match=f"too small \\({size[0]} x {size[1]} pixels\\).*400.*100"):
        await decoded(tmp_path, data, LEAST)


async def test_heic_is_named_with_what_to_set_on_the_phone(tmp_path: Path) -> None:
    """Nothing here can read it."""
    with pytest.raises(Permanent, match=r"HEIC.*iPhone: Settings, Camera, Formats, Most Compatible"):
        await decoded(tmp_path, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200))


async def test_sixty_megapixels_fit_the_childs_memory(tmp_path: Path) -> None:
    """The largest pictures of phones are decoded at a reduced scale."""
    done, _ = await decoded(tmp_path, saved(Image.new("L", (8944, 6708), 99), "JPEG", quality=30))
    assert max(done.width, done.height) == 2048
