"""Settings of before that are still read, or ignored: what has taken their place, and which line to take out.

The setup of before copied the whole example into the settings, so that its values stand in files whose owners never
chose them: they must start, and sell by the new rules.
"""

from __future__ import annotations

from collections.abc import Iterator

from rheod.config.settings import Key, Settings
from rheod.domain.budget import DEFAULT_LIMIT
from rheod.domain.errors import Text

OLD_RESULT_DELAYS_S: tuple[float, ...] = (10, 10, 20, 40, 80, 160, 600)
"""The default of before: nobody chose it."""


def superseded(settings: Settings) -> Iterator[Text]:
    """Each line that should be taken out, where it stands and why."""
    defaults = settings.tradera.defaults
    if settings.server.max_connections_per_address is not None:
        yield _line(
            settings, ("server", "max_connections_per_address"), "the proxy in front limits addresses"
        )
    if settings.tradera.daily_calls_per_method:
        yield _line(
            settings, ("tradera", "daily_calls_per_method"), "write it under [tradera.quota] as methods"
        )
    delays = ("tradera", "result_delays_s")
    if _is_set(settings, delays) and settings.tradera.result_delays_s == OLD_RESULT_DELAYS_S:
        yield _line(settings, delays, "it is the default of before, and counts as not set")
    if defaults.restarts is not None:
        yield _line(
            settings,
            ("tradera", "defaults", "restarts"),
            "it does nothing: unsold ads come back by relisting",
        )
    freight = ("tradera", "defaults", "shipping_cost")
    if _is_set(settings, freight) and defaults.shipping_cost == 0:
        yield _line(settings, freight, "0 sets no price and does not mean free freight any more")
    categories = ("tradera", "defaults", "category_id")
    if _is_set(settings, categories) and not defaults.category_id:
        yield Text(
            "{key} ({where}): numbers as in the old example count as not chosen; take their lines out",
            key=".".join(categories),
            where=settings.origin(categories),
        )


def held_to_daily_calls(settings: Settings) -> Text | None:
    """That an older line holds all calls to a sum, which may be true; None without it."""
    if settings.tradera.daily_calls is None:
        return None
    return Text(
        "tradera.daily_calls = {calls} ({where}) holds all Tradera calls of 24 hours to {limit} in all; Tradera's default is {default} of each method",
        calls=settings.tradera.daily_calls,
        where=settings.origin(("tradera", "daily_calls")),
        limit=settings.tradera.total or 0,
        default=DEFAULT_LIMIT,
    )


def _is_set(settings: Settings, key: Key) -> bool:
    return settings.origin(key) != "default"


def _line(settings: Settings, key: Key, why: str) -> Text:
    return Text(
        "{key} ({where}): {why}; take the line out", key=".".join(key), where=settings.origin(key), why=why
    )
