"""A folder that stands for a system, a systemctl that writes down how it was called, and rheod run against both."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from rheod.sandbox.demo_daemon import clean_environment
from tests import warm

PROGRAM = "/opt/rheod/bin/rheod"
_SYSTEMCTL = '#!/bin/sh\necho "$@" >> "{calls}"\n'


@dataclass(frozen=True)
class Machine:
    """A system below `root`; a daemon may really use its `data`."""

    root: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.root / "var/lib/rheod"

    def file(self, path: str) -> Path:
        """A file of the system."""
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> Path:
        """Make a file of the system."""
        file = self.file(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def run(self, *words: str, systemd: bool = False, typed: str = "") -> subprocess.CompletedProcess[str]:
        """A command for this system; with `systemd` its stand-in of systemctl is there."""
        also = ["--systemctl", str(self._systemctl())] if systemd else []
        if words[0] == "setup":
            also += ["--program", PROGRAM]
        own = ("--root", str(self.root), *also)
        return warm.run(*words, *own, environ=clean_environment(os.environ), typed=typed)

    def systemctl_calls(self) -> list[str]:
        """The arguments of each call of systemctl, in order; forgotten once read."""
        file = self.root.parent / "calls"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def state(self) -> dict[str, tuple[int, str]]:
        """Every file and folder below the root: mode and text."""
        return {
            str(path.relative_to(self.root)): (
                path.stat().st_mode & 0o7777,
                path.read_text(encoding="utf-8") if path.is_file() else "",
            )
            for path in sorted(self.root.rglob("*"))
        }

    def _systemctl(self) -> Path:
        script = self.root.parent / "systemctl"
        script.write_text(_SYSTEMCTL.format(calls=self.root.parent / "calls"), encoding="utf-8")
        script.chmod(0o755)
        return script
