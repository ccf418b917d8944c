"""The machine: a copy that is fetched from the pages, as one archive that a restore takes, and what systemd would hear.

The sockets are real AF_UNIX datagram sockets of both kinds, and none at all.
"""

from __future__ import annotations

import io
import socket
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rheod.domain.errors import Refused
from rheod.health.alerts import Alarms
from rheod.health.machine import Machine, SdNotify, archive, name_of
from rheod.store.engine.copies import DATABASE, Manifest
from rheod.store.engine.database import Database
from rheod.usecases.safekeeping import Backups
from tests.stores import Clock


def unpacked_to(place: Path, content: bytes) -> Path:
    """The one folder of an archive, as `tar` unpacks it."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archived:
        archived.extractall(place, filter="data")
    (folder,) = place.iterdir()
    return folder


def machine(database: Database, folder: Path, clock: Clock) -> Machine:
    """The machine of this test."""
    backups = Backups(database=database, folder=folder, key_in_file=True, now=clock, stopping=lambda: False)

    async def examine() -> dict[str, object]:
        return {}

    alarms = Alarms(database=database, notifiers=[])
    return Machine(
        database=database, folder=folder, started_at=clock(), backups=backups, alarms=alarms, examine=examine
    )


async def test_an_archive_is_what_a_restore_takes(database: Database, tmp_path: Path, clock: Clock) -> None:
    """Database, description and key in one folder of the backup's name, proven against the description."""
    one = machine(database, tmp_path, clock)
    copied = await one.copy()
    pieces = [piece async for piece in archive(copied)]
    assert max(map(len, pieces)) <= 256 * 1024
    folder = unpacked_to(tmp_path / "out", b"".join(pieces))
    assert folder.name == name_of(copied)
    assert Manifest.of(folder).prove(folder) == copied.contents
    assert {each.name for each in folder.iterdir()} == {DATABASE, "secret.key", "manifest.json"}
    assert (folder / "secret.key").read_bytes() == (tmp_path / "secret.key").read_bytes()


async def test_a_copy_that_is_gone_is_made_anew(database: Database, tmp_path: Path, clock: Clock) -> None:
    """Removed when the owner has it, swept after hours: it is neither given nor counted again."""
    one = machine(database, tmp_path, clock)
    copied = await one.copy()
    assert one.fetchable() == [copied]
    await one.kept(copied.made_at)
    assert (await one.state()).backup_at == copied.made_at
    assert one.fetchable() == []
    with pytest.raises(Refused, match="make a new one"):
        await one.kept(copied.made_at)


class Listener:
    """A bound datagram socket and the address a service would find in NOTIFY_SOCKET."""

    def __init__(self, *, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(0)

    def heard(self) -> list[str]:
        """Everything sent so far; sending to a unix datagram socket has arrived when it returns."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture(params=["path", "abstract"])
def listener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listener]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@rheod-test-{uuid.uuid4()}"
    found = Listener(address=address)
    yield found
    found.socket.close()


def test_each_call_sends_its_message(listener: Listener) -> None:
    """The words are those of sd_notify(3), one datagram each."""
    notifier = SdNotify(listener.address)
    notifier.extend(90.5)
    notifier.status("starting")
    notifier.ready()
    notifier.watchdog()
    notifier.stopping()
    assert listener.heard() == [
        "EXTEND_TIMEOUT_USEC=90500000",
        "STATUS=starting",
        "READY=1",
        "WATCHDOG=1",
        "STOPPING=1",
    ]


def test_ready_is_sent_once(listener: Listener) -> None:
    """However often it is said, also after stopping."""
    notifier = SdNotify(listener.address)
    notifier.ready()
    notifier.ready()
    notifier.stopping()
    notifier.ready()
    assert listener.heard() == ["READY=1", "STOPPING=1"]


def test_a_status_is_one_line(listener: Listener) -> None:
    """A line break in a status cannot smuggle another message in."""
    SdNotify(listener.address).status("waiting\nWATCHDOG=1\r\n for  calls å")
    assert listener.heard() == ["STATUS=waiting WATCHDOG=1 for calls å"]


def test_a_full_socket_neither_blocks_nor_loses_ready(listener: Listener) -> None:
    """A listener that reads nothing makes calls return at once; READY goes out when there is room again."""
    notifier = SdNotify(listener.address)
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    with filler, suppress(BlockingIOError):
        while True:
            filler.sendto(b"x", listener.socket.getsockname())
    notifier.ready()
    notifier.watchdog()  # were they to wait for room, they would wait for ever
    assert set(listener.heard()) == {"x"}
    notifier.watchdog()
    notifier.watchdog()
    assert listener.heard() == ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]


@pytest.mark.parametrize(
    "address", [None, "", "@", "/nowhere/at/all", "vsock:2:1234", "/a\0b", "/" + "x" * 200, "@" + "x" * 200]
)
def test_without_a_listener_nothing_happens(address: str | None) -> None:
    """No socket, a dead one or an unusable address: silence, not an exception."""
    notifier = SdNotify(address)
    notifier.ready()
    notifier.watchdog()
    notifier.status("on my own")
    notifier.extend(1)
    notifier.stopping()
