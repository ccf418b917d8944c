"""Small copies of hosted pictures for people's pages, made when first asked for and kept beside the hosted file."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rheod.domain.pictures import thumbnail_of
from rheod.pictures.decoder import Decoder


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
