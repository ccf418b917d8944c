"""Where an order stands and what does not add up in it, by tables."""

from __future__ import annotations

from typing import Any

import pytest

from rheod.domain.orders import OrderFlag, OrderStatus, Standing, contact_of, flags_of, ship_to, status_of

NOW = 1000
S, F = OrderStatus, OrderFlag
PAID: dict[str, Any] = {"amounts": (76_900,)}


def standing(**facts: Any) -> Standing:
    """A thing for 700 kr with 69 kr of freight."""
    return Standing(**{"subtotal_ore": 70_000, "lines_ore": 70_000, "freight_ore": 6_900, **facts})


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, S.UNPAID),
        ({"amounts": ()}, S.UNPAID),
        ({"amounts": (70_000,)}, S.UNPAID),
        ({"amounts": (76_900, None)}, S.UNPAID),
        (PAID, S.READY),
        ({"amounts": (70_000, 6_900)}, S.READY),
        ({"amounts": (80_000,)}, S.READY),
        ({"amounts": (70_000,), "freight_ore": None}, S.READY),
        ({"told_paid": True}, S.READY),
        ({**PAID, "waits_until": NOW + 1}, S.WAITS),
        ({**PAID, "waits_until": NOW}, S.READY),
        ({"waits_until": NOW + 1}, S.UNPAID),
        ({"sent": True}, S.SHIPPED),
        ({**PAID, "sent": True, "waits_until": NOW + 1}, S.SHIPPED),
        ({"sent": True, "lines_reversed": 1}, S.REVERSED),
        ({**PAID, "lines": 2, "lines_reversed": 1}, S.READY),
        ({**PAID, "lines": 0, "lines_reversed": 0}, S.READY),
    ],
)
def test_of_several_statuses_that_fit_the_first_counts(facts: dict[str, Any], status: OrderStatus) -> None:
    """Reversed, shipped, unpaid, waits, ready: an amount that cannot be read pays nothing."""
    assert status_of(standing(**facts), now=NOW) is status


@pytest.mark.parametrize(
    ("facts", "flags"),
    [
        ({}, ()),
        (PAID, ()),
        ({"amounts": (10_000,), "most_paid_ore": 10_000}, (F.PARTLY_PAID,)),
        ({"amounts": (10_000,), "most_paid_ore": 76_900}, (F.PARTLY_PAID, F.REFUNDED)),
        ({"amounts": (), "most_paid_ore": 76_900}, (F.REFUNDED,)),
        ({"amounts": (76_900,), "freight_ore": None}, (F.SUM_DIFFERS,)),
        ({"amounts": (80_000,)}, (F.SUM_DIFFERS,)),
        ({"amounts": (None,)}, (F.SUM_DIFFERS,)),
        ({**PAID, "lines_ore": 60_000}, (F.SUM_DIFFERS,)),
        ({"amounts": (10_000,), "told_paid": True}, ()),
        ({**PAID, "lines": 2, "lines_reversed": 1}, (F.PARTLY_REVERSED,)),
        ({**PAID, "lines": 2, "lines_reversed": 2}, ()),
        ({**PAID, "lines_unknown": 1}, (F.UNKNOWN_ITEM,)),
        ({**PAID, "printed_at": 5, "grew_at": 6}, (F.GREW_AFTER_PRINT,)),
        ({**PAID, "printed_at": 6, "grew_at": 5}, ()),
        ({**PAID, "grew_at": 5}, ()),
        ({**PAID, "reversed_at": 5, "paid_late": True, "lines_reversed": 1}, (F.PAID_AFTER_REVERSAL,)),
        ({**PAID, "reversed_at": 6, "paid_late": False, "lines_reversed": 1}, ()),
    ],
)
def test_what_does_not_add_up_is_flagged(facts: dict[str, Any], flags: tuple[OrderFlag, ...]) -> None:
    """Never hidden; freight that comes with a later reading lets the sum add up."""
    assert flags_of(standing(**facts)) == flags


def test_an_order_goes_to_the_address_to_ship_to_else_to_the_buyer() -> None:
    """By our names; what Tradera does not say is null."""
    buyer = {
        "alias": "åke",
        "firstName": "Åke",
        "lastName": "Ek",
        "addressLine1": "Storgatan 1",
        "zipCode": "582 22",
        "city": "Linköping",
        "phone": "070",
    }
    assert ship_to(buyer) == {
        "name": "Åke Ek",
        "address1": "Storgatan 1",
        "address2": None,
        "zip": "582 22",
        "city": "Linköping",
        "country": None,
    }
    elsewhere = ship_to({**buyer, "shipTo": {"name": "Mor", "city": "Malmö"}})
    assert (elsewhere["name"], elsewhere["city"], elsewhere["address1"]) == ("Mor", "Malmö", None)
    assert contact_of(buyer) == {"alias": "åke", "email": None, "phone": "070"}
