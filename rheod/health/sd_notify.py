"""Tells systemd how the daemon is (Type=notify), with nothing but the standard library.

It never raises and never blocks: a daemon must not fall over because nobody listens. Whether the daemon is well is
decided by the caller, on the event loop.
"""

from __future__ import annotations

import socket


class SdNotify:
    """Sends state messages to the socket named by `NOTIFY_SOCKET`; without an address every call does nothing.

    An address that begins with `@` is an abstract socket. Only AF_UNIX is spoken.
    """

    def __init__(self, address: str | None) -> None:
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._ready_wanted = False
        self._ready_sent = False

    def ready(self) -> None:
        """READY=1, once however often it is called; one that the socket refused goes out with the next watchdog."""
        self._ready_wanted = True
        self._send_ready()

    def watchdog(self) -> None:
        """WATCHDOG=1: the loop is alive. Call at least twice, better three times per WatchdogSec."""
        self._send_ready()
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """STOPPING=1: an orderly stop has begun."""
        self._ready_wanted = False
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`; line breaks become spaces, since they would begin another message."""
        self._send("STATUS=" + " ".join(text.split()))

    def extend(self, timeout_s: float) -> None:
        """EXTEND_TIMEOUT_USEC: give start or stop this many more seconds, counted from now."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(timeout_s * 1_000_000)}")

    def _send_ready(self) -> None:
        if self._ready_wanted and not self._ready_sent:
            self._ready_sent = self._send("READY=1")

    def _send(self, message: str) -> bool:
        """Whether the datagram was taken; a socket per message survives a restarted listener."""
        if not self._address:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                sender.sendto(message.encode("utf-8", "replace"), self._address)
        except (OSError, ValueError):  # no listener, a full buffer, or no usable address
            return False
        return True
