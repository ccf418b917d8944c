"""Crash points: harmless until armed, then as deadly as a power cut."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from rheod.domain import crash

_PROGRAM = """
from rheod.domain.crash import arm, crashpoint
arm({at!r})
for name in ("one", "two", "two", "two"):
    print(name, flush=True)
    crashpoint(name)
print("end", flush=True)
"""


def _run(at: str | None) -> tuple[int, list[str]]:
    child = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(at=at)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return child.returncode, child.stdout.split()


def test_unarmed_points_do_nothing() -> None:
    """A process without an armed point runs to its end."""
    assert _run(None) == (0, ["one", "two", "two", "two", "end"])


@pytest.mark.parametrize(
    ("at", "passed"), [("one:1", ["one"]), ("two:1", ["one", "two"]), ("two:3", ["one", "two", "two", "two"])]
)
def test_the_kth_passing_kills(at: str, passed: list[str]) -> None:
    """`name:k` dies by SIGKILL at the k-th passing of that point and at no other."""
    assert _run(at) == (-signal.SIGKILL, passed)


@pytest.mark.parametrize("at", ["two:4", "three:1"])
def test_a_point_never_passed_often_enough_kills_nobody(at: str) -> None:
    """A sweep over k ends with a run that survives."""
    assert _run(at)[0] == 0


@pytest.mark.parametrize("at", ["", "one", ":1", "one:", "one:0", "one:-1", "one:x", "one:²"])
def test_a_point_written_wrongly_is_refused(at: str) -> None:
    """A misspelt point must not pass for a survived run."""
    with pytest.raises(ValueError, match=r"name:k|invalid literal"):
        crash.arm(at)
