"""What the simulated Tradera says of its categories, their attributes, its freight prices and the fields of an ad.

The tree is made up, in the shape that clients have read live: its numbers are of the sizes seen in 2026, and none of those
that rheod's own map of domains has, unless `old_numbers` adds them. Every refusal names where it is known from: measured by a
client, written in Tradera's contract, or guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Spelling = Literal["id", "categoryId"]
Tree = Mapping[tuple[int, str], "Tree | None"]

_PARTS: Tree = {
    (302410, "Bromsar"): None,
    (302411, "Belysning"): None,
    (302412, "Kaross"): None,
    (302413, "Motor & växellåda"): None,
    (302414, "Hjulupphängning & styrning"): None,
    (302415, "Elsystem"): None,
    (302416, "Inredning"): None,
    (302419, "Övriga bildelar"): None,
}
_TREE: Tree = {
    (26, "Fordon, båtar & delar"): {
        (261, "Bildelar & biltillbehör"): {(2611, "Bildelar"): _PARTS, (302430, "Bilvård"): None},
        (262, "Bilar"): {(302440, "Personbilar"): None, (302441, "Husvagnar"): None},
        (263, "MC & moped"): {(302450, "MC-delar"): None, (302451, "Mopeddelar"): None},
        (302432, "Båtdelar"): None,
    },
    (31, "Hem & hushåll"): {
        (311, "Möbler"): {(343310, "Stolar"): None, (343311, "Bord"): None, (343319, "Övriga möbler"): None},
        (312, "Porslin & keramik"): {(302571, "Rörstrand"): None, (302572, "Gustavsberg"): None},
        (313, "Trädgård"): {(343330, "Trädgårdsredskap"): None, (343339, "Övrigt"): None},
        (343322, "Belysning"): None,
        (343399, "Övrigt hem & hushåll"): None,
    },
    (17, "Kläder"): {
        (171, "Damkläder"): {
            (1001210, "Jackor"): None,
            (1001211, "Klänningar"): None,
            (1001212, "Tröjor"): None,
        },
        (172, "Herrkläder"): {(1001220, "Jackor"): None, (1001221, "Skjortor"): None},
        (1001229, "Övriga kläder"): None,
    },
    (19, "Skor"): {(1001240, "Damskor"): None, (1001241, "Herrskor"): None},
    (12, "Barn & leksaker"): {
        (121, "Leksaker"): {
            (1001310, "Lego"): None,
            (1001311, "Dockor"): None,
            (1001319, "Övriga leksaker"): None,
        }
    },
    (25, "Samlarsaker"): {
        (1001337, "Pokémonkort"): None,
        (1001338, "Vykort"): None,
        (1001349, "Övriga samlarsaker"): None,
    },
    (11, "Böcker & tidningar"): {
        (302610, "Skönlitteratur"): None,
        (302611, "Facklitteratur"): None,
        (302612, "Serier"): None,
        (302619, "Övriga böcker"): None,
    },
    (14, "Konst"): {(302710, "Målningar"): None, (302711, "Grafik"): None, (302719, "Övrig konst"): None},
    (15, "Antikt & design"): {(302720, "Silver"): None, (302729, "Övrigt antikt"): None},
    (29, "Datorer & tillbehör"): {
        (302810, "Bärbara datorer"): None,
        (302811, "Grafikkort"): None,
        (302819, "Övriga datortillbehör"): None,
    },
    (30, "Hemelektronik"): {
        (302820, "Hörlurar"): None,
        (302821, "Högtalare"): None,
        (302822, "Kameror"): None,
        (302829, "Övrig hemelektronik"): None,
    },
    (13, "Klockor"): {(302910, "Armbandsur"): None, (302919, "Övriga klockor"): None},
    (24, "Smycken & ädelstenar"): {(302920, "Ringar"): None, (302929, "Övriga smycken"): None},
    (21, "Musikinstrument"): {(302930, "Gitarrer"): None, (302939, "Övriga instrument"): None},
    (20, "Sport & fritid"): {(302940, "Cyklar"): None, (302949, "Övrig sport"): None},
    (27, "Verktyg & maskiner"): {(302950, "Elverktyg"): None, (302959, "Övriga verktyg"): None},
    (28, "Skönhet & hälsa"): {(302960, "Parfym"): None, (302969, "Övrigt"): None},
    (32, "Kontor & industri"): {(302970, "Pumpar & motorer"): None, (302979, "Övrigt"): None},
    (34, "Övrigt"): {(344481, "Testauktioner"): None, (344482, "Allt annat"): None},
}
_OLD: Tree = {
    (70, "Gamla nummer"): {
        (number, f"Gammal {number}"): None
        for number in (
            *(516, 517, 520, 521, 523, 524, 525, 527, 529, 530, 531, 533, 534, 535, 536, 537, 541),
            *range(8174, 8179),
            *range(8290, 8301),
        )
    }
}
CONDITION = ("Oanvänt", "Mycket gott skick", "Gott skick", "Okej skick", "Defekt")
"""Of furniture, as a client read them."""

_SIZES = ("XS", "S", "M", "L", "XL")
_PARTS_LEAVES = frozenset(number for number, _ in _PARTS)


def attribute(number: int, name: str, terms: tuple[str, ...] = (), **fields: Any) -> dict[str, Any]:
    """A definition in the contract's fields; without terms it takes numbers."""
    return {
        "id": number,
        "key": name.lower(),
        "name": name,
        "description": None,
        "attributeType": "Term" if terms else "Number",
        "valueFormatting": None,
        "minNumberOfValues": 0,
        "maxNumberOfValues": 1,
        "possibleTermValues": list(terms) or None,
        **fields,
    }


