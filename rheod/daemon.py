"""The daemon's life: start, run in one TaskGroup, stop in order. What runs is built by `compose`.

A loop that dies or ends early takes the process down with a non-zero exit, and systemd starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import structlog
from aiohttp import web

from rheod.compose.build import Rheod, build, open_database
from rheod.compose.core import Life
from rheod.compose.remotes import Remotes
from rheod.config import loading
from rheod.config.settings import Settings
from rheod.domain import crash
from rheod.domain.errors import RheodError
from rheod.domain.model import QueueName
from rheod.jobs.housekeeping import IntegrityChecker, SteadyClock
from rheod.push.poller import LAST_ANSWER_S

_log = structlog.get_logger(__name__)
_SOON_S = 1.0
_WORK_ENDS_S = LAST_ANSWER_S + 0.3
"""What is not a call of Tradera may take this long to end at a stop."""

Started = Callable[[int], None]
"""Called with the port once everything runs."""


async def serve(settings: Settings, *, remotes: Remotes, started: Started = lambda _port: None) -> None:
    """Run until SIGTERM or SIGINT.

    Raises RheodError when it cannot start (the sentence says what to do), or whatever ended a loop.
    """
    crash.arm(settings.debug.crash_at)
    for sentence in loading.warnings(settings):
        _log.warning(sentence)
    database = await open_database(settings)
    try:
        async with asyncio.TaskGroup() as group:
            writer = group.create_task(database.run(), name="writer")
            try:
                rng = Random()  # noqa: S311 - ids must be unique, not secret
                clock = SteadyClock()
                await _live(await build(settings, database, clock=clock, rng=rng, remotes=remotes), started)
            finally:
                database.stop()
                await asyncio.wait([writer])
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):  # a group of one says no more than the one
            first = first.exceptions[0]
        raise first from errors
    finally:
        await database.close()
    _log.info("stopped")


async def _live(rheod: Rheod, started: Started) -> None:
    async with rheod.clients:
        await rheod.loops.begin()
        admin = await rheod.handlers.listen_admin()
        try:
            runner, port = await rheod.handlers.listen()
            try:
                await _run(rheod, runner, lambda: started(port), port)
            except BaseException:
                await runner.cleanup()
                raise
        finally:
            await admin.cleanup()


async def _run(rheod: Rheod, runner: web.AppRunner, started: Callable[[], None], port: int) -> None:
    """Run every loop until a signal asks for the end; the group then has nothing left that runs."""
    stop, loops, life, settings = _signals(), rheod.loops, rheod.core.life, rheod.core.settings
    async with asyncio.TaskGroup() as group:

        def start(name: str, loop: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
            return group.create_task(_guarded(name, loop, life), name=name)

        work = [start(queue.name, queue.run()) for queue in loops.queues]
        loops.start_queue = lambda queue: work.append(start(queue.name, queue.run()))
        if loops.poller is not None:
            work.append(start("push", loops.poller.run()))
        chores = [start(name, chore()) for name, chore in loops.chores.items()]
        missing = rheod.core.registry.missing()
        life.ready = True
        rheod.remotes.systemd.ready()
        address = f"http://{settings.server.host}:{port}"
        _log.info("ready", address=address, publishing=not missing, push=settings.push.queue_url is not None)
        if missing:
            _log.warning("publishing waits for Tradera credentials; the API works", set=", ".join(missing))
        started()
        await loops.fetcher.begin()
        checker = IntegrityChecker(database=rheod.core.database)
        chores.append(group.create_task(checker.run(), name="integrity"))
        await stop.wait()
        life.stopping = True
        rheod.remotes.systemd.stopping()
        _log.info("stopping", running=sum(len(queue.running) for queue in loops.queues))
        await _stop(rheod, runner, work)
        for task in [*work, *chores]:
            task.cancel()


async def _stop(rheod: Rheod, runner: web.AppRunner, work: list[asyncio.Task[None]]) -> None:
    """Claim nothing more and let what runs end, then close the port; what is cut off stays due.

    Calls that change something at Tradera have the grace: nobody knows what became of one that was cut off. What is on
    its way elsewhere, or only reads, is simply done again, so it has a second and a half. The port answers 503 until the
    work has ended.
    """
    deadline = time.monotonic() + rheod.core.settings.server.shutdown_grace_s
    contact = rheod.core.budget.contact
    begun = contact.changes
    for queue in rheod.loops.queues:
        queue.stop()
    if rheod.loops.poller is not None:
        rheod.loops.poller.stop()
    to_tradera = {task for task in work if task.get_name().startswith(QueueName.TRADERA)}
    _, slow = await asyncio.wait(work, timeout=min(_WORK_ENDS_S, deadline - time.monotonic()))
    late = slow & to_tradera
    for task in slow - late:
        task.cancel()
    while late and time.monotonic() < deadline and (contact.changing or contact.changes > begun):
        begun = contact.changes
        _, late = await asyncio.wait(late, timeout=min(_SOON_S, max(0.0, deadline - time.monotonic())))
    for task in late:
        task.cancel()
    if cut_off := (slow - to_tradera) | late:
        await asyncio.wait(cut_off, timeout=_SOON_S)
        _log.warning("cut off at the stop", loops=sorted(task.get_name() for task in cut_off))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(max(_SOON_S, deadline - time.monotonic())):
            await runner.cleanup()


async def _guarded(name: str, loop: Coroutine[Any, Any, None], life: Life) -> None:
    """Run a loop that must not end before the daemon stops."""
    try:
        await loop
    except asyncio.CancelledError:
        raise
    except BaseException:
        _log.critical("loop died", loop=name, exc_info=True)
        raise
    if not life.stopping:
        raise RheodError(f"The loop {name} ended by itself; rheod stops so that systemd starts it anew")


def _signals() -> asyncio.Event:
    """SIGTERM and SIGINT ask for an orderly stop, a second one ends at once; SIGHUP does nothing."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if stop.is_set():
            raise SystemExit(130)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    return stop
