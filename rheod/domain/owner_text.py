"""What an owner writes: the text as it is meant, ids that only look the same, and what in an ad breaks Tradera's rules.

An owner's text comes from files of many origins: letters in two code points from a Mac, Windows-1252 read as Latin-1, byte
order marks at the start of a CSV. Two ids that look the same name one thing, and two ads of one thing are sold twice.

The check of an ad finds what works against its owner too, before it goes out. It is careful rather than complete: a part
number is no telephone number, and *bought on Blocket* no advertisement for it. Pure; words only, no calls.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from rheod.domain.errors import Text

INVISIBLE_RANGES = (
    (0xAD, 0xAD),  # soft hyphen
    (0x34F, 0x34F),
    (0x61C, 0x61C),
    (0x115F, 0x1160),  # Hangul fillers
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width, direction marks
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x2800, 0x2800),  # the Braille pattern without dots
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
"""Code points that show nothing (Unicode's Default_Ignorable_Code_Point, and the empty Braille pattern)."""

SPACE_RANGES = (
    (0xA0, 0xA0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
"""The spaces beyond ASCII: at the end of an id they cannot be seen either."""

_INVISIBLE = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in INVISIBLE_RANGES) + "]")
_OVERRIDES = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""What turns the order of the characters after it, also of those that somebody else wrote."""

_WINDOWS = {
    code: bytes([code]).decode("cp1252", errors="ignore")  # five of them mean nothing in Windows-1252 either
    for code in range(0x80, 0xA0)
}
_MEANT = _WINDOWS | {0x0B: " ", 0x0C: " "}
_TO_MEND = re.compile("[\x0b\x0c\x80-\x9f\u202a-\u202e\u2066-\u2069]")


def meant(text: str) -> str:
    """The text as it was meant, in NFC.

    Vertical tab and form feed count as a space, U+0080 to U+009F are the characters of Windows-1252, and what turns the
    direction of writing is dropped.
    """
    if text.isascii() and text.isprintable():
        return text
    if _TO_MEND.search(text):
        text = _OVERRIDES.sub("", text.translate(_MEANT))
    return unicodedata.normalize("NFC", text)


def shows_something(text: str) -> bool:
    """Whether there is anything to see in the text."""
    if text.isascii() and text.isprintable():
        return bool(text.strip())
    return any(
        not (each.isspace() or unicodedata.category(each) == "Cc") for each in _INVISIBLE.sub("", text)
    )


def same_looking(external_id: str) -> str:
    """What an id shows: two ids for which this is the same cannot be told apart by eye."""
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", external_id)).strip()


def fault_of_new_id(external_id: str) -> Text | None:
    """Why no new item may have this id, though one that has it stays reachable; None when it may."""
    if external_id.isascii() and external_id.isprintable():
        return _SPACES if external_id != external_id.strip() else None
    if _INVISIBLE.search(external_id):
        return Text("Must not contain characters that cannot be seen, such as a byte order mark")
    return _SPACES if external_id != external_id.strip() else None


_SPACES = Text("Must not begin or end with a space")


MOST_IDENTICAL = 5
"""Tradera takes so many running ads of the same title, text and price from one account."""


class AdRule(StrEnum):
    """What is looked for."""

    LINK = "link"
    PHONE = "phone"
    MAIL = "mail"
    MARKETPLACE = "marketplace"
    FREIGHT = "freight"
    MINIMUM = "minimum"
    CAPITALS = "capitals"
    NO_PICTURE = "no_picture"
    IDENTICAL = "identical"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdWords:
    """An ad as it is looked at. `text` is plain, with all that is added to it; amounts are whole kronor.

    `freight_kr` None: nobody knows it yet; `sent` False: pickup only. `reserve` is whether it has a reserve price, or
    needs none: a fixed price. `identical` counts the account's other running ads of the same title, text and price.
    """

    title: str
    text: str = ""
    private: bool = True
    freight_kr: int | None = None
    sent: bool = True
    price_kr: int = 1
    reserve: bool = False
    pictures: int = 1
    identical: int = 0


def check_ad(ad: AdWords) -> dict[AdRule, Text]:
    """What is wrong with the ad, one sentence for each rule it breaks, in the order of the rules."""
    found = dict(_found(ad))
    return {rule: found[rule] for rule in AdRule if rule in found}


def _found(ad: AdWords) -> Iterator[tuple[AdRule, Text]]:
    whole = f"{ad.title}\n{ad.text}"
    if link := _link(_MAIL.sub(" ", whole)):
        yield AdRule.LINK, Text("A link in the ad ({link}): Tradera allows links to itself alone", link=link)
    if ad.private and (phone := _phone(whole)):
        yield AdRule.PHONE, Text("A telephone number in the ad of a private seller: {phone}", phone=phone)
    if ad.private and (mail := _MAIL.search(whole)):
        yield AdRule.MAIL, Text("A mail address in the ad of a private seller: {mail}", mail=mail[0])
    if market := _marketplace(whole):
        yield AdRule.MARKETPLACE, Text("The ad points to another marketplace: {name}", name=market)
    if freight := _freight(ad):
        yield AdRule.FREIGHT, freight
    if named := _minimum(ad):
        yield (
            AdRule.MINIMUM,
            Text("The ad names a lowest price ({words}), but it has no reserve price", words=named),
        )
    shouted = _LONG_WORD.findall(ad.title)
    capitals = all(word.isupper() for word in shouted) and len("".join(shouted)) >= _MANY_CAPITALS
    if len(shouted) > 1 and capitals:  # a name of one word, or IKEA and its chair, does not shout
        yield AdRule.CAPITALS, Text("The title is in capitals")
    if not ad.pictures:
        yield AdRule.NO_PICTURE, Text("The ad has no picture")
    if ad.identical >= MOST_IDENTICAL:
        yield (
            AdRule.IDENTICAL,
            Text("Five ads of the same title, text and price are up already, and Tradera takes no more"),
        )


_ENDINGS = "se|com|nu|net|org|eu|dk|no|fi|de|shop|io|co|info"
_LINK = re.compile(
    rf"(?:https?://|www\.)\S+|(?<![\w@.-])[a-zåäö0-9][\w-]*(?:\.[a-z0-9-]+)*\.(?:{_ENDINGS})(?![\w@-]|\.\w)(?:/\S*)?",
    re.IGNORECASE,
)
_OURS = re.compile(r"^(?:https?://)?(?:[\w-]+\.)*tradera\.(?:com|se)(?:/|$)", re.IGNORECASE)
_AFTER_FULL_STOP = re.compile(
    r"\.(?:se\s+(?:bild|foto|text|även|min|mitt|övriga|nedan|mer|annons|film)|no\s+\w|de\s+\w|co\s+\w)",
    re.IGNORECASE,
)
"""A sentence that follows without a space: *bra skick.Se bilder*."""


def _link(whole: str) -> str | None:
    for link in _LINK.finditer(whole):
        bare = not link[0].lower().startswith(("http", "www."))
        dot = link.start() + link[0].rfind(".")
        if bare and "/" not in link[0] and _AFTER_FULL_STOP.match(whole, dot):
            continue
        if not _OURS.match(link[0].rstrip(".,;)")):
            return link[0].rstrip(".,;)")
    return None


_MAIL = re.compile(r"[\w.+-]+\s?(?:@|\(at\)|\[at\]|\(a\)|snabel-?a)\s?[\w-]+\.[a-z]{2,}", re.IGNORECASE)
_MOBILE = re.compile(r"(?<![\w./-])(?:(?:\+|00)46[\s-]?(?:\(0\))?|0)7[02369](?:[\s-]?\d){7}(?![\w-])")
_LANDLINE = re.compile(
    r"(?<![\w./-])(?:\+46\s?\d{1,3}|0\d{1,3})\s?[-/\s]\s?\d{2,3}(?:\s?\d{2,3}){1,3}(?![\w-])"
)
_SPACED = re.compile(r"0\d{1,3}\s?[-/]\s?\d{2,3}(?: \d{2,3}){1,3}|\+46\s?\d")
_CONTACT = re.compile(
    r"\b(?:ring\w*|tel|telefon\w*|tfn|sms\w*|mobil\w*|mob|whatsapp|call|phone|text|nås|kontakt\w*|swish\w*)\b",
    re.IGNORECASE,
)
_NUMBERED = re.compile(
    r"\b(?:oem\w*|art\w*|ref\w*|nr|no|nummer|part\w*|del\w*|bosch\w*|isbn\w*|ean\w*|serie\w*|kod\w*|org\w*|modell\w*)\b[\s.:#/-]*(?:nr|no|nummer|number)?[\s.:#]*$",
    re.IGNORECASE,
)


def _phone(whole: str) -> str | None:
    """A telephone number as they are written in Sweden: not one that is introduced as the number of a part."""
    for pattern in (_MOBILE, _LANDLINE):
        for number in pattern.finditer(whole):
            before = whole[max(0, number.start() - 40) : number.start()]
            called = _CONTACT.search(before) is not None
            if not called and _NUMBERED.search(before):
                continue
            if called or pattern is _MOBILE or _SPACED.match(number[0]):
                return number[0].strip()
    return None


_MARKETS = re.compile(
    r"\b(?:ebay|vinted|sellpy|etsy|facebook(?:\s?marketplace)?|marketplace|klaravik|blocket\.se|blocketannons\w*|shpock|plick|blocket|amazon)\b",
    re.IGNORECASE,
)
_WORDS_TOO = frozenset({"blocket", "plick", "amazon"})
"""An engine's block, odds and ends, a Volvo: a marketplace only where the sentence sells."""
_SELLS = re.compile(
    r"\b(?:annons\w*|säljs|ligger\s+(?:även|också)?\s*ute|finns\s+(?:även|också)|till\s+salu|även|också|listed|also|for\s+sale|cheaper|billigare|auction)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:på|via|hos|on|at|from)\s+$", re.IGNORECASE)
_BOUGHT = re.compile(
    r"\b(?:köpt\w*|inköpt\w*|fyndad\w*|bought|purchased|hämtad\w*|betygen?|recension\w*)\b", re.IGNORECASE
)


def _marketplace(whole: str) -> str | None:
    for market in _MARKETS.finditer(whole):
        begin = max(whole.rfind(mark, 0, market.start()) for mark in ".!?\n") + 1
        ends = [at for mark in ".!?\n" if (at := whole.find(mark, market.end())) >= 0]
        sentence = whole[begin : min(ends, default=len(whole))]
        sells = _SELLS.search(sentence) is not None
        if _BOUGHT.search(sentence) and not sells:
            continue
        if market[0].lower() in _WORDS_TOO and not (sells and _PLACE.search(whole[begin : market.start()])):
            continue
        return market[0]
    return None


_KRONOR = r"(\d{1,3}(?:[ .]?\d{3})?|\d{1,5})\s?(?::-|kr\b|kronor\b|sek\b|;-)"
_FREIGHT_SUM = re.compile(
    rf"\b(?:frakt(?:en|kostnad\w*|pris\w*)?|porto\w*|shipping|postage|delivery)\b[^.!?\n\d]{{0,30}}{_KRONOR}",
    re.IGNORECASE,
)
_FREIGHT_FREE = re.compile(
    r"\b(?:fri|gratis)\s?frakt\b|\bfraktfritt\b|\bfrakt(?:en)?\s+(?:ingår|bjuder|bjuds)\b|\bfree\s+(?:shipping|postage|delivery)\b|\bshipping\s+(?:is\s+)?included\b",
    re.IGNORECASE,
)
_PICKUP = re.compile(
    r"\b(?:endast|enbart|bara)\s+(?:av)?hämt\w*|\b(?:skickas|fraktas|postas)\s+(?:ej|inte)\b|\bpick-?up\s+only\b|\b(?:no|cannot\s+offer)\s+shipping\b",
    re.IGNORECASE,
)


def _freight(ad: AdWords) -> Text | None:
    """Where the text promises another freight than the buyer is asked for."""
    named = [int(re.sub(r"\D", "", each[1])) for each in _FREIGHT_SUM.finditer(ad.text)]
    free = _FREIGHT_FREE.search(ad.text) is not None
    if ad.sent and _PICKUP.search(ad.text):
        return Text("The text says that it must be fetched, but the ad offers to send it")
    if not ad.sent:
        says_sent = bool(named) or free
        return Text("The text names a freight, but the ad offers pickup only") if says_sent else None
    if ad.freight_kr is None:
        return None
    if free and ad.freight_kr > 0 and not named:
        return Text("The text says that the freight is free, the ad says {kr} kr", kr=ad.freight_kr)
    if named and ad.freight_kr not in named:
        return Text(
            "The text says {named} kr for the freight, the ad says {kr} kr", named=named[0], kr=ad.freight_kr
        )
    return None


_LOWEST = (
    r"lägst(?:a\s+(?:pris|bud))?|minst(?:a\s+(?:pris|bud))?|minimi(?:pris|bud)|min\.?\s?pris"
    r"|(?:säljs|säljes|säljer|går)\s+(?:ej|inte)\s+(?:bort\s+)?under|(?:ej|inte|inga)\s+bud\s+under"
    r"|minimum\s+(?:price|bid)|lowest\s+(?:price|offer)|at\s+least"
    r"|won'?t\s+sell\s+(?:for\s+less\s+than|below|under)|not\s+(?:be\s+)?sold\s+(?:below|under)"
)
_MINIMUM = re.compile(
    rf"\b(?:{_LOWEST})\b(?![^.!?\n]{{0,20}}\b(?:nätet|butik|marknaden|online))[^.!?\n\d]{{0,20}}{_KRONOR}",
    re.IGNORECASE,
)
_RESERVED = re.compile(
    r"\b(?:har|finns|has|there\s+is)\s+(?:ett\s+|a\s+)?(?:reservationspris|reserve(?:\s+price)?)\b"
    r"|\breservationspris\s+finns\b",
    re.IGNORECASE,
)


def _minimum(ad: AdWords) -> str | None:
    if ad.reserve:
        return None
    for named in _MINIMUM.finditer(ad.text):
        if int(re.sub(r"\D", "", named[1])) > ad.price_kr:
            return named[0]
    reserved = _RESERVED.search(ad.text)
    return reserved and reserved[0]


_LONG_WORD = re.compile(r"[^\W\d_]{4,}")
_MANY_CAPITALS = 12