def _definitions() -> dict[int, list[dict[str, Any]]]:
    """By leaf: *Skick* has another number in another leaf, as a client has seen, and is required of car parts and clothes."""
    skick = attribute(121, "Skick", CONDITION)
    part_makes = ("Volvo", "Saab", "BMW", "Audi", "Volkswagen", "Toyota", "Övriga")
    found = {
        leaf: [
            attribute(2261, "Skick", CONDITION, minNumberOfValues=1),
            attribute(2262, "Bilmärke", part_makes, maxNumberOfValues=3),
            attribute(2263, "Årsmodell", valueFormatting="####"),
        ]
        for leaf in _PARTS_LEAVES
    }
    found |= {
        leaf: [skick, attribute(130, "Bredd", valueFormatting="# cm")] for leaf in (343310, 343311, 343319)
    }
    found |= {
        leaf: [
            attribute(171, "Skick", ("Nytt", *CONDITION[1:]), minNumberOfValues=1),
            attribute(172, "Storlek", _SIZES, minNumberOfValues=1),
            attribute(173, "Märke", ("Fjällräven", "Acne Studios", "H&M", "Filippa K", "Övriga")),
            attribute(174, "Material", ("Bomull", "Ull", "Läder", "Siden"), maxNumberOfValues=2),
        ]
        for leaf in (1001210, 1001211, 1001212, 1001220, 1001221)
    }
    found[1001337] = [
        attribute(125, "Graderingsbolag", ("PSA", "Beckett", "CGC", "ACE", "Övriga")),
        attribute(126, "Betyg", ("10", "9.5", "9", "8.5", "8")),
        attribute(127, "Språk", ("Engelska", "Japanska", "Svenska")),
    ]
    found[302610] = [
        attribute(161, "Språk", ("Svenska", "Engelska", "Tyska")),
        attribute(162, "Skick", CONDITION),
    ]
    return found


@dataclass(frozen=True, slots=True)
class _Product:
    provider: int
    named: str
    number: int
    name: str
    price: int
    days: int | None
    traceable: bool = True

    def shown(self, limit: float) -> dict[str, Any]:
        """In the contract's fields, for parcels up to so many kilograms."""
        return {
            "id": self.number,
            "shippingProvider": self.named,
            "shippingProviderId": self.provider,
            "name": self.name,
            "weight": limit,
            "price": self.price,
            "vatPercent": 25,
            "toCountry": "SE",
            "fromCountry": "SE",
            "packageRequirements": {"maxWeight": limit, "maxLength": 1.2, "restrictions": []},
            "dimensionsExceededPenalty": 100,
            "weightExceededPenalty": 50,
            "displayPenaltyWarning": self.traceable,
            "deliveryInformation": {
                "isTraceable": self.traceable,
                "servicePoint": self.traceable,
                "canChangeServicePoint": False,
                "isParcelBoxDeliveryPossible": False,
                "mailBoxWithServicePointBackup": False,
                "estimatedDeliveryTime": {"minWeekdays": 1, "maxWeekdays": self.days},
                "insurance": {"hasReimbursementUpToPackageCost": self.traceable},
            },
            "termsAndConditions": {},
        }


def _spans() -> list[dict[str, Any]]:
    """The table in the contract's shape: metres and kilograms; provider 6 is a price of the seller's own, at 0."""

    def postnord(price: int) -> _Product:
        return _Product(1, "PostNord", 12, "MyPack Collect", price, 4)

    def dhl(price: int) -> _Product:
        return _Product(2, "DHL", 12, "Service Point", price, 3)

    def instabox(price: int) -> _Product:
        return _Product(19, "Instabox", 301, "Ombud", price, 2)

    stamp = _Product(13, "PostNordStamp", 1, "Frimärke 250 g", 44, 3, traceable=False)
    own = _Product(6, "Alternative", 1, "Egen frakt", 0, None, traceable=False)
    spans = {
        0.25: (stamp, instabox(49)),
        1.0: (postnord(59), instabox(55)),
        2.0: (postnord(69), dhl(65)),
        5.0: (postnord(99), dhl(95)),
        10.0: (postnord(139), _Product(7, "SchenkerPrivpak", 4, "Ombud", 129, 5)),
        20.0: (postnord(199),),
    }
    return [
        {"weight": limit, "products": [each.shown(limit) for each in (*products, own)]}
        for limit, products in spans.items()
    ]


