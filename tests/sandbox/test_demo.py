"""The demo: its loop closes with the real daemon, also when that is killed on the way, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest

from rheod.sandbox.demo import Play, demo_settings
from rheod.sandbox.demo_daemon import DemoDaemon, DemoFailed, DemoStory, clean_environment
from rheod.sandbox.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rheod.sandbox.servers import QueueServer


# The demo itself lives through a kill; that no point loses or doubles anything is tests/test_crash_points.py's to show.
CRASHES = ["commit.answered:1", "hook.answered:3"]


@pytest.mark.sweep
@pytest.mark.parametrize("crash_at", CRASHES)
async def test_the_loop_closes_though_the_daemon_is_killed(
    crash_at: str, queue_server: QueueServer, tmp_path: Path
) -> None:
    """After kill -9 and a restart: one auction ever, one commit, and one event each, however often it was sent."""
    async with Sandbox(queue_server=queue_server, daily_calls=100) as sandbox:
        daemon = DemoDaemon(folder=tmp_path, settings=demo_settings(sandbox), crash_at=crash_at)
        async with daemon.running():
            await Play(sandbox=sandbox, daemon=daemon, story=DemoStory(as_json=True)).run()
        assert daemon.lives == 2
        assert len([one for one in sandbox.tradera.market.listings.values() if one.visible]) == 1
        assert sandbox.tradera.second_commits == 0
        events = defaultdict(set)
        for received in sandbox.shop.received:
            assert received.rheo_ok
            assert received.standard_ok
            events[received.event["eventType"]].add(received.event["eventId"])
    assert {name: len(ids) for name, ids in events.items()} == {
        "item.created": 1,
        "item.images_ready": 1,
        "listing.created": 1,
        "item.sold": 1,
    }


async def test_a_step_that_does_not_happen_is_named() -> None:
    """A step over its deadline ends the demo, and the story knows which it was."""
    story = DemoStory(as_json=True, step_s=0.02)
    with pytest.raises(DemoFailed, match=r"within 0\.02 s"):
        await story.within("pictures", asyncio.Event().wait())
    assert story.step == "pictures"


def test_the_daemon_does_not_see_the_owner_s_settings() -> None:
    """Nothing that could lead to real accounts, to a proxy or to systemd reaches the demo's daemon."""
    kept = {"PATH": "/bin", "LANG": "sv_SE.UTF-8"}
    hidden = ["RHEOD_CONFIG", "RHEOD_TRADERA__APP_KEY", "AWS_PROFILE", "https_proxy", "NOTIFY_SOCKET"]
    clean = clean_environment(kept | dict.fromkeys(hidden, "x"))
    assert {name: value for name, value in clean.items() if not name.startswith("AWS_")} == kept
    assert clean["AWS_CONFIG_FILE"] == os.devnull


class Command:
    """`rheod demo` as a process, with a folder of its own for temporary files and a misleading environment."""

    def __init__(self, tmp: Path, *arguments: str) -> None:
        self.tmp = tmp
        self.lines: list[dict[str, Any]] = []
        environ = {
            **clean_environment(os.environ),
            "TMPDIR": str(tmp),
            "RHEOD_TRADERA__BASE_URL": "http://127.0.0.1:9/v4",
            "RHEOD_NONSENSE": "1",
            "RHEOD_CONFIG": "/nonexistent/rheod.toml",
            "AWS_PROFILE": "nobody",
            "HTTP_PROXY": "http://127.0.0.1:9",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "rheod", "demo", "--json", *arguments],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Harmless when it has ended; a failed test must leave no process."""
        with self.process:
            self.process.terminate()

    def read_until(self, step: str) -> dict[str, Any]:
        """The line of this step; the lines before it are kept too."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(json.loads(line))
            if self.lines[-1]["step"] == step:
                return self.lines[-1]
        raise AssertionError(f"no step {step}: {self.lines}")

    def end(self) -> tuple[int, str]:
        """Its exit status and what it said on standard error."""
        out, errors = self.process.communicate(timeout=180)
        self.lines += [json.loads(line) for line in out.splitlines()]
        return self.process.returncode, errors

    def left_behind(self) -> list[str]:
        """Temporary files, and processes of the daemon's session that do not end by themselves, as decoders do without it."""
        session = next(line["pid"] for line in self.lines if line["step"] == "rheod is ready")
        files = [path.name for path in self.tmp.iterdir()]
        return files + [f"process {pid}" for pid in _processes_of(session) if not _ends(pid)]


