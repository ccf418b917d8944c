"""The settings tree: every setting with its type, range and default. It reads nothing: `settings.py` does.

The meaning of each setting stands in rheod.toml.example; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from rheod.domain.taxonomy import DOMAINS, tradera_category

# Top categories; owners replace them by leaf categories. `other` has none: such an item needs its own
# `tradera.categoryId`, or an entry in the settings.
CATEGORIES = {slug: number for slug in DOMAINS if (number := tradera_category(slug))}
_DAY_S = 86_400
_MAIL = r"^[^\s@,;<>]+@[^\s@,;<>]+$"
Key = tuple[str, ...]
"""A setting's name in parts: `server.port` is `('server', 'port')`."""
_STRICT = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


def _clean_secret(value: SecretStr) -> SecretStr:
    """Refuse secrets that were pasted with spaces or line breaks: they would break a header, or silently not match."""
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII without spaces or line breaks, and not empty")
    return value


def _clean_url(value: str) -> str:
    """A plain http(s) address without user, query or fragment, returned without its trailing slash."""
    if not value.isprintable() or " " in value or not _is_plain_http(value):
        raise ValueError("must be an http(s) address without user, query or fragment")
    return value.rstrip("/")


def _is_plain_http(value: str) -> bool:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:  # its text repeats parts of the address, perhaps a password
        return False
    extras = parts.query or parts.fragment or "@" in parts.netloc
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and not extras


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError(
            "must be an absolute path: the daemon and the commands may start in different folders"
        )
    return value


