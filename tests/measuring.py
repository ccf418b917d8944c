"""What a daemon tells Prometheus, over a real store, without its remotes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from rheod.compose.build import Rheod, build
from rheod.compose.core import Core
from rheod.compose.loops import observed
from rheod.compose.remotes import Remotes
from rheod.config.sections import AccountSettings, Storage
from rheod.config.settings import Settings
from rheod.health.metrics import gather_metrics
from rheod.jobs.housekeeping import SteadyClock
from tests.stores import opened


@dataclass(frozen=True)
class Daemon:
    """A daemon whose loops do not run."""

    rheod: Rheod

    @property
    def core(self) -> Core:
        """Its store, budget and use cases."""
        return self.rheod.core

    async def text(self) -> str:
        """As it is sent."""
        running = self.rheod.loops.running
        return (await gather_metrics(observed(self.core, running), running)).decode()

    async def values(self) -> dict[str, float]:
        """Every sample by its name and labels, such as `rheod_items{status=draft}`."""
        found = {}
        for family in text_string_to_metric_families(await self.text()):
            for sample in family.samples:
                labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
                found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
        return found


@asynccontextmanager
async def measured(folder: Path) -> AsyncIterator[Daemon]:
    """A daemon that has a member account beside its own."""
    settings = Settings(
        storage=Storage(path=folder, least_free_bytes=0),
        accounts=(AccountSettings(reference="member-1", user_id=2, user_token=SecretStr("test-token")),),
    )
    async with opened(folder) as database:
        rheod = await build(settings, database, clock=SteadyClock(), rng=Random(1), remotes=Remotes())
        async with rheod.clients:
            yield Daemon(rheod)