def _ends(pid: int) -> bool:
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 5)[0])
    finally:
        os.close(process)


def _processes_of(session: int) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session:
                yield int(folder.name)


def test_once_shows_the_whole_loop_and_leaves_nothing(tmp_path: Path) -> None:
    """The command closes the loop whatever the environment says, and ends with the facts that prove it."""
    with Command(tmp_path, "--once") as command:
        status, errors = command.end()
        assert (status, errors) == (0, "")
        steps = [line["step"] for line in command.lines]
        assert steps.index("item accepted") < steps.index("commit") < steps.index("listing.created")
        assert steps.index("sold") < steps.index("item.sold") < steps.index("closed") == len(steps) - 1
        times = [line["elapsedMs"] for line in command.lines]
        assert times == sorted(times)
        closed = command.lines[-1]
        assert closed["signatures"] == {"rheo": True, "standard": True}
        assert closed["itemSold"]["data"]["salePrice"] == 1100
        assert closed["callsUsed"] == sum(closed["calls"].values()) <= closed["callsPerMethod"]
        assert closed["ad"]["category"].endswith("Bildelar > Bromsar")
        assert "was guessed" in closed["ad"]["warning"]
        assert "Skick Gott skick" in closed["ad"]["attributes"]
        assert closed["ad"]["freight"].startswith("DHL Service Point, 95 kr for 3.2 kg")
        assert 0 < closed["ad"]["live_s"] < 15
        assert closed["traderaAdUrl"].startswith("http://127.0.0.1:")
        assert command.left_behind() == []


@pytest.mark.parametrize(
    ("number", "step", "ends_with"), [(signal.SIGINT, "up", 0), (signal.SIGTERM, "item accepted", 1)]
)
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals, step: str, ends_with: int) -> None:
    """Ctrl-C is the usual end of a demo that has closed its loop; before that it failed. Nothing is left either way."""
    with Command(tmp_path) as command:
        command.read_until(step)
        command.process.send_signal(number)
        status, errors = command.end()
        assert status == ends_with
        assert ("interrupted" in errors) == bool(ends_with)
        assert command.left_behind() == []


def test_a_loop_that_does_not_close_names_the_step(tmp_path: Path) -> None:
    """When the daemon dies the demo fails at once with one line and the daemon's last words."""
    with Command(tmp_path, "--once") as command:
        pid = command.read_until("rheod is ready")["pid"]
        command.read_until("item accepted")
        os.kill(pid, signal.SIGKILL)
        status, errors = command.end()
        failed = command.lines[-1]
        assert status == 1
        assert failed["step"] == "failed"
        assert f"the step {failed['failedStep']!r} failed: rheod ended by itself" in errors
        assert errors.count("\n") == 1
        assert any('"event": "ready"' in line for line in failed["log"])
        assert command.left_behind() == []


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command to its end."""
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=180, check=False
    )


def test_people_read_steps_with_times_and_may_keep_the_data(tmp_path: Path) -> None:
    """Without --json it tells a story; --keep leaves the database and the log, and never mixes two runs."""
    folder = tmp_path / "kept"
    ended = run("-m", "rheod", "demo", "--once", "--keep", str(folder))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert " s  item.sold        received; both signatures verified" in ended.stdout
    assert "of 10000 of each kind a day, as Tradera counted them" in ended.stdout
    assert "category   The category was guessed: Fordon" in ended.stdout
    assert {"rheod.db", "rheod.log", "images"} <= {path.name for path in folder.iterdir()}
    again = run("-m", "rheod", "demo", "--once", "--keep", str(folder))
    assert again.returncode == 2
    assert "not an empty folder" in again.stderr


@pytest.mark.parametrize("command", ["demo", "sandbox"])
def test_a_missing_extra_is_said_with_the_command_that_mends_it(command: str) -> None:
    """Without moto there is one line with the fix, not a traceback."""
    script = "import sys; sys.modules['moto'] = None; from rheod.cli.main import main; sys.exit(main(sys.argv[1:]))"
    ended = run("-c", script, command)
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert "-m pip install -r requirements.lock` in your clone" in ended.stderr
