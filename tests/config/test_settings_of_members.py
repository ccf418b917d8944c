"""The settings of a reseller's members: who may be one, and where their tokens may stand."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from rheod.config.loading import missing_at_start
from tests.owning import Owner


def test_two_accounts_cannot_share_a_name_or_member(owner: Owner) -> None:
    """Sales are told apart by the member's id, calls by the reference."""
    account = {"reference": "a", "user_id": 5, "user_token": "test-secret"}
    for other in (account | {"user_id": 6}, account | {"reference": "b"}):
        assert "each other" in owner.refusal({"RHEOD_ACCOUNTS": json.dumps([account, other])})[0]


def test_a_member_cannot_be_the_default_seller(owner: Owner) -> None:
    """Two accounts with one token would find each other's sales."""
    owner.file.write_text(
        "[tradera]\nuser_id = 5\n[[accounts]]\nreference = 'a'\nuser_id = 5\nuser_token = 't'"
    )
    (line,) = owner.refusal()
    assert "must differ from tradera.user_id" in line


@pytest.mark.parametrize("reference", [" a", "a ", "a\n", "\u200b"])
def test_a_reference_must_fit_a_header(owner: Owner, reference: str) -> None:
    """What a header cannot carry could never be asked for."""
    account = {"reference": reference, "user_id": 5, "user_token": "test-secret"}
    assert "printable" in owner.refusal({"RHEOD_ACCOUNTS": json.dumps([account])})[0]


def test_a_members_token_may_come_apart_from_its_block(owner: Owner) -> None:
    """As a credential or variable named after the reference, in capitals where needed; the last layer wins."""
    owner.file.write_text(
        "".join(
            f"[[accounts]]\nreference = '{name}'\nuser_id = {at}\n" for at, name in ((7, "m-1"), (8, "å"))
        )
    )
    (owner.credentials / "accounts__m-1__user_token").write_text("test-credential\n")
    (owner.credentials / "accounts__å__user_token").write_text("test-of-8")
    first, second = owner.load().accounts
    assert (first.user_token, second.user_token) == (SecretStr("test-credential"), SecretStr("test-of-8"))
    first, _ = owner.load({"RHEOD_ACCOUNTS__M_1__USER_TOKEN": "test-variable"}).accounts
    assert first.user_token == SecretStr("test-variable")


@pytest.mark.parametrize("references", [(), ("other",), ("m-1", "m_1")])
def test_a_members_token_without_its_one_account_is_refused(
    owner: Owner, references: tuple[str, ...]
) -> None:
    """Nobody's token, or one that could be two members', is a mistake to be told, and never with its value."""
    owner.file.write_text(
        "".join(
            f"[[accounts]]\nreference = '{name}'\nuser_id = {number}\nuser_token = 'test-a'\n"
            for number, name in enumerate(references, start=5)
        )
    )
    (line,) = owner.refusal({"RHEOD_ACCOUNTS__M_1__USER_TOKEN": "test-secret"})
    assert "RHEOD_ACCOUNTS__M_1__USER_TOKEN" in line
    assert "test-secret" not in line


def test_an_owner_who_only_has_members_need_not_sell_anything(owner: Owner) -> None:
    """The application's id and key are enough; a seller of their own that is half given is named."""
    account = {"reference": "a", "user_id": 5, "user_token": "test-secret"}
    environ = {
        "RHEOD_TRADERA__APP_ID": "1",
        "RHEOD_TRADERA__APP_KEY": "test-key",
        "RHEOD_ACCOUNTS": json.dumps([account]),
    }
    assert missing_at_start(owner.load(environ)) == []
    assert missing_at_start(owner.load(environ | {"RHEOD_TRADERA__USER_ID": "6"})) == ["tradera.user_token"]
