"""What systemd would hear: real AF_UNIX datagram sockets of both kinds, and none at all."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from rheod.health.sd_notify import SdNotify


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
