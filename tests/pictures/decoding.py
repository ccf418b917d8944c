"""What the tests of the decoder share: a decoder that leaves no child behind, pictures, and what must come out."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from PIL import Image

from rheod.pictures.decoder import DecodedPicture, Decoder, Sides

RED, GREEN, BLUE, WHITE = (200, 30, 30), (30, 160, 60), (30, 60, 200), (255, 255, 255)


@asynccontextmanager
async def open_decoder(
    *,
    processes: int = 1,
    max_pixels: int = 2_000_000,
    timeout_s: float = 10,
    idle_s: float = 30,
    sides: Sides | None = None,
) -> AsyncIterator[Decoder]:
    """A decoder, closed at the end; no child may be left. It takes pictures of any size unless told otherwise."""
    before = children()
    opened = Decoder(
        processes=processes,
        max_pixels=max_pixels,
        timeout_s=timeout_s,
        idle_s=idle_s,
        sides=sides,
    )
    try:
        yield opened
    finally:
        await opened.close()
    assert children() == before
    gc.collect()


def children() -> set[int]:
    """The picture processes this one has started and not reaped, zombies included; other tests leave helpers of theirs."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread may end between the listing and the look
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return {pid for pid in found if _renders(pid)}


def _renders(pid: int) -> bool:
    with suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        return not command or b"decoder_child" in command  # a zombie has none
    return False


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


def halves(size: tuple[int, int] = (64, 48), top: object = RED, mode: str = "RGB") -> Image.Image:
    """A picture red above and green below."""
    image = Image.new("RGB", size, GREEN)
    image.paste(top, (0, 0, size[0], size[1] // 2))  # type: ignore[arg-type]
    return image.convert(mode)


def outcome(done: DecodedPicture, images: Path) -> Image.Image:
    """Open a stored picture after checking its record and that nothing else was left."""
    stored = images / done.name
    data = stored.read_bytes()
    assert hashlib.sha256(data).hexdigest() == done.sha256
    assert done.name == f"{done.sha256[:2]}/{done.sha256}.jpg"
    assert len(data) == done.size_bytes < 2_900_000
    assert list((images / "tmp").iterdir()) == []
    image = Image.open(io.BytesIO(data))
    assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (done.width, done.height))
    assert not image.getexif()
    assert "icc_profile" not in image.info
    return image
