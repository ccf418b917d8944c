"""Makes a downloaded picture fit for Tradera, in child processes that may be killed at any moment.

The children (`decoder_child.py`) decode, encode and store; this module starts them when there is work, holds them to
their time, and ends them when idle. It must not import Pillow: the daemon decodes nothing itself.
Small copies for people's pages are made when first asked for, and kept beside the hosted file.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rheod.domain.errors import Permanent, Text, Transient
from rheod.domain.pictures import thumbnail_of

_SCRIPT = Path(__file__).with_name("decoder_child.py")
"""A path and not a module name, so that the child need not find rheod again: it needs Pillow only."""
_STOP_GRACE_S = 2.0
HEIC = Text(
    "it is HEIC, which Tradera does not take: let the phone save JPEG (iPhone: Settings, Camera, Formats, Most Compatible)"
)
_WHY = {
    "kind": Text("it is not a JPEG, PNG, WebP, AVIF or GIF"),
    "heic": HEIC,
    "memory": Text("it needs too much memory"),
    "damaged": Text("it is damaged or cut off"),
    "bytes": Text("it cannot be made small enough"),
}


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A stored picture: the SHA-256 (hex) of its JPEG bytes, its name below the folder of pictures, its size.

    `profile_ignored`: it had a colour profile that cannot be used.
    """

    sha256: str
    name: str
    width: int
    height: int
    size_bytes: int
    profile_ignored: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Pixels: a picture whose longer or shorter side has fewer is refused, one with a longer side than `most` shrinks."""

    least_long: int = 1
    least_short: int = 1
    most: int = 2048


class Decoder:
    """A few child processes that turn strangers' pictures into upright sRGB JPEGs without metadata.

    Pictures that take much memory are decoded one at a time, whatever the number of processes.
    """

    def __init__(
        self,
        *,
        processes: int,
        max_pixels: int,
        timeout_s: float = 10.0,
        idle_s: float = 30.0,
        sides: Sides | None = None,
        max_bytes: int = 2_900_000,
    ) -> None:
        self._children = [
            _Child(max_pixels=max_pixels, timeout_s=timeout_s, idle_s=idle_s) for _ in range(processes)
        ]
        # Last in, first out: when little is to do, one child does it and the others fall idle.
        self._free: asyncio.LifoQueue[_Child] = asyncio.LifoQueue()
        for child in self._children:
            self._free.put_nowait(child)
        self._alone = asyncio.Lock()
        self._numbers = itertools.count()
        sides = sides or Sides()
        self._limits = {
            "max_side": sides.most,
            "max_bytes": max_bytes,
            "min_long": sides.least_long,
            "min_short": sides.least_short,
        }

    async def decode(self, source: Path, pictures_dir: Path) -> DecodedPicture:
        """Store `source` below `pictures_dir` as a JPEG named by its content, synced to disk; keep `source`.

        Raises Permanent if the picture is at fault, Transient if a child was late or died, or the disk is full. Waiting
        for a free child does not count towards the time limit. A temporary file that a kill left in `pictures_dir/tmp`
        is removed at the next start.
        """
        part = pictures_dir / "tmp" / f"decode-{os.getpid()}-{next(self._numbers)}.part"
        request = {
            "source": str(source),
            "pictures_dir": str(pictures_dir),
            "part": str(part),
            **self._limits,
        }
        child = await self._free.get()
        try:
            answer = await child.ask({**request, "alone": False})
            if "heavy" in answer:
                async with self._alone:
                    answer = await child.ask({**request, "alone": True})
        finally:
            self._free.put_nowait(child)
            with contextlib.suppress(OSError):
                part.unlink()
        _raise_verdict(answer)
        return DecodedPicture(sha256=Path(answer["name"]).stem, **answer)

    async def wake(self, most: int) -> None:
        """Start children before there is work for them, at most so many of those that are free; unused they end as ever."""
        taken = [self._free.get_nowait() for _ in range(min(most, self._free.qsize()))]
        try:
            await asyncio.gather(*(child.wake() for child in taken))
        finally:
            for child in reversed(taken):
                self._free.put_nowait(child)

    async def shrink(self, pictures_dir: Path, picture: str, name: str, *, side: int) -> None:
        """Store a WebP of a hosted picture, its longest side at most `side` pixels, as `name` below the folder.

        Raises as `decode` does. It is not synced: it can be made again.
        """
        part = pictures_dir / "tmp" / f"shrink-{os.getpid()}-{next(self._numbers)}.part"
        request = {
            "source": str(pictures_dir / picture),
            "part": str(part),
            "target": str(pictures_dir / name),
            "shrink": side,
        }
        child = await self._free.get()
        try:
            answer = await child.ask(request)
        finally:
            self._free.put_nowait(child)
            with contextlib.suppress(OSError):
                part.unlink()
        _raise_verdict(answer)

    async def close(self) -> None:
        """End every child: at once if idle, after at most two seconds (killed then) if busy."""
        await asyncio.gather(*(child.close() for child in self._children))


def _raise_verdict(answer: dict[str, Any]) -> None:
    if "unreadable" in answer:
        why, values = answer["unreadable"], answer["values"]
        if why == "small":
            raise Permanent(
                Text(
                    "the picture is too small ({width} x {height} pixels): its longer side must have at least {long}, its shorter at least {short}",
                    **values,
                )
            )
        reason = _WHY.get(why) or Text("it has more than {limit} megapixels", limit=f"{values['limit']:g}")
        raise Permanent(Text("the picture cannot be read: {why}", why=reason))
    if "failed" in answer:
        raise Transient(Text("the picture cannot be stored now: {why}", why=answer["failed"]))


class _Child:
    """One child process at a time: started by the first request, again after a death, ended when idle."""

    def __init__(self, *, max_pixels: int, timeout_s: float, idle_s: float) -> None:
        self._arguments = (str(max_pixels), str(timeout_s))
        self._timeout_s = timeout_s
        self._idle_s = idle_s
        self._process: asyncio.subprocess.Process | None = None
        self._retirement: asyncio.TimerHandle | None = None
        self._closed = False

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Put one request; a child that is late, dies or is given up on (cancellation) is killed."""
        self._put_off_retirement()
        answered = False
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await _exchange(await self._running(), request)
            answered = True
        except TimeoutError as error:
            raise Transient(
                Text("the picture was not decoded within {seconds} s", seconds=f"{self._timeout_s:g}")
            ) from error
        except (OSError, EOFError) as error:
            raise Transient(Text("the picture's decoder ended without an answer")) from error
        finally:
            if not answered:
                self._kill()
        self._retirement = asyncio.get_running_loop().call_later(self._idle_s, self._retire)
        return answer

    async def wake(self) -> None:
        """Start the process, if it is not there."""
        self._put_off_retirement()
        with contextlib.suppress(OSError, EOFError):
            await self._running()
        self._retirement = asyncio.get_running_loop().call_later(self._idle_s, self._retire)

    async def close(self) -> None:
        """Let the child end and see it gone; no other is started afterwards."""
        self._closed = True
        self._put_off_retirement()
        self._retire()
        if self._process is None:
            return
        try:
            async with asyncio.timeout(_STOP_GRACE_S):
                await self._process.wait()
        except TimeoutError:
            self._kill()
            await self._process.wait()

    async def _running(self) -> asyncio.subprocess.Process:
        """Return the living child, or a new one once the old one is reaped."""
        if self._closed:
            raise EOFError
        process = self._process
        if process is not None and process.returncode is None and not _stdin(process).is_closing():
            return process
        if process is not None:
            await process.wait()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            str(_SCRIPT),
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={},
        )
        return self._process

    def _put_off_retirement(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None

    def _retire(self) -> None:
        """Close the child's stdin, at whose end it exits; the event loop reaps it."""
        if self._process is not None:
            _stdin(self._process).close()

    def _kill(self) -> None:
        if self._process is not None:
            _stdin(self._process).close()
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()


def _stdin(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    assert process.stdin is not None
    return process.stdin


async def _exchange(process: asyncio.subprocess.Process, request: dict[str, Any]) -> dict[str, Any]:
    """Send one line, read one line; raises OSError or EOFError if the child is gone."""
    assert process.stdout is not None
    _stdin(process).write(json.dumps(request).encode() + b"\n")
    await _stdin(process).drain()
    line = await process.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer: dict[str, Any] = json.loads(line)
    return answer


class Thumbnails:
    """Makes small copies in the decoder's children, each once however many ask for it at the same moment."""

    def __init__(self, *, decoder: Decoder, pictures_dir: Path) -> None:
        self._decoder = decoder
        self._pictures_dir = pictures_dir
        self._making: dict[str, asyncio.Task[None]] = {}

    async def make(self, picture: str, side: int) -> None:
        """Make the copy of a hosted picture whose longest side is `side` pixels. Raises Transient or Permanent."""
        name = thumbnail_of(picture, side)
        task = self._making.get(name)
        if task is None:
            work = self._decoder.shrink(self._pictures_dir, picture, name, side=side)
            task = self._making[name] = asyncio.create_task(work)
            task.add_done_callback(lambda _task: self._making.pop(name, None))
        await asyncio.shield(task)  # one who hangs up does not take it from the others

    async def close(self) -> None:
        """Give up what is being made."""
        for task in tuple(self._making.values()):
            task.cancel()
        await asyncio.gather(*self._making.values(), return_exceptions=True)
