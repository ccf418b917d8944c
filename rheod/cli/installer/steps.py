"""What `setup` and `uninstall` are about to do, as a list of steps: shown by `--dry-run`, else done one by one.

A list is made by looking only; nothing changes before its first step is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import click

from rheod.cli import WRONG_USAGE, CommandFailed
from rheod.cli.command import Options
from rheod.cli.printing import note, say

CONFIG = "/etc/rheod/rheod.toml"
_SYSTEMCTL_TIMEOUT_S = 120

with_dry_run = click.option("--dry-run", is_flag=True, help="Only say what would be done.")
with_root = click.option("--root", metavar="DIR", default="/", hidden=True)
"""For tests: a folder that stands for the system."""
with_systemctl = click.option("--systemctl", metavar="PROGRAM", hidden=True)


def require_default_config(options: Options) -> None:
    """CommandFailed for another settings file: the units that setup writes name /etc/rheod/rheod.toml."""
    if options.config is not None and options.config != Path(CONFIG):
        raise CommandFailed(f"The service's settings are in {CONFIG}: leave --config out", status=WRONG_USAGE)
    if os.environ.get("RHEOD_CONFIG") not in {None, "", CONFIG}:
        note(f"RHEOD_CONFIG is not looked at here: the service's settings are in {CONFIG}")


def _nothing() -> None:
    """A step that is only said."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: how it is said after `would`, and how it is done."""

    says: str
    do: Callable[[], None] = _nothing


def take(steps: Iterable[Step], *, dry_run: bool) -> None:
    """Do them in order, each said first; with `dry_run` only say them. CommandFailed where one cannot be done."""
    for step in steps:
        say(f"{'would ' if dry_run and step.do is not _nothing else ''}{step.says}")
        if dry_run:
            continue
        try:
            step.do()
        except OSError as error:
            raise CommandFailed(f"Could not {step.says}: {error.strerror or error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallPaths:
    """A system to install into: `root` is `/`, or a folder that stands for it; `systemctl` None where no systemd runs."""

    root: Path
    systemctl: str | None

    @classmethod
    def of(cls, root: str, systemctl: str | None) -> InstallPaths:
        """The running system for `/`, whose systemctl is used if it runs systemd; a folder has none unless named."""
        here = root == "/" and Path("/run/systemd/system").is_dir()
        return cls(root=Path(root), systemctl=systemctl or ("systemctl" if here else None))

    def at(self, path: str | Path) -> Path:
        """Where an absolute path of the system is."""
        return self.root / str(path).lstrip("/")

    def require_root(self) -> None:
        """CommandFailed, exit status 2, unless this process may write there."""
        if self.root == Path("/") and os.geteuid() != 0:
            again = " ".join([str(Path(sys.argv[0]).absolute()), *sys.argv[1:]])
            raise CommandFailed(
                f"This changes /etc and needs root. Run: sudo {again}\n(--dry-run shows what it would do)",
                status=WRONG_USAGE,
            )

    def control(self, *arguments: str) -> Step:
        """A step that runs systemctl, or leaves that to the owner where no systemd runs."""
        line, systemctl = " ".join(["systemctl", *arguments]), self.systemctl
        if systemctl is None:
            return Step(f"leave to you, since systemd does not run here: {line}")

        def run() -> None:
            try:
                ended = subprocess.run(  # noqa: S603 - systemctl with our own arguments
                    [systemctl, *arguments],
                    capture_output=True,
                    text=True,
                    timeout=_SYSTEMCTL_TIMEOUT_S,
                    check=False,
                )
            except subprocess.TimeoutExpired as error:
                raise CommandFailed(f"{line} took over {_SYSTEMCTL_TIMEOUT_S} s") from error
            if ended.returncode != 0:
                reason = [*ended.stderr.strip().splitlines(), f"exit status {ended.returncode}"][0]
                raise CommandFailed(f"{line} failed: {reason}. See: journalctl -u rheod -n 20")

        return Step(f"run {line}", run)


def folder_step(folder: Path, shown: str, mode: int) -> list[Step]:
    """Make a folder, or give it the right mode; nothing where it is right."""

    def make() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(mode)

    if not folder.is_dir():
        return [Step(f"make the folder {shown} (mode {mode:04o})", make)]
    if folder.stat().st_mode & 0o7777 != mode:
        return [Step(f"give the folder {shown} mode {mode:04o}", make)]
    return []


def write_file(file: Path, text: str, mode: int) -> None:
    """Write a whole file or none: beside it first, on the disk, then in its place."""
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{file.name}.fresh")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fchmod(stream.fileno(), mode)
        os.fsync(stream.fileno())
    fresh.replace(file)