Secret = Annotated[SecretStr, AfterValidator(_clean_secret)]
Url = Annotated[str, AfterValidator(_clean_url)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Delay = Annotated[float, Field(gt=0, le=7 * _DAY_S)]
Calls = Annotated[int, Field(ge=1, le=10_000_000)]
PerSecond = Annotated[int, Field(ge=1, le=10_000)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Section(BaseModel):
    """One table of the file: frozen, and unknown keys are refused."""

    model_config = _STRICT


class Server(Section):
    """The listening side; port 0 takes any free port, `admin_socket` none means `<storage.path>/admin.sock`."""

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8080, ge=0, le=65_535)
    public_url: Url | None = None
    admin_socket: AbsolutePath | None = None
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    max_connections: int = Field(default=512, ge=1, le=8_000)
    max_connections_per_address: int = Field(default=64, ge=1, le=8_000)
    body_timeout_s: float = Field(default=10, ge=1, le=300)
    keepalive_s: float = Field(default=15, ge=1, le=3_600)
    shutdown_grace_s: float = Field(default=20, ge=0, le=300)


class Storage(Section):
    """The data folder; `$STATE_DIRECTORY` replaces the default. `key` seals secrets; none means a file in the folder.

    `images_max_bytes` 0 means no bound.
    """

    path: AbsolutePath = Path("/var/lib/rheod")
    least_free_bytes: int = Field(default=512 * 2**20, ge=0, le=2**50)
    images_max_bytes: int = Field(default=20 * 2**30, ge=0, le=2**50)
    log_max_bytes: int = Field(default=64 * 2**20, ge=2**20, le=2**40)
    key: Secret | None = None


class TraderaDefaults(Section):
    """What an ad gets when its item does not say; field meanings and values as tradera-v4.md sections 5 and 7."""

    category_id: dict[str, Id] = Field(default_factory=CATEGORIES.copy)
    duration_days: int = Field(default=7, ge=1, le=14)
    restarts: int = Field(default=0, ge=0, le=2)
    accepted_bidder_id: Literal[1, 3, 4] = 1
    condition: Literal["new", "used"] = "used"
    listing_type: Literal["auction", "fixed_price"] = "auction"
    shipping_provider_id: Id = 6
    shipping_cost: int = Field(default=0, ge=0, le=100_000)
    pickup_option_id: Id = 8
    image_format_jpeg: int = Field(default=0, ge=0, le=2)
    has_mega: bool = False
    max_images: int = Field(default=8, ge=1, le=12)
    payment_option_ids: tuple[Id, ...] = ()
    vat: Literal[0, 6, 12, 25] | None = None

    @field_validator("accepted_bidder_id", "vat", mode="before")
    @classmethod
    def _number(cls, value: object) -> object:
        """A literal number does not take text by itself, but the environment has nothing else."""
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("category_id")
    @classmethod
    def _complete(cls, given: dict[str, int]) -> dict[str, int]:
        """Naming one domain must not take the others' categories away."""
        if unknown := given.keys() - DOMAINS.keys():
            raise ValueError(f"has unknown domains {sorted(unknown)}; known are {sorted(DOMAINS)}")
        return CATEGORIES | given


class Tradera(Section):
    """Tradera's REST API: credentials, the call budget (rolling 24 h), and how doubts are settled."""

    base_url: Url = "https://api.tradera.com/v4"
    site_url: Url = "https://www.tradera.com"
    app_id: Id | None = None
    app_key: Secret | None = None
    public_key: str | None = Field(default=None, pattern=r"^[\x21-\x7e]+$")
    user_id: Id | None = None
    user_token: Secret | None = None
    daily_calls: Calls = 100
    daily_calls_per_method: dict[str, Calls] | None = None
    reserve_share: float = Field(default=0.2, ge=0, le=0.9)
    reconcile_interval_s: float | None = Field(default=None, ge=60, le=_DAY_S)
    reconcile_share: float | None = Field(default=None, ge=0, le=0.9)
    request_timeout_s: float = Field(default=60, ge=1, le=300)
    result_delays_s: tuple[Delay, ...] = Field(default=(10, 10, 20, 40, 80, 160, 600), min_length=1)
    image_in_doubt: Literal["resend", "recreate"] = "resend"
    takeover_wait_s: float = Field(default=3_600, ge=0, le=7 * _DAY_S)
    doubt_limit_s: float = Field(default=_DAY_S, ge=600, le=30 * _DAY_S)
    defaults: TraderaDefaults = TraderaDefaults()


class Push(Section):
    """Tradera's SQS queue; without `queue_url` reconciliation alone finds sales."""

    queue_url: Url | None = None
    region: str = Field(default="eu-central-1", pattern=r"^[a-z0-9-]+$")
    endpoint_url: Url | None = None
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    wait_s: int = Field(default=20, ge=0, le=20)
    closed_grace_s: float = Field(default=30, ge=0, le=3_600)
    alarm_after_s: float = Field(default=3_600, ge=60, le=30 * _DAY_S)

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key must be set together")
        return self


class Images(Section):
    """Fetching partners' pictures; the caps are per picture, `timeout_s` is the whole download."""

    concurrency: int = Field(default=8, ge=1, le=64)
    per_host: int = Field(default=2, ge=1, le=64)
    max_bytes: int = Field(default=16 * 2**20, ge=2**16, le=64 * 2**20)
    max_pixels: int = Field(default=40_000_000, ge=10_000, le=100_000_000)
    timeout_s: float = Field(default=20, ge=1, le=300)
    allow_http: bool = False
    allow_private_networks: bool = False


class Webhooks(Section):
    """Deliveries to partners; one try after each delay, then the endpoint is disabled (rheo-api.md section 5)."""

    timeout_s: float = Field(default=10, ge=1, le=60)
    retry_delays_s: tuple[Delay, ...] = Field(
        default=(1, 2, 4, 8, 16, 60, 300, 1800, 7200, 18000, 36000, 50400, 64800, 86400), min_length=1
    )
    concurrency: int = Field(default=8, ge=1, le=64)
    allow_http: bool = False
    allow_private_networks: bool = False


class LimitSettings(Section):
    """Requests per second for each API key, by kind of call."""

    put_per_s: PerSecond = 10
    price_per_s: PerSecond = 20
    status_per_s: PerSecond = 20
    get_per_s: PerSecond = 30
    delete_per_s: PerSecond = 10
    batch_per_s: PerSecond = 2
    tracking_per_s: PerSecond = 10


class Log(Section):
    """What is written to standard output; `auto` is text on a terminal and JSON otherwise."""

    format: Literal["auto", "json", "text"] = "auto"
    level: Literal["debug", "info", "warning", "error"] = "info"


class AnalyticsSettings(Section):
    """Figures of the dashboard; the fee is per cent of the sale price."""

    fee_percent: float = Field(default=0, ge=0, le=100)


class Metrics(Section):
    """Who else than this machine may read `/metrics`."""

    allow: tuple[IPvAnyNetwork, ...] = ()


class Alerts(Section):
    """How the owner is told of troubles outside the pages: by a program, a notification service, a mail, or several."""

    command: tuple[str, ...] = ()
    url: Secret | None = None
    url_style: Literal["ntfy", "gotify", "healthchecks"] = "ntfy"
    mail_to: str | None = Field(default=None, pattern=_MAIL)
    mail_from: str | None = Field(default=None, pattern=_MAIL)
    smtp_host: str = Field(default="localhost", min_length=1)
    smtp_port: int = Field(default=25, ge=1, le=65_535)
    smtp_security: Literal["none", "starttls", "tls"] = "none"
    smtp_user: str | None = None
    smtp_password: Secret | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.mail_to is None) != (self.mail_from is None):
            raise ValueError("mail_to and mail_from must be set together")
        if self.url is not None and not _is_plain_http(self.url.get_secret_value().partition("?")[0]):
            raise ValueError("url must be an http(s) address")
        return self


