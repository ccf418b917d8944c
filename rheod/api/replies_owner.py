"""Answers to the owner and about the daemon itself: API keys, webhook settings, health."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from rheod.api.replies import At, Reply

if TYPE_CHECKING:
    from rheod.store.endpoints import Endpoint
    from rheod.store.keys import ApiKey


class NewKey(Reply):
    """A new key; its text is in this answer and never again."""

    api_key: Annotated[str, Field(examples=["rheo_live_" + "x" * 32])]
    name: str


class NewNumberedKey(NewKey):
    """As the command line shows it: with the id that revokes it."""

    id: str


class KeyReply(Reply):
    """A key as the owner sees it; its text is never part of it."""

    id: str
    user_id: str
    prefix: Annotated[str, Field(examples=["rheo_live_ab12"])]
    name: str
    created_at: At
    last_used_at: At | None
    revoked_at: At | None


class KeysReply(Reply):
    """All keys shown."""

    keys: list[KeyReply]


class WebhookSettings(Reply):
    """The account's first endpoint."""

    webhook_url: str | None
    webhook_secret: Annotated[str, Field(examples=["whsec_" + "A" * 32])]


class Success(Reply):
    """Done, and nothing more to say."""

    success: Literal[True] = True


class AccountCounts(Reply):
    """How many accounts there are in each state; which they are only the owner is told, by `rheod status`."""

    selling: int = 0
    waiting: int = 0
    paused: int = 0
    removed: int = 0


class HealthReply(Reply):
    """The process answers and its database does."""

    status: Literal["ok"] = "ok"
    accounts: AccountCounts


class ReadyReply(Reply):
    """Migrated, and every loop lives."""

    status: Literal["ready"] = "ready"
    accounts: AccountCounts


def key_reply(key: ApiKey) -> KeyReply:
    """A key as it is listed."""
    return KeyReply(
        id=key.id,
        user_id=key.account_id,
        prefix=key.prefix,
        name=key.name,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )


def settings_reply(endpoint: Endpoint) -> WebhookSettings:
    """The webhook settings, with the secret."""
    return WebhookSettings(webhook_url=endpoint.url, webhook_secret=endpoint.secret)
