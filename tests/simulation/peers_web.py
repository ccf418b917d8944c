"""The partner's web at the seam of its clients: an endpoint that takes events, a shop with pictures, the renderer."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from rheod.domain.errors import Permanent, Text, Transient
from rheod.pictures.decoder import DecodedPicture, Decoder
from rheod.pictures.download import PictureDownloader
from rheod.webhooks.client import Delivery, WebhookClient, sign
from tests.simulation.faults import Faults
from tests.simulation.life import Life

if TYPE_CHECKING:
    import aiohttp


@dataclass(slots=True)
class Receiver:
    """What the partner has received: every body by event id, the order of first arrivals, what was wrong."""

    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    firsts: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0
    poisonous: set[str] = field(default_factory=set)
    secrets: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def new_secret(self) -> str:
        """A secret as the daemon makes them; the partner knows them all."""
        self.secrets.append(f"whsec_test{len(self.secrets)}")
        return self.secrets[-1]

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep one request."""
        event = json.loads(body)
        name = event["eventId"]
        signed = headers["X-Rheo-Signature"] in {sign(body, secret) for secret in self.secrets}
        if headers["webhook-id"] != name or not signed:
            self.wrong.append(f"{name} has wrong headers")
        if name not in self.bodies:
            self.firsts.append(event)
        self.bodies.setdefault(name, set()).add(body)


class SimulatedEndpoint(WebhookClient):
    """The webhook client of one life of the daemon: it signs as ever, and what it posts reaches the receiver."""

    def __init__(self, *, receiver: Receiver, faults: Faults, life: Life, now: Callable[[], int]) -> None:
        super().__init__(
            session=cast("aiohttp.ClientSession", None),  # nothing is dialled: `post` is the partner
            timeout_s=10,
            check_url=lambda _url: None,
            user_agent="rheod/0",
            now=now,
        )
        self._receiver = receiver
        self._faults = faults
        self._life = life

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Delivery:
        """See WebhookClient."""
        self._life.check()
        faults, receiver, crash = self._faults, self._receiver, self._faults.crash()
        receiver.requests += 1
        await asyncio.sleep(faults.between(0.01, 0.5))
        await self._life.may_die(crash, "before", "a webhook")
        name = headers["webhook-id"]
        if faults.chance(faults.climate.poison):
            receiver.poisonous.add(name)
        poisoned = name in receiver.poisonous and not faults.healed
        bad = poisoned or faults.is_weather("partner_down") or faults.chance(faults.climate.partner)
        lost = bad and not poisoned and faults.chance(0.4)
        if not bad or lost:
            receiver.take(body, headers)
        await self._life.may_die(crash, "after", "a webhook")
        await asyncio.sleep(faults.between(1, 10) if lost else faults.between(0.01, 0.5))
        self._life.check()
        if lost:
            return Delivery(ok=False, status=None, error="no answer", duration_ms=10)
        if bad:
            wait_s = faults.pick([(None, 6), (-1.0, 1), (3.0, 1), (3600.0, 1), (1e12, 1)])
            return Delivery(ok=False, status=503, error="answered 503", duration_ms=10, retry_after_s=wait_s)
        return Delivery(ok=True, status=204, error=None, duration_ms=10)


class SimulatedShop(PictureDownloader):
    """The ImageClient of one life of the daemon: a picture's bytes are its address, `gone` in it is a 404."""

    def __init__(self, *, faults: Faults, life: Life) -> None:
        self._faults = faults
        self._life = life

    async def fetch(self, url: str, destination: Path) -> None:
        """See ImageClient."""
        crash = self._faults.crash()
        await asyncio.sleep(self._faults.between(0.05, 1))
        await self._life.may_die(crash, "before", "a picture")
        if self._faults.chance(self._faults.climate.shop):
            raise Transient(Text("the shop answered 503 for the picture"))
        if "gone" in url:
            raise Permanent(Text("the shop answered 404 for the picture"))
        if self._faults.chance(self._faults.climate.shop / 10):
            url += "?changed"  # another content each time
        destination.write_text(url)
        await self._life.may_die(crash, "after", "a picture")


class SimulatedRenderer(Decoder):
    """The Renderer of one life of the daemon: the stored picture is the fetched one, under its content's name."""

    def __init__(self, *, faults: Faults, life: Life) -> None:
        self._faults = faults
        self._life = life

    async def wake(self, most: int) -> None:
        """See Renderer: there are no processes to start."""

    async def decode(self, source: Path, pictures_dir: Path) -> DecodedPicture:
        """See Renderer."""
        self._life.check()
        raw = source.read_bytes()
        crash = self._faults.crash()
        await asyncio.sleep(self._faults.between(0.01, 0.2))
        await self._life.may_die(crash, "before", "a rendering")
        if self._faults.chance(self._faults.climate.shop / 4):
            raise Transient(Text("the picture's decoder ended without an answer"))
        digest = hashlib.sha256(raw).hexdigest()
        (pictures_dir / f"{digest}.jpg").write_bytes(raw)
        await self._life.may_die(crash, "after", "a rendering")
        return DecodedPicture(digest, f"{digest}.jpg", 1, 1, len(raw))