class Backup(Section):
    """When a missing backup is told of."""

    alarm_after_s: float = Field(default=50 * 3_600, ge=3_600, le=365 * _DAY_S)


class Retention(Section):
    """How many days deliveries are kept, and after how many personal data is erased; what an order came to stays."""

    deliveries_days: int = Field(default=90, ge=1, le=3_650)
    orders_days: int = Field(default=730, ge=1, le=3_650)


class Debug(Section):
    """For rheod's own tests: `crash_at` `name:k` kills the process the k-th time that crash point is reached."""

    crash_at: str | None = Field(default=None, pattern=r"^[a-z0-9_.-]+:[1-9][0-9]{0,5}$")


class AccountSettings(Section):
    """A reseller's member account that sells under its own Tradera user."""

    reference: str = Field(min_length=1, max_length=255)
    user_id: Id
    user_token: Secret | None = None

    @field_validator("reference")
    @classmethod
    def _fits_a_header(cls, reference: str) -> str:
        """Partners send it in `x-partner-account`, where spaces at the ends are lost."""
        if not reference.isprintable() or reference != reference.strip():
            raise ValueError("must be printable, without spaces at its ends")
        return reference


class Settings(BaseSettings):
    """Everything an owner can set. Tests may call `Settings()`: it is the defaults, whatever the environment says."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False
    )

    server: Server = Server()
    storage: Storage = Storage()
    tradera: Tradera = Tradera()
    push: Push = Push()
    images: Images = Images()
    webhooks: Webhooks = Webhooks()
    limits: LimitSettings = LimitSettings()
    log: Log = Log()
    analytics: AnalyticsSettings = AnalyticsSettings()
    metrics: Metrics = Metrics()
    alerts: Alerts = Alerts()
    backup: Backup = Backup()
    retention: Retention = Retention()
    accounts: tuple[AccountSettings, ...] = ()
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
        """Only what `settings.py` read: the built-in sources stop at the first error and do not say its origin."""
        return (init_settings,)

    @classmethod
    def build(cls, tree: dict[str, Any], origins: dict[Key, str]) -> Self:
        """The tree from nested values, remembering where each came from; pydantic's ValidationError if one is wrong."""
        settings = cls(**tree)
        settings._origins = origins
        return settings

    def origin(self, key: Key) -> str:
        """Where a setting's value came from, in words: `default`, `file …`, `credential …` or `environment …`."""
        return self._origins.get(key, "default")

    @property
    def admin_socket(self) -> Path:
        """Where the daemon's admin socket is."""
        return self.server.admin_socket or self.storage.path / "admin.sock"

    @property
    def reconcile_interval_s(self) -> float:
        """Seconds between reconciliations: rare while push tells us the news, closer without it (push.md)."""
        return self.tradera.reconcile_interval_s or (3_600 if self.push.queue_url else 900)

    @property
    def reconcile_share(self) -> float:
        """The share of the daily calls that reconciliation may use."""
        share = self.tradera.reconcile_share
        return share if share is not None else (0.1 if self.push.queue_url else 0.4)


def _walk(model: type[BaseModel], prefix: Key = ()) -> Iterator[tuple[Key, FieldInfo]]:
    """Every single setting below a section, with what is known about it."""
    for name, info in model.model_fields.items():
        if (section := section_of(info)) is not None:
            yield from _walk(section, (*prefix, name))
        else:
            yield (*prefix, name), info


def section_of(info: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a table of its own; None for a single setting."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


LEAVES = dict(_walk(Settings))
"""Every setting there is, by its name in parts."""
