"""The one way these tests wait: a condition with a deadline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

_LOOK_EVERY_S = 0.003


async def until(condition: Callable[[], Any], timeout_s: float = 8.0) -> Any:
    """Wait until the condition (a function or a coroutine function) holds; returns what it gave."""
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                found = condition()
                value = await found if inspect.isawaitable(found) else found
                if value:
                    return value
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        wanted = inspect.getsource(condition).strip()
        raise AssertionError(f"did not happen within {timeout_s:g} s: {wanted}") from None
