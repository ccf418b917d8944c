"""What `rheod status` calls worth looking at."""

from __future__ import annotations

from typing import Any

from rheod.cli.health import attention

SELLING = {"state": "selling", "reference": None}


def test_every_finding_needs_attention_and_says_what_to_do() -> None:
    """A healthy status has none; each finding is its sentence and its fix."""
    assert attention({"findings": [], "accounts": [SELLING]}) == []
    finding = {"text": "It is off", "fix": "Switch it on", "mood": "bad"}
    assert attention({"findings": [finding], "accounts": []}) == ["It is off. Switch it on"]


def test_work_of_an_account_that_has_left_the_settings_needs_attention() -> None:
    """Its sales and publishings wait for the owner alone; without any it is only shown."""
    gone = {
        "state": "removed",
        "reference": "m-1",
        "reason": "not in the settings",
        "salesWaiting": 2,
        "publishingsWaiting": 0,
    }
    status: dict[str, Any] = {"findings": [], "accounts": [gone]}
    (sentence,) = attention(status)
    assert "2 sales" in sentence
    assert "m-1" in sentence
    assert attention(status | {"accounts": [gone | {"salesWaiting": 0}]}) == []
