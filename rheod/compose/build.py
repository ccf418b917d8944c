"""The one builder: the daemon, the commands, the tests and the simulation all stand on what `build` wires.

Nothing else builds, and nothing below `compose` reads a setting.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

from rheod.compose.core import Core, build_core
from rheod.compose.handlers import Handlers
from rheod.compose.loops import Loops, build_loops
from rheod.compose.remotes import Remotes
from rheod.config.settings import Settings
from rheod.jobs.clock import Clock
from rheod.jobs.queue import JobQueue
from rheod.store.engine.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Rheod:
    """Everything, wired; nothing runs. `clients` closes the ways to the outside, after whatever uses them."""

    core: Core
    loops: Loops
    handlers: Handlers
    clients: AsyncExitStack
    remotes: Remotes


async def open_database(settings: Settings) -> Database:
    """The store as the settings say. Raises RheodError with what to do when it cannot be opened."""
    storage = settings.storage
    key = None if storage.key is None else storage.key.get_secret_value()
    return await Database.open(storage.path, key=key, log_bytes=storage.log_max_bytes)


async def build(
    settings: Settings,
    database: Database,
    *,
    clock: Clock,
    rng: Random,
    remotes: Remotes,
    new_queue: type[JobQueue] = JobQueue,
) -> Rheod:
    """Wire everything over a database whose writer runs. `new_queue` lets a test watch the queues; it calls nobody."""
    core = await build_core(settings, database, clock=clock, rng=rng)
    clients = AsyncExitStack()
    try:
        loops = build_loops(core, remotes, new_queue, clients)
    except BaseException:
        await clients.aclose()
        raise
    handlers = Handlers(core=core, loops=loops, remotes=remotes)
    return Rheod(core=core, loops=loops, handlers=handlers, clients=clients, remotes=remotes)
