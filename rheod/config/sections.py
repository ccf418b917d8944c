"""The tables of the settings file about the process: what it listens on, keeps, fetches, sends, logs and tells.

What is about Tradera and about selling stands in `selling.py`. Single values are checked by the types that stand first: secrets,
addresses, paths and numbers in their ranges. `rheod config schema` shows the meanings; rheod.toml.example has the same ones, and a
test holds the two together.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

DAY_S = 86_400


def _clean_secret(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """Refuse secrets that were pasted with more than themselves: they would break a header, or silently not match."""
    text = value.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII without spaces or line breaks, and not empty")
    if is_quoted(text):
        raise ValueError("has quotes around it, which would be taken for a part of it: write it without")
    name, assigned, rest = text.partition("=")
    if assigned and rest.strip("=") and is_name(name, info.field_name or ""):
        raise ValueError("is written as NAME=value: write the value alone")
    return value


def is_quoted(text: str) -> bool:
    """Whether a value still has the quotes of a shell or of an .env file around it."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"


def is_name(text: str, setting: str) -> bool:
    """Whether a text before `=` is how a variable or this setting is named, and not the first half of a secret."""
    if re.fullmatch(r"[A-Z][A-Z0-9]*(_+[A-Z0-9]+)+", text):
        return True
    return re.fullmatch(rf"([a-z0-9]+[_.]+)*{re.escape(setting)}", text.lower()) is not None


def _clean_url(value: str) -> str:
    """A plain http(s) address without user, query or fragment, returned without its trailing slash."""
    if not value.isprintable() or " " in value or not is_plain_http(value):
        raise ValueError("must be an http(s) address without user, query or fragment")
    return value.rstrip("/")


def _no_path(value: str) -> str:
    """Pages and pictures are at the root of the host: a path would stand in every link and lead nowhere."""
    if path := urlsplit(value).path:
        raise ValueError(
            f"must end with the host (and port), without {path}: rheod answers at the root of its host"
        )
    return value


def unquoted(value: str) -> str:
    """Refuse a text that has its quotes still around it."""
    if is_quoted(value):
        raise ValueError("has quotes around it, which would be taken for a part of it: write it without")
    return value


def is_plain_http(value: str) -> bool:
    """Whether it is an http(s) address with a host and without user, query and fragment."""
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
Origin = Annotated[Url, AfterValidator(_no_path)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Delay = Annotated[float, Field(gt=0, le=7 * DAY_S)]
Calls = Annotated[int, Field(ge=1, le=10_000_000)]
PerSecond = Annotated[int, Field(ge=1, le=10_000)]
Id = Annotated[int, Field(ge=1, le=2**31 - 1)]
Count = Annotated[int, Field(ge=1, le=64)]
Days = Annotated[int, Field(ge=1, le=3_650)]


class Section(BaseModel):
    """One table of the file: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, allow_inf_nan=False)


_MIB = 2**20
_MAIL = r"^[^\s@,;<>]+@[^\s@,;<>]+$"


class Server(Section):
    """The listening side."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="address to listen on; put Caddy or nginx in front for TLS",
    )
    port: int = Field(default=8080, ge=0, le=65_535, description="port to listen on; 0 takes any free one")
    public_url: Origin | None = Field(
        default=None, description="address of rheod for the world, in picture links and the dashboard"
    )
    admin_socket: AbsolutePath | None = Field(
        default=None, description="how commands reach the daemon; without it <storage.path>/admin.sock"
    )
    trusted_proxies: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='networks whose X-Forwarded-For counts, such as ["127.0.0.1/32"]'
    )
    max_connections: int = Field(
        default=512,
        ge=1,
        le=8_000,
        description="open connections in all; beyond it the one idle for longest makes room",
    )
    max_connections_per_address: int | None = Field(
        default=None,
        ge=1,
        le=8_000,
        description="does nothing any more, the proxy in front limits addresses: take the line out",
    )
    body_timeout_s: float = Field(
        default=10, ge=1, le=300, description="a request's body must be there within this time"
    )
    keepalive_s: float = Field(
        default=15,
        ge=1,
        le=3_600,
        description="an idle connection is closed after this time; also bounds a request's headers",
    )
    shutdown_grace_s: float = Field(
        default=20,
        ge=0,
        le=300,
        description="at a stop running work may end within this time; keep it below the unit's TimeoutStopSec",
    )


