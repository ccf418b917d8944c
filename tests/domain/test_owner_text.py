"""What an owner writes: text as it is meant, ids that look the same, and the check of an ad before it goes out.

Thirty sentences break a rule, thirty only look like it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from rheod.domain.owner_text import (
    AdRule,
    AdWords,
    check_ad,
    fault_of_new_id,
    meant,
    same_looking,
    shows_something,
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "\u200b\u200b",
        "\u00ad\u00ad",
        "\u3164\u115f\u1160\uffa0",
        "\ufeff \u2060",
        "\u2800",
        "\u00a0\u3000",
    ],
)
def test_nothing_is_to_be_seen(text: str) -> None:
    """Zero width, soft hyphens, Hangul fillers, marks and spaces alone are no title."""
    assert not shows_something(text)


@pytest.mark.parametrize("text", ["a", "\u200bå", "한", "👩\u200d🔧", "\u0301", "-"])
def test_something_is_to_be_seen(text: str) -> None:
    """One visible character is enough, in any script."""
    assert shows_something(text)


@pytest.mark.parametrize(
    "external_id",
    [
        "\ufeffART-1",
        "ART\u200b-1",
        "ART-1 ",
        " ART-1",
        "ART-1\u00a0",
        "A\u200eRT-1",
        "ART-1\ufe0f",
        "ART\u00ad-1",
    ],
)
def test_a_new_id_shows_all_it_has(external_id: str) -> None:
    """What cannot be seen is refused, and looks the same as the id without it."""
    assert fault_of_new_id(external_id)
    assert same_looking(external_id) == "ART-1"


@pytest.mark.parametrize("external_id", ["ART-1", "A B", "å/ö", "o\u0308", "漢字", "😀", "a\u3000b"])
def test_an_ordinary_id_is_new_in_any_script(external_id: str) -> None:
    """Spaces within, letters in one code point or two."""
    assert fault_of_new_id(external_id) is None


def test_every_byte_of_windows_is_read_or_dropped() -> None:
    """U+0080 to U+009F are never left in a text."""
    text = meant("".join(map(chr, range(0x80, 0xA0))))
    assert (text[0], text[2], len(text)) == ("€", "ƒ", 27)


AD = AdWords(title="Bromsok vänster fram", freight_kr=69, price_kr=100)

BREAKS: list[tuple[AdRule, str]] = [
    (AdRule.LINK, "Mer om delen på https://minbutik.example/delar"),
    (AdRule.LINK, "Se fler delar på www.bildelar-syd.se"),
    (AdRule.LINK, "Vi har allt på bildelarsyd.se, välkommen in"),
    (AdRule.LINK, "Watch the engine run: youtube.com/watch?v=abc"),
    (AdRule.LINK, "More photos at my-shop.co"),
    (AdRule.PHONE, "Ring 070-123 45 67 för mer info"),
    (AdRule.PHONE, "Frågor? Sms till 0731234567"),
    (AdRule.PHONE, "Nås på +46 70 123 45 67 efter fem"),
    (AdRule.PHONE, "Call me at 08-123 456 78 before bidding"),
    (AdRule.PHONE, "Tel 0411-123 45"),
    (AdRule.MAIL, "Maila anna.svensson@example.se vid frågor"),
    (AdRule.MAIL, "Write to parts@example.com for more pictures"),
    (AdRule.MAIL, "Nås på anna(at)example.se"),
    (AdRule.MARKETPLACE, "Finns även på Blocket"),
    (AdRule.MARKETPLACE, "Samma sak ligger ute på Facebook Marketplace"),
    (AdRule.MARKETPLACE, "Also listed on eBay, so it may end early"),
    (AdRule.MARKETPLACE, "Säljs billigare på Vinted"),
    (AdRule.MARKETPLACE, "See my other things on Etsy"),
    (AdRule.FREIGHT, "Frakt 49 kr tillkommer"),
    (AdRule.FREIGHT, "Porto: 120:-"),
    (AdRule.FREIGHT, "Fri frakt inom Sverige!"),
    (AdRule.FREIGHT, "Free shipping to all of Sweden"),
    (AdRule.FREIGHT, "Shipping is 89 SEK"),
    (AdRule.FREIGHT, "Endast avhämtning i Lund"),
    (AdRule.FREIGHT, "Pickup only, too heavy to send"),
    (AdRule.MINIMUM, "Lägsta pris 500 kr"),
    (AdRule.MINIMUM, "Säljs inte under 1 200 kr"),
    (AdRule.MINIMUM, "Minimum price 400 SEK"),
    (AdRule.MINIMUM, "I won't sell for less than 300 kr"),
    (AdRule.MINIMUM, "Annonsen har ett reservationspris"),
]

HARMLESS: list[str] = [
    "Bra skick.Se bilder för detaljer",
    "Passar t.ex. Volvo V70 m.fl. modeller",
    "Se mina andra annonser på tradera.com/profile/items/42",
    "Mått ca 4.5 x 2.0 cm, vikt 1.2 kg",
    "Slitet men helt.Se foto 3",
    "OEM-nummer 31400452, Bosch 0261230083",
    "Art.nr 0732123456 står på lådan",
    "Delnummer: 0986 478 123",
    "Mäter 070-120 cm i midjan",
    "Part number 0445010 512, tested and working",
    "ISBN 9789100123456, inbunden",
    "Skriv gärna om du undrar över något",
    "Motorn @ 2000 varv går fint",
    "Köpt på Blocket 2019, använd sällan",
    "Blocket har inga sprickor, locket är planat",
    "Sprickor på blocket finns inte heller",
    "Volvo Amazon 1966, emblem i krom",
    "Bought on eBay from Germany last year",
    "En låda med plick och plock",
    "Frakt 69 kr med PostNord",
    "Frakten är 69:- spårbart, eller 49 kr som brev",
    "Samfraktar gärna, frakten räknas om efteråt",
    "Fraktas inom två dagar efter betalning",
    "Can also be picked up in Lund",
    "Shipping 69 SEK, sent the next day",
    "Lägsta växeln är lite trög",
    "Minst 40 delar i lådan",
    "Utrop 100 kr, lägst 100 kr",
    "Nypriset var 1 200 kr, kvitto finns",
    "At least 30 years old, from my grandfather",
]


@pytest.mark.parametrize(("rule", "sentence"), BREAKS)
def test_what_breaks_a_rule_is_found(rule: AdRule, sentence: str) -> None:
    """It alone, with a sentence that says what."""
    assert list(check_ad(replace(AD, text=sentence))) == [rule]


@pytest.mark.parametrize("sentence", HARMLESS)
def test_what_is_harmless_is_left_alone(sentence: str) -> None:
    """Part numbers, engine blocks, and full stops without a space."""
    assert check_ad(replace(AD, text=sentence)) == {}


def test_the_sentences_are_sixty() -> None:
    """Half of them harmless."""
    assert (len(set(BREAKS)), len(set(HARMLESS))) == (30, 30)


@pytest.mark.parametrize(
    ("title", "shouts"),
    [
        ("BROMSOK VÄNSTER FRAM", True),
        ("SÄLJES BILLIGT!", True),
        ("BMW E46 M3 ABS ECU", False),
        ("IKEA POÄNG fåtölj", False),
        ("LEGO 75192", False),
        ("Bromsok BOSCH original", False),
    ],
)
def test_a_title_that_shouts(title: str, shouts: bool) -> None:  # noqa: FBT001 - a column of the table
    """Names and abbreviations do not."""
    assert (AdRule.CAPITALS in check_ad(replace(AD, title=title))) is shouts


def test_a_business_may_be_called_and_written_to() -> None:
    """But it may not link."""
    text = "Ring 070-123 45 67 eller maila order@example.se, se www.example.se"
    assert list(check_ad(replace(AD, text=text, private=False))) == [AdRule.LINK]


def test_what_is_known_beside_the_words() -> None:
    """The freight as the ad has it, a reserve price, pictures, and how many of its kind are up."""
    assert check_ad(replace(AD, text="Frakt 49 kr", freight_kr=None)) == {}
    assert list(check_ad(replace(AD, text="Frakt 49 kr", sent=False))) == [AdRule.FREIGHT]
    assert check_ad(replace(AD, text="Endast avhämtning", sent=False)) == {}
    assert check_ad(replace(AD, text="Lägsta pris 500 kr", reserve=True)) == {}
    assert list(check_ad(replace(AD, pictures=0, identical=5))) == [AdRule.NO_PICTURE, AdRule.IDENTICAL]
    assert check_ad(replace(AD, identical=4)) == {}


def test_the_sentence_says_what_was_found() -> None:
    """So that its owner can take it out."""
    said = check_ad(replace(AD, text="Frakt 49 kr. Ring 070-123 45 67, se www.example.se."))
    assert list(said.values()) == [
        "A link in the ad (www.example.se): Tradera allows links to itself alone",
        "A telephone number in the ad of a private seller: 070-123 45 67",
        "The text says 49 kr for the freight, the ad says 69 kr",
    ]
