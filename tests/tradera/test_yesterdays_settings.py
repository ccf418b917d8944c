"""The settings file that the setup of before wrote, unchanged: it starts and sells, and says which lines can go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from typing_extensions import override

from rheod.compose.loops import observed
from rheod.config.loading import SettingsError, load_settings, warnings
from rheod.config.settings import Settings
from rheod.health.facts import gather_findings
from rheod.sandbox.tradera import TraderaSimulator
from tests.desk import SELLER_ID, Desk, Wishes

FILE = Path(__file__).parent / "before" / "rheod.toml"


def yesterday(folder: Path, simulator: TraderaSimulator | None = None, **more: str) -> Settings:
    """The file as it is; credentials, the folder and Tradera's address come from the environment."""
    environ = {"RHEOD_STORAGE__PATH": str(folder), **more}
    if simulator is not None:
        environ |= {
            "RHEOD_STORAGE__LEAST_FREE_BYTES": "0",
            "RHEOD_TRADERA__BASE_URL": simulator.base_url,
            "RHEOD_TRADERA__APP_ID": str(simulator.keys.app_id),
            "RHEOD_TRADERA__APP_KEY": simulator.keys.app_key,
            "RHEOD_TRADERA__USER_ID": str(SELLER_ID),
            "RHEOD_TRADERA__USER_TOKEN": "test-user-token",
        }
    return load_settings(config_file=FILE, environ=environ, credentials_dir=None)


@dataclass(frozen=True, kw_only=True)
class Yesterday(Wishes):
    """The settings of the file instead of those of the tests."""

    @override
    def settings(self, folder: Path, simulator: TraderaSimulator) -> Settings:
        """See `Wishes`."""
        return yesterday(folder, simulator)


def test_it_names_each_line_that_can_go(tmp_path: Path) -> None:
    """And where it stands."""
    found = warnings(yesterday(tmp_path))
    assert [line.split(" ")[0] for line in found] == [
        "server.max_connections_per_address",
        "tradera.result_delays_s",
        "tradera.defaults.restarts",
        "tradera.defaults.shipping_cost",
        "tradera.defaults.category_id",
        "tradera.daily_calls",
    ]
    assert all(str(FILE) in line for line in found)


def test_its_sum_of_calls_stays_in_force(tmp_path: Path) -> None:
    """It may be true; of two sums the smaller holds."""
    assert yesterday(tmp_path).tradera.total == 100
    for total, held in (("60", 60), ("500", 100)):
        assert yesterday(tmp_path, RHEOD_TRADERA__QUOTA__TOTAL=total).tradera.total == held


def test_restarts_above_none_are_refused_and_name_what_to_do(tmp_path: Path) -> None:
    """Tradera's own restarts make an ad that nobody follows."""
    with pytest.raises(SettingsError, match=r"tradera\.defaults\.restarts .*\[relist\]"):
        yesterday(tmp_path, RHEOD_TRADERA__DEFAULTS__RESTARTS="1")


async def test_it_starts_and_sells_and_doctor_says_it_once(desk: Desk) -> None:
    """An item goes live; the sum is a finding that names the line, the rest is one finding."""
    desk.wishes = Yesterday()
    await desk.restart()
    await desk.publish(pictures=2)
    rheod = desk.rheod
    found = {one.code: one for one in await gather_findings(observed(rheod.core, rheod.loops.running))}
    assert "tradera.daily_calls = 100" in found["quota.held"].text
    assert "10000 of each method" in found["quota.held"].text.replace("10,000", "10000")
    assert "tradera.defaults.restarts" in found["settings.superseded"].text
