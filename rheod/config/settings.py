"""The settings tree: all tables, where each value came from, and what follows from several of them.

Also which lines are superseded: an earlier setup copied the whole example into the settings, so that its values stand in
files whose owners never chose them. They must start, and sell by the new rules. Nothing is read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, PrivateAttr, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from rheod.config.sections import (
    AccountSettings,
    Alerts,
    AnalyticsSettings,
    Backup,
    Debug,
    Images,
    LimitSettings,
    Log,
    Metrics,
    Push,
    Retention,
    Section,
    Server,
    Storage,
    Webhooks,
)
from rheod.config.selling import AdSettings, Categories, Ends, OrderSettings, Relist, Tradera
from rheod.domain.budget import DEFAULT_LIMIT, READING_SHARE
from rheod.domain.calendar import EndChoice
from rheod.domain.errors import Text
from rheod.domain.relist import RelistRule

QUICK_DELAYS_S = (1, 1, 2, 3, 5, 8, 13, 20, 30)
"""Waits between questions for a result."""
SPARING_DELAYS_S: tuple[float, ...] = (10, 10, 20, 40, 80, 160, 600)
"""The same where few calls may be made in all; examples of earlier releases set them too."""
_FEW_CALLS = 1000

Key = tuple[str, ...]
"""A setting's name in parts: `server.port` is `('server', 'port')`."""


class Settings(BaseSettings):
    """Everything an owner can set. Tests may call `Settings()`: it is the defaults, whatever the environment says."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False, case_sensitive=True
    )

    server: Server = Server()
    storage: Storage = Storage()
    tradera: Tradera = Tradera()
    ad: AdSettings = AdSettings()
    categories: Categories = Categories()
    push: Push = Push()
    images: Images = Images()
    webhooks: Webhooks = Webhooks()
    orders: OrderSettings = OrderSettings()
    limits: LimitSettings = LimitSettings()
    log: Log = Log()
    relist: Relist = Relist()
    ends: Ends = Ends()
    analytics: AnalyticsSettings = AnalyticsSettings()
    metrics: Metrics = Metrics()
    alerts: Alerts = Alerts()
    backup: Backup = Backup()
    retention: Retention = Retention()
    accounts: tuple[AccountSettings, ...] = Field(
        default=(), description="a reseller's member accounts, one block each"
    )
    debug: Debug = Debug()
    _origins: dict[Key, str] = PrivateAttr(default_factory=dict)

    @field_validator("accounts")
    @classmethod
    def _distinct(
        cls, accounts: tuple[AccountSettings, ...], info: ValidationInfo
    ) -> tuple[AccountSettings, ...]:
        """Calls are made by reference and sales found by member: neither may stand for two accounts."""
        references = {account.reference for account in accounts}
        members = {account.user_id for account in accounts}
        if min(len(references), len(members)) < len(accounts):
            raise ValueError("must differ from each other in reference and in user_id")
        tradera = info.data.get("tradera")
        if tradera is not None and tradera.user_id in members:
            raise ValueError("must differ from tradera.user_id: that seller is the default account")
        return accounts

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """No source of its own: `load_settings` names those it wants, and nothing else may read the environment."""
        return (init_settings,)

    @classmethod
    def of(cls, sources: tuple[PydanticBaseSettingsSource, ...], origins: dict[Key, str]) -> Self:
        """The settings of these sources, the first has the last word; `origins` says where each value came from.

        Raises pydantic's ValidationError.
        """
        given: dict[str, Any] = {"_build_sources": (sources, {})}  # type checkers take it for a field
        settings = cls(**given)
        settings._origins = origins
        return settings

    def origin(self, key: Key) -> str:
        """Where a setting's value came from, in words: `default`, `file …`, `credential …` or `environment …`."""
        return self._origins.get(key, "default")

    def value(self, key: Key) -> Any:
        """What a setting says."""
        value: Any = self
        for name in key:
            value = getattr(value, name)
        return value

    @property
    def admin_socket(self) -> Path:
        """Where the daemon's admin socket is."""
        return self.server.admin_socket or self.storage.path / "admin.sock"

    @property
    def end_choice(self) -> EndChoice | None:
        """The plan of ends, where the settings say more than the defaults; else the owner decides elsewhere."""
        return None if self.ends == Ends() else self.ends.choice

    @property
    def relist_rule(self) -> RelistRule | None:
        """The rule for returns, where the settings say more than the defaults; else the owner decides elsewhere."""
        return None if self.relist == Relist() else self.relist.rule

    @property
    def reconcile_interval_s(self) -> float:
        """Seconds between reconciliations: rarer while push brings the news; without it a sale is known in a minute."""
        return self.tradera.reconcile_interval_s or (600 if self.push.queue_url else 55)

    @property
    def result_delays_s(self) -> Sequence[float]:
        """Seconds between questions for a result: what earlier examples named counts as not chosen."""
        given = self.tradera.result_delays_s
        if given is not None and given != SPARING_DELAYS_S:
            return given
        few = self.tradera.total is not None and self.tradera.total <= _FEW_CALLS
        return SPARING_DELAYS_S if few else QUICK_DELAYS_S

    @property
    def reconcile_share(self) -> float:
        """The share of the daily calls that reconciliation may use."""
        share = self.tradera.reconcile_share
        return share if share is not None else (0.1 if self.push.queue_url else READING_SHARE)


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a table of its own; None for a single setting."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _walk(model: type[BaseModel], prefix: Key = ()) -> Iterator[tuple[Key, FieldInfo]]:
    for name, info in model.model_fields.items():
        if (section := section_of(info)) is not None:
            yield from _walk(section, (*prefix, name))
        else:
            yield (*prefix, name), info


LEAVES = dict(_walk(Settings))
"""Every single setting there is, by its name in parts, with what pydantic knows about it."""


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
    if _is_set(settings, delays) and settings.tradera.result_delays_s == SPARING_DELAYS_S:
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
