"""The domains of the wire: every slug and alias, the category map in both directions."""

from __future__ import annotations

import pytest

from rheod.domain.taxonomy import DOMAINS, TRADERA_CATEGORIES, canonical, tradera_category

LABELS = """Bildelar, Fordon, Elektronik, Datorer, Mode, Böcker & Media, Klockor, Hem & Trädgård,
Konst & Antikviteter, Sport & Fritid, Leksaker & Spel, Verktyg & Maskiner, Smycken, Musikinstrument, Samlarföremål,
Skönhet & Hälsa, Industri & Kommersiellt, Övrigt""".replace("\n", " ").split(", ")


def test_there_are_eighteen_domains_with_the_labels_of_the_contract() -> None:
    """The Swedish labels are those of the API, one each."""
    assert len(DOMAINS) == 18
    assert [domain.label_sv for domain in DOMAINS.values()] == LABELS
    assert all(slug == domain.slug and domain.label_en for slug, domain in DOMAINS.items())


def test_figures_have_their_own_names_for_three_domains() -> None:
    """Analytics says Reservdel, Elektronik and Kläder, and the Swedish label for the others."""
    assert DOMAINS["auto_parts"].analytics_label == "Reservdel"
    assert DOMAINS["electronics"].analytics_label == "Elektronik"
    assert DOMAINS["fashion"].analytics_label == "Kläder"
    assert DOMAINS["home_garden"].analytics_label == "Hem & Trädgård"


@pytest.mark.parametrize(
    ("tag", "slug"),
    [
        ("auto_parts", "auto_parts"),
        ("Auto-Parts", "auto_parts"),
        ("AUTO PARTS", "auto_parts"),
        ("car-parts", "auto_parts"),
        ("Reservdel", "auto_parts"),
        ("hem-tradgard", "home_garden"),
        ("home", "home_garden"),
        ("clothing", "fashion"),
        ("media", "books"),
        ("", "other"),
        ("generic", "other"),
        (" Electronics ", "electronics"),
    ],
)
def test_a_tag_is_read_forgivingly(tag: str, slug: str) -> None:
    """Case, dashes, spaces and aliases all lead to the slug."""
    assert canonical(tag) == slug


@pytest.mark.parametrize("tag", ["spaceships", "auto__parts", "böcker", "auto.parts"])
def test_an_unknown_tag_has_no_slug(tag: str) -> None:
    """What the contract does not list is left to the caller to refuse."""
    assert canonical(tag) is None


@pytest.mark.parametrize(
    ("category", "slug"),
    [
        (525, "electronics"),
        (534, "electronics"),
        (533, "toys"),
        (8174, "jewelry"),
        (8178, "jewelry"),
        (8290, "auto_parts"),
        (8300, "auto_parts"),
    ],
)
def test_a_category_of_tradera_has_its_slug(category: int, slug: str) -> None:
    """Single numbers and both ends of the ranges are in the map."""
    assert TRADERA_CATEGORIES[category] == slug


def test_numbers_beside_the_ranges_are_not_in_the_map() -> None:
    """The ranges end where the contract says."""
    assert not {8173, 8179, 8289, 8301, 0} & TRADERA_CATEGORIES.keys()


def test_every_slug_but_other_leads_to_a_category_and_back() -> None:
    """The way to Tradera and the way back agree; `other` has no category."""
    assert tradera_category("other") is None
    for slug in DOMAINS.keys() - {"other"}:
        category = tradera_category(slug)
        assert category is not None
        assert TRADERA_CATEGORIES[category] == slug
    assert tradera_category("toys") == 517
