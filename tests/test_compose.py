"""What the composition root decides by itself: how a webhook address is judged, and which setting is named for it."""

from __future__ import annotations

import pytest

from rheod.compose.remotes import check_webhook_url
from rheod.config.sections import Webhooks
from rheod.config.settings import Settings

HTTP = "webhooks.allow_http allows it"
PRIVATE = "webhooks.allow_private_networks allows it"
BOTH = "webhooks.allow_http and webhooks.allow_private_networks allow it"
CLOSED, HTTP_ONLY, OPEN = (False, False), (True, False), (True, True)


@pytest.mark.parametrize(
    ("allowed", "url", "said"),
    [
        (CLOSED, "https://erp.se/hook", None),
        (CLOSED, "http://erp.se/hook", f"Must be an HTTPS URL ({HTTP})"),
        (CLOSED, "https://10.0.0.5/hook", f"Must name a host, not an IP address ({PRIVATE})"),
        (CLOSED, "https://erp.local/hook", f"Must name a host of the public Internet ({PRIVATE})"),
        (CLOSED, "https://erp.se:8443/hook", f"Must use port 443 ({PRIVATE})"),
        (CLOSED, "http://localhost:8080/hook", f"Must be an HTTPS URL ({BOTH})"),
        (CLOSED, "ftp://erp.se/hook", "Must be an HTTPS URL"),
        (CLOSED, "https://a b.se/", "Must not contain spaces, control characters or backslashes"),
        (HTTP_ONLY, "http://localhost/hook", f"Must name a host of the public Internet ({PRIVATE})"),
        (HTTP_ONLY, "ftp://localhost/hook", "Must be an HTTPS URL"),
        (OPEN, "http://localhost:8080/hook", None),
    ],
)
def test_a_refused_webhook_address_names_the_setting_that_opens_it(
    allowed: tuple[bool, bool], url: str, said: str | None
) -> None:
    """The least that is needed beside what is set already; nothing where no setting helps."""
    hooks = Webhooks(allow_http=allowed[0], allow_private_networks=allowed[1])
    assert check_webhook_url(Settings(webhooks=hooks))(url) == said
