"""What the buyer pays for freight: the item's own price, Tradera's table by weight, the owner's fixed price, pickup; never free by silence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.freight import (
    Freight,
    FreightSettings,
    Parcel,
    ShippingProduct,
    ShippingTable,
    choose,
    sorted_table,
)

NOTHING_SET = FreightSettings()
FIXED = FreightSettings(fixed_kr=79)
POSTNORD, DHL, STAMP, INSTABOX = 1, 2, 13, 19
PICKUP = (None, 8, None, 0)


def product(provider: int, up_to_kg: float, price_kr: int, **fields: object) -> ShippingProduct:
    names = {POSTNORD: "PostNord", DHL: "DHL", STAMP: "PostNordStamp", INSTABOX: "Instabox"}
    return ShippingProduct(
        **{
            "provider_id": provider,
            "product_id": 12,  # the same for all: it is unique only within its provider
            "provider": names[provider],
            "name": "Ombud",
            "up_to_kg": up_to_kg,
            "price_kr": price_kr,
            "traceable": True,
            "over_weight_kr": 50,
            **fields,
        }  # type: ignore[arg-type]
    )


TABLE = sorted_table(
    [
        product(STAMP, 1, 44, traceable=False),
        product(POSTNORD, 1, 59, most_days=4),
        product(DHL, 1, 65, most_days=3),
        product(POSTNORD, 5, 99, most_days=4),
        product(DHL, 5, 95, most_days=3),
        product(INSTABOX, 5, 109, most_days=1, over_weight_kr=0),
        product(POSTNORD, 20, 199, most_days=None),
    ],
    read_at=0,
)


def sent(freight: Freight) -> list[tuple[int | None, int | None, float | None, int]]:
    """Each option: provider, older number, weight, kronor."""
    return [(each.provider_id, each.option_id, each.weight_kg, each.cost_kr) for each in freight.options]


@pytest.mark.parametrize(
    ("parcel", "settings", "options"),
    [
        (Parcel(cost_kr=149), NOTHING_SET, [(6, None, None, 149)]),
        (Parcel(cost_kr=149, weight_kg=1), FIXED, [(6, None, 1, 149)]),
        (Parcel(cost_kr=0), FIXED, [(6, None, None, 0)]),
        (Parcel(cost_kr=0, strategy="pickup_only"), FIXED, [PICKUP]),
        (Parcel(strategy="pickup_only", weight_kg=1), FIXED, [PICKUP]),
        (Parcel(), replace(FIXED, free=True), [(6, None, None, 0)]),
        (Parcel(strategy="fixed"), FIXED, [(6, None, None, 79)]),
        (Parcel(strategy="seller_shipped", weight_kg=1), FIXED, [(6, None, 1, 79)]),
        (Parcel(), FIXED, [(6, None, None, 79)]),
        (Parcel(weight_kg=0), FIXED, [(6, None, None, 79)]),
        (Parcel(weight_kg=0.9), FIXED, [(POSTNORD, None, 1, 59)]),
        (Parcel(weight_kg=0.91), FIXED, [(DHL, None, 5, 95)]),
        (Parcel(weight_kg=0.95), replace(FIXED, packaging_g=50), [(POSTNORD, None, 1, 59)]),
        (Parcel(weight_kg=0.5), replace(FIXED, prefer="fastest"), [(INSTABOX, None, 5, 109)]),
        (Parcel(weight_kg=9), replace(FIXED, prefer="fastest"), [(POSTNORD, None, 20, 199)]),
        (Parcel(weight_kg=0.5), replace(FIXED, prefer=("dhl", "PostNord")), [(DHL, None, 1, 65)]),
        (Parcel(weight_kg=9), replace(FIXED, prefer=("dhl",)), [(POSTNORD, None, 20, 199)]),
        (
            Parcel(weight_kg=0.5),
            replace(NOTHING_SET, second=True, pickup=True),
            [(POSTNORD, None, 1, 59), (DHL, None, 1, 65), PICKUP],
        ),
        (Parcel(cost_kr=49), replace(NOTHING_SET, pickup=True), [(6, None, None, 49), PICKUP]),
    ],
)
def test_what_is_offered(parcel: Parcel, settings: FreightSettings, options: list[object]) -> None:
    """The first option first; only what can be traced is taken from the table."""
    freight = choose(parcel, settings, TABLE)
    assert sent(freight) == options
    assert freight.missing is None


@pytest.mark.parametrize(
    ("parcel", "table", "refused", "warning"),
    [
        (Parcel(), TABLE, frozenset(), "neither weight nor price"),
        (Parcel(weight_kg=20), TABLE, frozenset(), "takes more than 20 kg"),
        (Parcel(weight_kg=1), None, frozenset(), "could not be read"),
        (Parcel(weight_kg=1), ShippingTable((), 0), frozenset(), "could not be read"),
        (Parcel(weight_kg=9), TABLE, frozenset({(POSTNORD, 12)}), "takes none of the parcels"),
    ],
)
def test_pickup_alone_comes_with_a_warning(
    parcel: Parcel, table: ShippingTable | None, refused: frozenset[tuple[int, int]], warning: str
) -> None:
    """Never free, never in silence; with a fixed price that is taken instead, save for what is too heavy."""
    freight = choose(parcel, NOTHING_SET, table, refused=refused)
    assert sent(freight) == [PICKUP]
    assert freight.warning is not None
    assert warning in freight.warning
    with_price = choose(parcel, FIXED, table, refused=refused)
    too_heavy = parcel.weight_kg == 20
    assert sent(with_price) == ([PICKUP] if too_heavy else [(6, None, parcel.weight_kg, 79)])
    assert freight.table_missed == (warning in {"could not be read", "takes none of the parcels"})


def test_a_refused_product_is_passed_over_for_the_next_cheapest() -> None:
    """By provider and product: the same number of another provider is another product."""
    assert sent(choose(Parcel(weight_kg=0.5), FIXED, TABLE, refused={(POSTNORD, 12)})) == [(DHL, None, 1, 65)]


@pytest.mark.parametrize("strategy", ["fixed", "seller_shipped"])
def test_a_fixed_price_that_nobody_has_set_holds_the_item(strategy: str) -> None:
    """Nothing is offered, and the sentence says what to set."""
    freight = choose(Parcel(strategy=strategy, weight_kg=1), NOTHING_SET, TABLE)
    assert freight.options == ()
    assert freight.missing is not None
    assert "tradera.shipping.shipping_cost" in freight.missing


@pytest.mark.parametrize(
    ("kg", "warning"),
    [
        (0.8, None),
        (0.85, None),
        (
            0.86,
            "weighs 0.96 kg, which is near the limit of 1 kg of PostNord Ombud: a parcel that is heavier costs you 50 kr",
        ),
        (0.9, "weighs 1 kg"),
    ],
)
def test_near_the_edge_the_penalty_is_told(kg: float, warning: str | None) -> None:
    """Within five per cent of what the parcel takes, packaging included."""
    freight = choose(Parcel(weight_kg=kg), NOTHING_SET, TABLE)
    assert sent(freight) == [(POSTNORD, None, 1, 59)]
    assert (freight.warning is None) if warning is None else (warning in (freight.warning or ""))


def test_without_a_known_penalty_the_parcel_is_to_be_weighed() -> None:
    """Tradera names none for some."""
    freight = choose(Parcel(weight_kg=4.8), replace(NOTHING_SET, prefer=("Instabox",)), TABLE)
    assert freight.warning is not None
    assert freight.warning.endswith("weigh the parcel")


def test_a_parcel_from_a_least_weight_on_takes_nothing_lighter() -> None:
    """What Tradera requires of a package."""
    table = sorted_table([product(DHL, 5, 10, from_kg=2), product(POSTNORD, 5, 99)], read_at=0)
    assert sent(choose(Parcel(weight_kg=1), NOTHING_SET, table)) == [(POSTNORD, None, 5, 99)]
    assert sent(choose(Parcel(weight_kg=2), NOTHING_SET, table)) == [(DHL, None, 5, 10)]


def test_nothing_is_free_unless_somebody_says_so() -> None:
    """Whatever is set and whatever is missing: an option of the seller's own costs something, or it is pickup."""
    for fixed in (0, 79):
        for strategy in ("integrated", "fixed", "seller_shipped", "pickup_only"):
            for weight in (None, 0.0, 0.5, 30.0):
                for table in (None, TABLE):
                    parcel = Parcel(strategy=strategy, weight_kg=weight)
                    for option in choose(parcel, FreightSettings(fixed_kr=fixed), table).options:
                        assert option.cost_kr > 0 or option.option_id == 8
