"""The decoder and its real child processes: when they start and end, and what a kill or a delay does."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image

import rheod.pictures.decoder
from rheod.domain.errors import Transient
from tests.pictures.decoding import RED, children, halves, open_decoder, outcome, until


async def test_trouble_of_this_machine_is_not_the_pictures(tmp_path: Path) -> None:
    """A missing source or a folder that cannot be made may heal."""
    halves().save(tmp_path / "in", "PNG")
    (tmp_path / "file").write_text("in the way")
    async with open_decoder() as decoder:
        with pytest.raises(Transient, match="the picture cannot be stored now: No such file"):
            await decoder.decode(tmp_path / "missing", tmp_path / "images")
        with pytest.raises(Transient, match="the picture cannot be stored now: Not a directory"):
            await decoder.decode(tmp_path / "in", tmp_path / "file" / "images")


async def test_a_late_child_is_killed_and_replaced(tmp_path: Path) -> None:
    """A stopped child misses its deadline; the next picture gets a new one (here after a first good one)."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder(timeout_s=4) as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (late,) = children()
        os.kill(late, signal.SIGSTOP)
        with pytest.raises(Transient, match="the picture was not decoded within 4 s"):
            await decoder.decode(tmp_path / "in", tmp_path / "images")
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        assert late not in children()


async def test_a_child_killed_at_work_is_a_failure_that_may_heal(tmp_path: Path) -> None:
    """The picture may be tried again, and the decoder lives."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        work = asyncio.ensure_future(decoder.decode(tmp_path / "in", tmp_path / "images"))
        await asyncio.sleep(0)
        os.kill(child, signal.SIGKILL)
        with pytest.raises(Transient, match="the picture's decoder ended without an answer"):
            await work
        await decoder.decode(tmp_path / "in", tmp_path / "images")


async def test_a_child_killed_while_idle_is_not_noticed(tmp_path: Path) -> None:
    """Its death between two pictures costs neither of them."""
    halves().save(tmp_path / "in", "PNG")
    others = set(threading.enumerate())
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (child,) = children()
        os.kill(child, signal.SIGKILL)
        await until(lambda: not children())
        await until(lambda: not any("waitpid" in each.name for each in {*threading.enumerate()} - others))
        for _ in range(
            2
        ):  # from the thread that saw it die to the loop, and from there to the process's transport
            await asyncio.sleep(0)
        await decoder.decode(tmp_path / "in", tmp_path / "images")


def resident_bytes(pid: int) -> int:
    """The memory a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_pictures_that_take_much_memory_are_decoded_one_at_a_time(tmp_path: Path) -> None:
    """While one is held up in its child, the second waits although a child is free; then it is done."""
    Image.new("RGB", (5000, 5000), RED).save(tmp_path / "in", "PNG", compress_level=1)
    async with open_decoder(processes=2, max_pixels=40_000_000, timeout_s=6) as decoder:
        first = asyncio.ensure_future(decoder.decode(tmp_path / "in", tmp_path / "images"))
        await until(lambda: any(resident_bytes(pid) > 60 * 2**20 for pid in children()))
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        second = asyncio.ensure_future(decoder.decode(tmp_path / "in", tmp_path / "images"))
        with pytest.raises(Transient, match="not decoded within 6 s"):
            await first
        assert not second.done()
        outcome(await second, tmp_path / "images")


async def test_cancelling_kills_the_child_and_leaves_no_file(tmp_path: Path) -> None:
    """A picture given up in the middle frees its slot for the next."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        work = asyncio.ensure_future(decoder.decode(tmp_path / "in", tmp_path / "images"))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        await until(lambda: child not in children())
        done = await decoder.decode(tmp_path / "in", tmp_path / "images")
        outcome(done, tmp_path / "images")


async def test_children_start_with_work_and_end_when_idle(tmp_path: Path) -> None:
    """No work, no processes: neither before the first picture nor a while after the last."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder(processes=2, idle_s=0.05) as decoder:
        assert children() == set()
        await asyncio.gather(*(decoder.decode(tmp_path / "in", tmp_path / "images") for _ in range(6)))
        await until(lambda: not children())
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        assert len(children()) == 1


async def test_woken_children_wait_for_work_and_end_without(tmp_path: Path) -> None:
    """Those that were started beforehand do the work, and none stays when there is none."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder(processes=2, idle_s=0.3) as decoder:
        await decoder.wake(8)
        woken = children()
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        assert len(woken) == 2
        assert children() <= woken
        await until(lambda: not children())


async def test_a_closed_decoder_starts_nothing(tmp_path: Path) -> None:
    """While the daemon stops, pictures wait for the next start."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder() as decoder:
        await decoder.close()
        await decoder.wake(1)
        with pytest.raises(Transient):
            await decoder.decode(tmp_path / "in", tmp_path / "images")


async def test_close_kills_a_child_that_does_not_end(tmp_path: Path) -> None:
    """A stopped child does not hold up the daemon's stop."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (child,) = children()
        os.kill(child, signal.SIGSTOP)
        async with asyncio.timeout(5):
            await decoder.close()


async def test_a_child_has_no_environment_and_ignores_the_terminals_signals(tmp_path: Path) -> None:
    """No secret of the daemon's reaches it, and Ctrl-C leaves its end to the daemon."""
    halves().save(tmp_path / "in", "PNG")
    async with open_decoder() as decoder:
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        (child,) = children()
        assert Path(f"/proc/{child}/environ").read_bytes() == b""
        assert "Max address space         536870912" in Path(f"/proc/{child}/limits").read_text()
        os.kill(child, signal.SIGINT)
        os.kill(child, signal.SIGTERM)
        await decoder.decode(tmp_path / "in", tmp_path / "images")
        assert children() == {child}


def test_neither_side_imports_the_others_libraries() -> None:
    """The child needs Pillow only, and the daemon's side needs no Pillow."""
    script = Path(rheod.pictures.decoder.__file__).with_name("decoder_child.py")
    show = "; import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    child = f"import runpy; runpy.run_path({str(script)!r})"
    for code, foreign in (
        (child, {"rheod", "aiohttp", "pydantic", "asyncio"}),
        ("import rheod.pictures.decoder", {"PIL", "aiohttp", "pydantic"}),
    ):
        ran = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
        assert not foreign & set(ran.stdout.split())
