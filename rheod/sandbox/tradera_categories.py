"""The simulator's small category tree: which ids exist and which of them may carry a listing.

Only leaves take listings, as at Tradera. The ids of the conversion map (rheo-api.md section 3) are
leaves here; names are readable ones of ours.
"""

from __future__ import annotations

from typing import Any, Literal

Spelling = Literal["id", "categoryId"]

_TREE: dict[tuple[int, str], dict[int, str]] = {
    (10, "Fordon, båtar & delar"): {520: "Fordon", **{n: f"Bildelar {n}" for n in range(8290, 8301)}},
    (20, "Antikt, konst & samlarobjekt"): {516: "Konst", 536: "Samlarföremål"},
    (30, "Hem & hushåll"): {529: "Hem & trädgård", 541: "Verktyg", 302571: "Rörstrand"},
    (40, "Kläder & smycken"): {
        530: "Mode",
        531: "Klockor",
        537: "Skönhet",
        **{n: f"Smycken {n}" for n in range(8174, 8179)},
    },
    (50, "Teknik"): {523: "Industri", 524: "Datorer", 525: "Elektronik"},
    (60, "Fritid"): {517: "Leksaker", 521: "Böcker", 527: "Sport", 533: "Spel", 535: "Musik"},
    (70, "Övrigt"): {344481: "Testauktioner", 344482: "Övrigt"},
}
LEAVES = frozenset(leaf for leaves in _TREE.values() for leaf in leaves)
PARENTS = frozenset(parent for parent, _ in _TREE)


def category_tree(spelling: Spelling = "id") -> list[dict[str, Any]]:
    """Give the tree as JSON in one of the two spellings seen in the wild (tradera-v4.md section 9)."""
    return [
        _node(spelling, parent, name, [_node(spelling, leaf, text, []) for leaf, text in leaves.items()])
        for (parent, name), leaves in _TREE.items()
    ]


def _node(spelling: Spelling, number: int, name: str, children: list[dict[str, Any]]) -> dict[str, Any]:
    if spelling == "id":
        return {"id": number, "name": name, "childCategories": children}
    return {"categoryId": number, "categoryName": name, "subCategories": children}