class Storage(Section):
    """The data folder."""

    path: AbsolutePath = Field(
        default=Path("/var/lib/rheod"),
        description="folder of database, pictures and lock; where systemd sets $STATE_DIRECTORY, that is the default",
    )
    least_free_bytes: int = Field(
        default=512 * _MIB,
        ge=0,
        le=2**50,
        description="less room than this on the disk raises an alarm (512 MiB)",
    )
    images_max_bytes: int = Field(
        default=20 * 2**30,
        ge=0,
        le=2**50,
        description="room for pictures (20 GiB): those of sold and deleted items go first, then new ones wait; 0 sets no bound",
    )
    log_max_bytes: int = Field(
        default=64 * _MIB,
        ge=_MIB,
        le=2**40,
        description="the database's write-ahead log is shortened when it is longer (64 MiB)",
    )
    key: Secret | None = Field(
        default=None,
        description="seals the webhook secrets in the database: a secret; without it secret.key in the folder does",
    )


class Push(Section):
    """Tradera's SQS queue; Tradera gives you the address on request."""

    queue_url: Url | None = Field(
        default=None, description="address of the queue; without it sales are found by reconciliation alone"
    )
    region: str = Field(default="eu-central-1", pattern=r"^[a-z0-9-]+$", description="the queue's AWS region")
    endpoint_url: Url | None = Field(default=None, description="only for a local SQS server: its address")
    access_key_id: Secret | None = Field(
        default=None, description="AWS key: a secret; without it and the next, the AWS provider chain"
    )
    secret_access_key: Secret | None = Field(default=None, description="the AWS key's other half: a secret")
    wait_s: int = Field(default=20, ge=0, le=20, description="time of one long poll (0-20)")
    alarm_after_s: float = Field(
        default=3_600,
        ge=60,
        le=30 * DAY_S,
        description="a queue that has not answered for this time raises an alarm",
    )
    closed_grace_s: float = Field(
        default=30,
        ge=0,
        le=3_600,
        description="a closed ad waits this long for an order that explains it, before it counts as unsold",
    )

    @model_validator(mode="after")
    def _pair(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key must be set together")
        return self


class Images(Section):
    """Fetching partners' pictures."""

    concurrency: Count = Field(default=8, description="downloads at once")
    per_host: Count = Field(default=2, description="downloads at once from one host")
    max_bytes: int = Field(
        default=16 * _MIB, ge=2**16, le=64 * _MIB, description="largest file taken (16 MiB)"
    )
    max_pixels: int = Field(
        default=60_000_000, ge=10_000, le=100_000_000, description="largest picture decoded (60 MP)"
    )
    min_long_px: int = Field(
        default=400, ge=1, le=2000, description="a picture whose longer side has fewer pixels is refused"
    )
    min_short_px: int = Field(
        default=100, ge=1, le=2000, description="a picture whose shorter side has fewer pixels is refused"
    )
    timeout_s: float = Field(default=20, ge=1, le=300, description="time for one download in all")
    allow_http: bool = Field(default=False, description="for development: pictures over http")
    allow_private_networks: bool = Field(
        default=False,
        description="for development: pictures from any private address, but never link-local ones",
    )
    allow_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='pictures from these private networks too, such as ["10.0.0.0/8"]'
    )

    @property
    def opens_private(self) -> bool:
        """Whether any private address may be named."""
        return self.allow_private_networks or bool(self.allow_networks)


class Webhooks(Section):
    """Deliveries of events to partners."""

    timeout_s: float = Field(default=10, ge=1, le=60, description="time for one delivery in all")
    retry_delays_s: tuple[Delay, ...] = Field(
        default=(1, 2, 4, 8, 16, 60, 300, 1800, 7200, 18000, 36000, 50400, 64800, 86400),
        min_length=1,
        description="one more try after each; then the endpoint is switched off",
    )
    concurrency: Count = Field(default=8, description="deliveries at once")
    allow_http: bool = Field(
        default=False, description="for development, or for an ERP on the same host: deliveries over http"
    )
    allow_private_networks: bool = Field(
        default=False,
        description="for development: deliveries to any private address, but never link-local ones",
    )
    allow_networks: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='deliveries to these private networks too, such as ["10.0.0.0/8"]'
    )

    include_buyer: bool = Field(
        default=False, description="events about orders name the buyer and the address to ship to"
    )

    @property
    def opens_private(self) -> bool:
        """Whether any private address may be named."""
        return self.allow_private_networks or bool(self.allow_networks)


