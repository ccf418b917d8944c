"""The example of alert rules: valid, made of metrics that exist, and without a gap."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.health.test_rules import troubles
from tests.measuring import measured

FILE = Path(__file__).parents[2] / "systemd" / "rheod-alerts.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]


def test_every_rule_says_how_bad_it_is_and_what_to_do() -> None:
    """Each has a name of its own, an expression, a severity, a summary and a fix."""
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert set(rule["annotations"]) == {"summary", "fix"}
        assert rule["expr"].count("(") == rule["expr"].count(")")


async def test_every_metric_of_a_rule_exists(tmp_path: Path) -> None:
    """What a rule names is among what is told to Prometheus, also where it has no value yet."""
    async with measured(tmp_path) as daemon:
        families = list(text_string_to_metric_families(await daemon.text()))
    told = {family.name + end for family in families for end in ("", "_bucket", "_total")}
    named = {name for rule in RULES for name in re.findall(r"\brheod_\w+", rule["expr"])}
    assert named
    assert named <= told


def test_every_finding_that_alerts_has_a_rule() -> None:
    """And no rule waits for a code that is never found."""
    ruled = {code for rule in RULES for code in re.findall(r'code="([\w.]+)"', rule["expr"])}
    found = troubles()
    assert {one.code for one in found if one.alerts} <= ruled
    assert ruled <= {one.code for one in found}
