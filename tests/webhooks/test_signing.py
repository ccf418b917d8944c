"""Signatures against the vectors of the contract and of Standard Webhooks."""

from __future__ import annotations

import base64

import pytest

from rheod.webhooks.client import new_secret, sign, signature_headers, standard_signature

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("body", "digest"),
    [
        ("{}", "46bdc2a2e83964bd2695acc6a1f97162d8bafc135a071aa5cd5c99aae5481440"),
        ("", "43c0f4d23c8e8841358fad4624b1a592799222b29f25bb59baea43cdcb522ed1"),
        (
            '{"eventId":"evt_1","eventType":"item.sold","data":{"externalId":"Å-1"}}',
            "f669843c20deb72a6b3f69cd88b0d64527d450be6f7801876b7c027adb1125ff",
        ),
    ],
)
def test_the_signature_matches_the_vectors_of_the_contract(body: str, digest: str) -> None:
    """The secret's text is the key, over the raw bytes."""
    assert sign(body.encode(), "whsec_test") == f"sha256={digest}"


def test_the_standard_signature_matches_the_published_vector() -> None:
    """The vector every Standard Webhooks library is tested with."""
    signature = standard_signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', STANDARD_SECRET
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_hand_made_secret_is_its_own_key() -> None:
    """A secret that is no base64 still signs, with its text; one that is decodes."""
    by_text = standard_signature("evt_1", 1, b"{}", "not base64!")
    assert by_text == standard_signature(
        "evt_1", 1, b"{}", "whsec_" + base64.b64encode(b"not base64!").decode()
    )
    empty = standard_signature("evt_1", 1, b"{}", "whsec_")
    assert empty == standard_signature("evt_1", 1, b"{}", base64.b64encode(b"whsec_").decode())


def test_during_a_rotation_both_secrets_sign() -> None:
    """A receiver that has either secret can verify either scheme."""
    headers = signature_headers("evt_1", 7, b"{}", STANDARD_SECRET, "whsec_b2xk")
    new, old = headers["webhook-signature"].split(" ")
    assert new == standard_signature("evt_1", 7, b"{}", STANDARD_SECRET)
    assert old == standard_signature("evt_1", 7, b"{}", "whsec_b2xk")
    assert headers["X-Rheo-Signature"] == sign(b"{}", STANDARD_SECRET)
    assert headers["X-Rheo-Signature-Previous"] == sign(b"{}", "whsec_b2xk")
    assert headers["webhook-id"] == "evt_1"
    assert headers["webhook-timestamp"] == "7"


def test_without_a_rotation_one_secret_signs() -> None:
    """No trace of a previous secret is sent once there is none."""
    headers = signature_headers("evt_1", 7, b"{}", STANDARD_SECRET)
    assert "X-Rheo-Signature-Previous" not in headers
    assert " " not in headers["webhook-signature"]


def test_a_new_secret_holds_24_random_bytes() -> None:
    """The form of the contract, and never the same twice."""
    secret = new_secret()
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 24
    assert secret != new_secret()
