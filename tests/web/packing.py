"""Orders as a shop has them in the morning: things with pictures and shelves, sold yesterday and before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rheod.domain.model import ListingState
from rheod.domain.orders import OrderFreight, Payment
from tests.stores import NOW_MS
from tests.usecases.selling import order
from tests.web.stocked import BUYER, HOUR_MS, WISH, Stocked, drawn

THINGS = {
    8001: ("B-4", "Bromsok vänster Volvo V70", "B4", 29),
    8002: ("A-1", "Backspegel vänster VW Golf V", "A1", 2),
    8003: (
        "A-10",
        "Instrumentkluster till Saab 9-5 med ett namn utan slut och mellanrum" + "x" * 60,
        "A10",
        5,
    ),
}
"""Orders by number: the item's id, its title, its shelf, and how many hours ago it was sold."""


async def morning(one: Stocked, *, paid: bool = True, **changes: Any) -> None:
    """The things of `THINGS` are sold, each for 700 kr and 69 kr of freight; `changes` are of every order."""
    one.pages.parts.api.orders.pick_sort = "shelf"
    for number, (external_id, title, shelf, hours) in THINGS.items():
        url = f"https://cdn.example/{external_id}.jpg"
        await one.shop.put(
            external_id,
            title=title,
            metadata={"shelf": shelf},
            image_urls=(url,),
            auto_publish=True,
            tradera=WISH,
        )
        (picture,) = (await one.shop.view(external_id)).pictures
        file = drawn(one.pages.parts.api.image_folder, (number % 200, 130, 90))
        await one.shop.picture_ready(picture.id, file)
        live = await one.shop.advance(await one.shop.listing(external_id), ListingState.LIVE)
        at = NOW_MS - hours * HOUR_MS
        made = order(number, live.tradera_item_id or 0)
        payments = (Payment(type="Swish", reference="r", amount_ore=76_900, paid_at=at + HOUR_MS),)
        told = replace(
            made,
            created_at=at,
            updated_at=at,
            lines=tuple(replace(line, title=title, unit_price_ore=70_000) for line in made.lines),
            subtotal_ore=70_000,
            freight=OrderFreight(cost_ore=6_900, type="PostNord"),
            payments=payments if paid else (),
            buyer={**BUYER, "firstName": f"Kund{number}"},
        )
        await one.shop.record(replace(told, **changes))
