"""What the simulated Tradera says of categories, attributes and freight, what it refuses by that, and how it changes.

The tree and the rules are those of the simulator that speaks HTTP; here they change while rheod believes what it has read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from rheod.domain.errors import Text
from rheod.sandbox.tradera_catalogue import CONDITION, Catalogue, attribute
from rheod.tradera.ad_builder import Ad, create_body
from rheod.tradera.client import Unreadable

LEAVES = (302_410, 302_571, 302_572, 302_610, 343_310, 1_001_210, 1_001_229, 1_001_310)
"""Leaves that items name; the first and 1001210 require attributes."""

PARENT = 311
"""A category that is no leaf."""

_POSTNORD = 0


class Reference:
    """The catalogue of one run. `dead` are the leaves of which the definitions are answered with a page of HTML."""

    def __init__(self, *, only_in_results: bool = False) -> None:
        self.catalogue = Catalogue(old_numbers=True, only_in_results=only_in_results)
        self.dead: set[int] = set()
        self.refused = 0

    def answer(self, what: str, path: str) -> Any:
        """What one of the three questions is answered with. Raises Unreadable for what is no JSON."""
        if what == "categories":
            return self.catalogue.tree()
        if what == "shipping-options":
            return {"productsPerWeightSpan": self.catalogue.spans}
        leaf = int(path.split("/")[2])
        if leaf in self.dead:
            raise Unreadable(Text("attribute-definitions cannot be read. It begins: <!DOCTYPE html>"))
        return self.catalogue.definitions.get(leaf, [])

    def problem(self, ad: Ad) -> str | None:
        """Why Tradera does not take the ad; None when it does."""
        body = create_body(ad)
        catalogue = self.catalogue
        found = catalogue.problem(body) or next(
            filter(None, map(catalogue.shipping_problem, body["shippingOptions"])), None
        )
        self.refused += found is not None
        return found

    # What may happen to it

    def category_goes(self, leaf: int) -> None:
        """A category is taken away, which nobody is told."""
        self.catalogue.gone.add(leaf)

    def attribute_comes(self, leaf: int) -> None:
        """A leaf begins to require an attribute."""
        self.catalogue.definitions[leaf] = [
            attribute(9000 + leaf % 1000, "Skick", CONDITION, minNumberOfValues=1)
        ]

    def price_changes(self, span: int) -> None:
        """The first product of a weight span is withdrawn at its price: another stands in the table from now on."""
        products = self.catalogue.spans[span]["products"]
        products[_POSTNORD] = {**products[_POSTNORD], "price": products[_POSTNORD]["price"] + 10}

    def definition_dies(self, leaf: int) -> None:
        """Its definitions are a page of HTML from now on."""
        self.dead.add(leaf)


def drawn_changes(reference: Reference, rng: Random) -> Sequence[Callable[[], None]]:
    """What happens to the catalogue of a run, in no order: mostly nothing."""
    kinds: Sequence[Callable[[], None]] = (
        lambda: reference.category_goes(rng.choice(LEAVES)),
        lambda: reference.attribute_comes(rng.choice(LEAVES)),
        lambda: reference.price_changes(rng.randrange(len(reference.catalogue.spans))),
        lambda: reference.definition_dies(rng.choice(LEAVES)),
    )
    return rng.choices(kinds, k=rng.choice((0, 0, 1, 2, 4)))