@dataclass(slots=True)
class Catalogue:
    """What may be changed while the simulator runs.

    `spelling` picks the categories' field names, `old_numbers` adds the numbers of rheod's own map, `gone` takes categories
    away with all below them. `only_in_results`: what is wrong with category or attributes is told by the queue, not at create
    (both are likely, neither was seen). `definitions` are by leaf, `spans` is the table of freight.
    """

    spelling: Spelling = "id"
    old_numbers: bool = False
    only_in_results: bool = False
    gone: set[int] = field(default_factory=set)
    definitions: dict[int, list[dict[str, Any]]] = field(default_factory=_definitions)
    spans: list[dict[str, Any]] = field(default_factory=_spans)

    def tree(self) -> list[dict[str, Any]]:
        """The tree as JSON in one of the two spellings that clients have read."""
        return self._nodes({**_TREE, **(_OLD if self.old_numbers else {})})

    def _nodes(self, tree: Tree) -> list[dict[str, Any]]:
        number, name, below = (
            ("id", "name", "childCategories")
            if self.spelling == "id"
            else ("categoryId", "categoryName", "subCategories")
        )
        return [
            {number: each, name: title, below: self._nodes(children or {})}
            for (each, title), children in tree.items()
            if each not in self.gone
        ]

    def is_leaf(self, category_id: int) -> bool | None:
        """Whether ads go into it; None when there is no such category."""
        return dict(_kinds(self.tree())).get(category_id)

    def problem(self, body: Mapping[str, Any]) -> str | None:
        """Why an ad may not go where it wants to, with these attributes; None when it may."""
        leaf = self.is_leaf(body.get("categoryId") or 0)
        if leaf is None:
            return "categoryId is not a known category"  # guessed: clients offer leaves of the tree only
        if not leaf:
            return f"categoryId {body['categoryId']} is not a leaf category"  # guessed, as the above
        return self._attribute_problem(self.definitions.get(body["categoryId"], []), body)

    def _attribute_problem(self, known: list[dict[str, Any]], body: Mapping[str, Any]) -> str | None:
        given = body.get("attributeValues") or {}
        counts: dict[int, int] = {}
        for group, kind in (("terms", "Term"), ("numbers", "Number")):
            for each in given.get(group) or ():
                wanted = next((one for one in known if one["id"] == each.get("id")), None)
                if wanted is None or wanted["attributeType"] != kind:
                    # guessed: an id belongs to its leaf, says the contract of attribute-definitions
                    return f"Attribute {each.get('id')} does not belong to category {body['categoryId']}"
                values = each.get("values") or []
                unknown = [
                    one for one in values if kind == "Term" and one not in wanted["possibleTermValues"]
                ]
                if unknown:  # measured by a client, July 2026: only the terms of the list are taken
                    return f"'{unknown[0]}' is not a possible value of attribute {wanted['name']}"
                counts[wanted["id"]] = counts.get(wanted["id"], 0) + len(values)
        for one in known:  # guessed from the contract's least and most numbers of values
            if counts.get(one["id"], 0) < one["minNumberOfValues"]:
                return f"Attribute {one['name']} is required"
            if counts.get(one["id"], 0) > one["maxNumberOfValues"]:
                return f"Attribute {one['name']} takes at most {one['maxNumberOfValues']} values"
        return None

    def shipping_problem(self, option: Mapping[str, Any]) -> str | None:
        """Why a product of the table is refused: it is not there (guessed), or the weight is more than it takes (guessed)."""
        number, provider = option.get("shippingProductId"), option.get("shippingProviderId")
        if number is None:
            return None
        weight = option.get("shippingWeight") or 0
        found = [
            span["weight"]
            for span in self.spans
            for each in span["products"]
            if (each["shippingProviderId"], each["id"]) == (provider, number)
            and each["price"] == option["cost"]
        ]
        if not found:
            return f"Shipping product {number} of provider {provider} does not exist at this price"
        return None if weight <= max(found) else f"Shipping product {number} takes at most {max(found)} kg"

    def field_values(self) -> dict[str, Any]:
        """`item-field-values`: the rates and the coarse condition stand in the contract, the rest with an older plugin."""
        return {
            "vat": [0, 6, 12, 25],
            "itemAttributes": pairs({1: "Ny", 2: "Begagnad"}),
            "paymentTypes": pairs({4: "Banköverföring", 32: "Kontant", 4096: "Swish"}),
            "shippingTypes": pairs(
                {1: "Posten", 2: "DHL", 6: "Annat fraktsätt", 7: "Schenker", 8: "Avhämtning"}
            ),
        }


BIDDER_TYPES = {1: "Sverige", 3: "Hela världen", 4: "EU"}
"""As the contract says them."""

EXPO_TYPES = {1: "Fetstil (20 kr)", 2: "Utvald (50 kr)"}


def pairs(values: Mapping[int, str]) -> list[dict[str, Any]]:
    """As the contract's `IdDescriptionPair`, which it leaves empty; the names are those of the older API."""
    return [{"id": number, "description": text, "value": None} for number, text in values.items()]


def _kinds(nodes: list[dict[str, Any]]) -> Iterator[tuple[int, bool]]:
    """Every category's number and whether it is a leaf."""
    for node in nodes:
        number, _, below = node.values()
        yield number, not below
        yield from _kinds(below)
