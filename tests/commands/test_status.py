"""What `rheod status` calls worth looking at."""

from __future__ import annotations

from typing import Any

from rheod.commands.status import attention


def test_what_does_not_mend_itself_needs_attention() -> None:
    """A healthy status has none; a refused token, ads in doubt, odd messages and a silent queue are told."""
    healthy: dict[str, Any] = {
        "now": "2026-05-26T10:00:00Z",
        "publishingWaitsFor": [],
        "accounts": [{"state": "selling", "reference": None}],
        "pauses": [{"what": "publish", "until": "2026-05-26T11:00:00Z", "reason": "over the limit"}],
        "inbox": {"done": 4},
        "listingsInDoubt": 0,
        "push": {"configured": True, "lastAnswer": "2026-05-26T09:59:45Z"},
    }
    assert attention(healthy) == []
    paused = {
        "state": "paused",
        "reference": "m-1",
        "until": "2026-05-26T11:00:00Z",
        "reason": "token refused",
    }
    silent = {"configured": True, "lastAnswer": "2026-05-26T09:50:00Z"}
    ill = {"accounts": [paused], "inbox": {"quarantined": 2}, "push": silent, "listingsInDoubt": 3}
    found = attention(healthy | ill)
    words = ["token", "3 ads", "2 push", "queue"]
    assert [word for word, sentence in zip(words, found, strict=True) if word in sentence] == words


def test_work_of_an_account_that_has_left_the_settings_needs_attention() -> None:
    """Its sales and publishings wait for the owner alone; without any it is only shown."""
    gone = {
        "state": "removed",
        "reference": "m-1",
        "reason": "not in the settings",
        "salesWaiting": 2,
        "publishingsWaiting": 0,
    }
    status: dict[str, Any] = {
        "now": "2026-05-26T10:00:00Z",
        "publishingWaitsFor": [],
        "accounts": [gone],
        "pauses": [],
        "inbox": {},
        "listingsInDoubt": 0,
        "push": {"configured": False, "lastAnswer": None},
    }
    (sentence,) = attention(status)
    assert "2 sales" in sentence
    assert "m-1" in sentence
    assert attention(status | {"accounts": [gone | {"salesWaiting": 0}]}) == []