class LimitSettings(Section):
    """Requests per second for each API key, by kind of call."""

    put_per_s: PerSecond = Field(default=10, description="PUT of an item")
    price_per_s: PerSecond = Field(default=20, description="PATCH of a price")
    status_per_s: PerSecond = Field(default=20, description="PATCH of a status")
    get_per_s: PerSecond = Field(default=30, description="reading")
    delete_per_s: PerSecond = Field(default=10, description="DELETE of an item")
    batch_per_s: PerSecond = Field(default=2, description="batches")
    tracking_per_s: PerSecond = Field(default=10, description="POST of a parcel")


class Log(Section):
    """What is written to standard output."""

    format: Literal["auto", "json", "text"] = Field(
        default="auto", description='"auto" is text on a terminal and JSON otherwise; or "text", "json"'
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug, info, warning or error"
    )


class AnalyticsSettings(Section):
    """Figures of the dashboard."""

    fee_percent: float = Field(
        default=0, ge=0, le=100, description="the marketplace's fee in per cent of a sale"
    )


class Metrics(Section):
    """The page for Prometheus."""

    allow: tuple[IPvAnyNetwork, ...] = Field(
        default=(), description='networks that may read /metrics beside this machine, such as ["10.0.0.5/32"]'
    )


class Alerts(Section):
    """How you hear of what needs you: by none, one or several ways."""

    command: tuple[str, ...] = Field(
        default=(),
        description="a program and its arguments; it gets the title as last argument and the text on stdin",
    )
    url: Secret | None = Field(default=None, description="address of a notification service: a secret")
    url_style: Literal["ntfy", "gotify", "healthchecks"] = Field(
        default="ntfy", description='what that service is: "ntfy", "gotify" or "healthchecks"'
    )
    mail_to: str | None = Field(default=None, pattern=_MAIL, description="who gets a mail")
    mail_from: str | None = Field(
        default=None, pattern=_MAIL, description="who the mail is from; set both or none"
    )
    sales: bool = Field(default=False, description="tell each sale at Tradera too, within a minute")
    smtp_host: str = Field(default="localhost", min_length=1, description="the server that takes the mail")
    smtp_port: int = Field(default=25, ge=1, le=65_535, description="that server's port")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        default="none", description='"none", "starttls" or "tls"'
    )
    smtp_user: str | None = Field(default=None, description="user name, if that server wants one")
    smtp_password: Secret | None = Field(default=None, description="the password with it: a secret")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.mail_to is None) != (self.mail_from is None):
            raise ValueError("mail_to and mail_from must be set together")
        if self.url is not None and not is_plain_http(self.url.get_secret_value().partition("?")[0]):
            raise ValueError("url must be an http(s) address")
        return self

    @property
    def is_set(self) -> bool:
        """Whether the owner is told anywhere but on the pages."""
        return bool(self.command) or self.url is not None or self.mail_to is not None


class Backup(Section):
    """When a missing backup raises an alarm."""

    alarm_after_s: float = Field(
        default=50 * 3_600,
        ge=3_600,
        le=365 * DAY_S,
        description="a last good backup older than this raises an alarm (50 hours)",
    )


class Retention(Section):
    """What is erased, and after how many days."""

    deliveries_days: Days = Field(
        default=90, description="the log of webhook deliveries is kept so many days"
    )
    orders_days: Days = Field(
        default=730,
        description="a buyer's personal data is erased so many days after the order; its amounts stay",
    )


class Debug(Section):
    """For rheod's own tests."""

    crash_at: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9_.-]+:[1-9][0-9]{0,5}$",
        description="`name:k` kills the process the k-th time that crash point is reached",
    )


class AccountSettings(Section):
    """A reseller's member account that sells under its own Tradera user."""

    reference: str = Field(min_length=1, max_length=255, description="your own name for the member")
    user_id: Id = Field(description="the member's id at Tradera")
    user_token: Secret | None = Field(
        default=None,
        description="the member's token: a secret; without it use `rheod tradera connect --account`",
    )

    @field_validator("reference")
    @classmethod
    def _fits_a_header(cls, reference: str) -> str:
        """Partners send it in `x-partner-account`, where spaces at the ends are lost."""
        if not reference.isprintable() or reference != reference.strip():
            raise ValueError("must be printable, without spaces at its ends")
        return reference
