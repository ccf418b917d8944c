"""Bodies: what is valid becomes domain values, and every wrong field of what is not gets its own sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rheod.api import item_body, management
from rheod.api.item_parts import RICH
from rheod.api.json_body import parse
from rheod.domain.ad_text import spec_lines
from rheod.domain.categories import DOMAINS
from rheod.domain.errors import Refused
from rheod.domain.model import ItemSpec, ItemType, TraderaWish


def check_url(url: str) -> str | None:
    return None if url.startswith("https://") else "Must be an HTTPS URL"


def read(**changes: Any) -> ItemSpec:
    """Reads a good body with changes; `...` takes a field away."""
    body = {"title": "Bromsok fram", "price": 950} | changes
    return item_body.read_item({k: v for k, v in body.items() if v is not ...}, check_url=check_url)


def wrong(**changes: Any) -> dict[str, str]:
    """The wrong fields of a body."""
    with pytest.raises(Refused) as caught:
        read(**changes)
    assert (caught.value.code, str(caught.value)) == ("VALIDATION_FAILED", "Validation failed")
    return {one.field: one.message for one in caught.value.details}


def test_the_smallest_item_gets_the_documented_defaults() -> None:
    """Title and price are enough; everything else has the default of the contract."""
    assert read() == ItemSpec(title="Bromsok fram", price_ore=95000, image_urls=None)


def test_a_whole_item_is_read_into_our_units() -> None:
    """Money becomes öre, times ms, and objects stay as they were."""
    spec = read(
        description="Testad.\nSkick B.",
        price=950.5,
        shippingCost=149,
        shippingStrategy="fixed",
        weightKg=3.2,
        currency="SEK",
        imageUrls=["https://cdn.example.com/1.jpg"],
        domain={"domain": "electronics", "memoryGb": 256, "ownField": [1, None]},
        schemaVersion="2.1.0-beta.1",
        parentExternalId="VIN-1",
        metadata={"a": {"b": [1, 2.5, None]}},
        externalReference="REF",
        source="erp",
        autoPublishTradera=True,
        useAiEnhancement=True,
        tradera={"categoryId": 52, "buyItNowPrice": 1200, "startAt": "2026-05-26T12:00:00+02:00"},
    )
    assert spec == ItemSpec(
        title="Bromsok fram",
        description="Testad.\nSkick B.",
        price_ore=95050,
        shipping_cost_ore=14900,
        shipping_strategy="fixed",
        weight_kg=3.2,
        image_urls=("https://cdn.example.com/1.jpg",),
        domain="electronics",
        attributes={"memoryGb": 256, "ownField": [1, None]},
        schema_version="2.1.0-beta.1",
        parent_external_id="VIN-1",
        metadata={"a": {"b": [1, 2.5, None]}},
        external_reference="REF",
        source="erp",
        auto_publish=True,
        use_ai=True,
        tradera=TraderaWish(category_id=52, buy_it_now_ore=120000, start_at=1_779_789_600_000),
    )


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"reservePrice": 950}, "tradera.reservePrice"),
        ({"reservePrice": 950.4}, "tradera.reservePrice"),
        ({"buyItNowPrice": 900}, "tradera.buyItNowPrice"),
        ({"reservePrice": 1200, "buyItNowPrice": 1200}, "tradera.buyItNowPrice"),
        ({"durationDays": 15}, "tradera.durationDays"),
        ({"attributes": {"Skick": True}}, "tradera.attributes.Skick"),
        ({"attributes": {"Skick": {"a": 1}}}, "tradera.attributes.Skick"),
        ({"attributes": ["Skick"]}, "tradera.attributes"),
    ],
)
def test_what_tradera_never_takes_is_refused_at_the_door(wish: dict[str, Any], field: str) -> None:
    """Wrong types, and numbers that no setting or definition can make right."""
    assert set(wrong(price=950, tradera=wish)) == {field}


def test_attributes_are_kept_as_they_are_given() -> None:
    """By name or number; words, numbers and lists of them. A fixed price has no reserve to compare."""
    given = {"Skick": "Gott skick", "121": ["a", 2], "Bredd": 42.5}
    spec = read(price=950, tradera={"attributes": given, "listingType": "fixed_price", "reservePrice": 1})
    assert spec.tradera == TraderaWish(attributes=given, listing_type="fixed_price", reserve_ore=100)


@pytest.mark.parametrize(
    ("price", "message"),
    [
        ("950", "Must be a number"),
        (True, "Must be a number"),
        ([950], "Must be a number"),
        (0, "Must be at least 1"),
        (0.99, "Must be at least 1"),
        (-5, "Must be at least 1"),
        (10_000_000.01, "Must be at most 10000000"),
        (10**400, "Must be at most 10000000"),
        (float("inf"), "Must be a finite number"),
        (None, "Required"),
        (..., "Required"),
    ],
)
def test_a_price_that_is_none_is_told_why(price: Any, message: str) -> None:
    """Strict numbers from 1 to ten millions, and nothing else."""
    assert wrong(price=price) == {"price": message}


@pytest.mark.parametrize(
    ("price", "ore"),
    [
        (1, 100),
        (1.0, 100),
        (19.99, 1999),
        (0.1 + 0.9, 100),
        (10_000_000, 1_000_000_000),
        (1e2, 10000),
        (1187.375, 118738),
        (1.005, 101),
        (1.004999, 100),
    ],
)
def test_a_price_is_kept_to_the_ore(price: float, ore: int) -> None:
    """No rounding error creeps in between the JSON and the öre; what an ERP multiplies is rounded half up."""
    assert read(price=price).price_ore == ore


@given(st.integers(min_value=100, max_value=1_000_000_000))
def test_every_price_in_ore_survives_the_wire(ore: int) -> None:
    """Any price of the allowed range, written as JSON, is read back exactly."""
    body = parse(json.dumps({"price": ore / 100}).encode())
    assert item_body.read_price(body) == ore


def test_a_containers_price_is_ignored_whatever_it_is() -> None:
    """Containers have no price, and a nonsense one does not spoil them."""
    spec = read(type="container", price="free")
    assert (spec.type, spec.price_ore) == (ItemType.CONTAINER, None)


def test_every_wrong_field_is_listed_with_its_path() -> None:
    """One answer tells all that is wrong, nested fields and list places included, and never what was sent."""
    found = wrong(
        title="x",
        description=5,
        price="950",
        shippingCost=-1,
        shippingStrategy="drone",
        weightKg=-0.1,
        currency="EUR",
        imageUrls=["http://shop.example/secret.jpg", 5, "https://ok.example/1.jpg"],
        domain={"domain": "auto_parts", "vehicle": {"year": "2018"}, "part": {"catalogCodes": {"tecdoc": 5}}},
        schemaVersion="one",
        type="thing",
        parentExternalId="",
        metadata={"big": "x" * 1025, "fine": 1},
        externalReference="x" * 256,
        autoPublishTradera="yes",
        useAiEnhancement=1,
        tradera={
            "categoryId": "5",
            "condition": "broken",
            "reservePrice": 0.5,
            "startAt": "soon",
            "restarts": -1,
        },
    )
    assert found == {
        "title": "Must be at least 2 characters",
        "description": "Must be a string",
        "price": "Must be a number",
        "shippingCost": "Must be at least 0",
        "shippingStrategy": "Must be 'integrated', 'seller_shipped', 'fixed' or 'pickup_only'",
        "weightKg": "Must be at least 0",
        "currency": "Must be 'SEK'",
        "imageUrls.0": "Must be an HTTPS URL",
        "imageUrls.1": "Must be a string",
        "domain.vehicle.year": "Must be a whole number",
        "domain.part.catalogCodes.tecdoc": "Must be a string",
        "schemaVersion": "Must be a version such as 1.0.0",
        "type": "Must be 'item' or 'container'",
        "parentExternalId": "Must not be empty",
        "metadata.big": "Must be at most 1024 characters",
        "externalReference": "Must be at most 255 characters",
        "autoPublishTradera": "Must be true or false",
        "useAiEnhancement": "Must be true or false",
        "tradera.categoryId": "Must be a whole number",
        "tradera.condition": "Must be 'new' or 'used'",
        "tradera.reservePrice": "Must be at least 1",
        "tradera.startAt": "Must be an RFC 3339 time such as 2026-05-26T10:00:00Z",
        "tradera.restarts": "Must be at least 0",
    }
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"title": ...}, "title", "Required"),
        ({"title": None}, "title", "Required"),
        ({"title": "x" * 256}, "title", "Must be at most 255 characters"),
        ({"title": "   "}, "title", "Must be at least 2 characters"),
        ({"description": "x" * 10_001}, "description", "Must be at most 10000 characters"),
        ({"imageUrls": ["https://a.example/1.jpg"] * 11}, "imageUrls", "Must have at most 10 entries"),
        ({"imageUrls": "https://a.example/1.jpg"}, "imageUrls", "Must be a list"),
        ({"images": ["ftp://a.example"]}, "images.0", "Must be an HTTPS URL"),
        ({"image_urls": ["ftp://a.example"]}, "image_urls.0", "Must be an HTTPS URL"),
        ({"metadata": []}, "metadata", "Must be an object"),
        ({"metadata": {str(n): n for n in range(51)}}, "metadata", "Must have at most 50 keys"),
        (
            {"metadata": {"k": {"deep": "a\x00b"}}},
            "metadata.k.deep",
            "Must not contain control characters or broken Unicode",
        ),
        (
            {"metadata": {"k": 1, "a\udc80": 1}},
            "metadata",
            "Keys must not contain control characters or broken Unicode",
        ),
        ({"title": "ok\x0e"}, "title", "Must not contain control characters or broken Unicode"),
        ({"title": "ok\ud800"}, "title", "Must not contain control characters or broken Unicode"),
        ({"domain": "electronics"}, "domain", "Must be an object"),
        ({"domain": {"memoryGb": 5}}, "domain.domain", "Required"),
        ({"domain": {"domain": "fashion", "gender": 5}}, "domain.gender", "Must be a string"),
        (
            {"domain": {"domain": "computers", "batteryHealthPercentage": 101}},
            "domain.batteryHealthPercentage",
            "Must be at most 100",
        ),
        ({"domain": {"domain": "books", "isbn": 5}}, "domain.isbn", "Must be a string"),
        (
            {"domain": {"domain": "auto_parts", "compatibleModels": ["a", 1]}},
            "domain.compatibleModels.1",
            "Must be a string",
        ),
        ({"domain": {"domain": "watches", "caseSizeMm": "40"}}, "domain.caseSizeMm", "Must be a number"),
        ({"metadata": {"k": ["x" * 1021]}}, "metadata.k", "Must be at most 1 KiB as JSON"),
        ({"tradera": {"durationDays": 15}}, "tradera.durationDays", "Must be at most 14"),
        ({"tradera": {"durationDays": 0}}, "tradera.durationDays", "Must be at least 1"),
        (
            {"tradera": {"restarts": 3}},
            "tradera.restarts",
            "Must be 0: what is not sold is put up again by tradera.relist",
        ),
        ({"weightKg": "3"}, "weightKg", "Must be a number"),
        ({"weightKg": 10**400}, "weightKg", "Must be at most 1000000"),
        ({"tradera": []}, "tradera", "Must be an object"),
        ({"tradera": {"categoryId": 2**31}}, "tradera.categoryId", "Must be at most 2147483647"),
    ],
)
def test_each_rule_of_a_field_has_its_sentence(changes: dict[str, Any], field: str, message: str) -> None:
    """A single broken rule names its field and says what the field must be."""
    assert wrong(**changes) == {field: message}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("Byrå\x0bek", "Byrå ek"),
        ("Byrå\x0cek", "Byrå ek"),
        ("Volvo 240 \x96 245 \x93fin\x94", "Volvo 240 \u2013 245 \u201cfin\u201d"),
        ("5\x80 och\x81", "5€ och"),
        ("A\u030ake\u0301rs sto\u0308vel", "Åkérs stövel"),
        ("fin\u202elav\u2066", "finlav"),
        ("fin\u200b\u00ad", "fin\u200b\u00ad"),
        ("o\u0308" * 255, "ö" * 255),
    ],
)
def test_a_text_is_read_as_it_was_meant(given: str, meant: str) -> None:
    """Windows-1252 is recognised, letters are one code point each and counted so, and nothing turns the direction."""
    spec = read(title=given, description=given)
    assert (spec.title, spec.description) == (meant, meant)


def test_what_erps_write_in_their_own_way_is_taken() -> None:
    """A currency in small letters, a weight nobody knows, no restarts, and a text of 1,024 characters in metadata."""
    metadata = {"lager": "å" * 1024}
    spec = read(currency="sek", weightKg=0, metadata=metadata, tradera={"restarts": 0, "durationDays": 14})
    assert (spec.weight_kg, spec.metadata) == (None, metadata)
    assert spec.tradera == TraderaWish(duration_days=14)


@pytest.mark.parametrize(
    ("domain", "line"),
    [
        ({"domain": "auto_parts", "vehicleType": "Lastbil"}, ("Fordonstyp", "Lastbil")),
        ({"domain": "auto_parts", "vehicle": {"vehicleType": "MC"}}, ("Fordonstyp", "MC")),
        ({"domain": "vehicles", "fuelType": "ethanol"}, ("Drivmedel", "ethanol")),
        ({"domain": "vehicles", "fuelType": "Petrol"}, ("Drivmedel", "Bensin")),
        ({"domain": "fashion", "gender": "girls"}, ("Modell", "girls")),
        ({"domain": "fashion", "gender": "kids"}, ("Modell", "Barn")),
        ({"domain": "watches", "movementType": "solar"}, ("Urverk", "solar")),
        ({"domain": "watches", "movementType": "quartz"}, ("Urverk", "Kvarts")),
    ],
)
def test_any_text_is_taken_where_values_are_named(domain: dict[str, Any], line: tuple[str, str]) -> None:
    """What we know is shown in Swedish, what a partner's list has beyond that as it is."""
    spec = read(domain=domain)
    assert spec_lines(spec.domain or "", spec.attributes or {}) == [line]


def test_a_bad_image_and_a_bad_character_in_it_is_one_fault() -> None:
    """A field is told one thing at a time."""
    assert list(wrong(imageUrls=["https://a.example/\x00"])) == ["imageUrls.0"]


@pytest.mark.parametrize("name", ["imageUrls", "images", "image_urls"])
def test_pictures_may_come_under_any_of_three_names(name: str) -> None:
    """All three spellings mean the same, in the order given."""
    urls = [f"https://cdn.example.com/{n}.jpg" for n in range(10)]
    assert read(**{name: urls}).image_urls == tuple(urls)


def test_pictures_that_are_not_named_stay() -> None:
    """Left out or null says nothing of them, an empty list takes them away."""
    assert (read().image_urls, read(images=None).image_urls, read(images=[]).image_urls) == (None, None, ())


def test_pictures_under_two_names_are_refused() -> None:
    """Which one would count is not guessed."""
    assert set(wrong(imageUrls=[], images=[])) == {"imageUrls", "images"}


def test_null_is_absent() -> None:
    """A client that writes null for what it does not set gets the defaults."""
    assert (
        read(description=None, imageUrls=None, metadata=None, tradera=None, domain=None, type=None) == read()
    )


def test_unknown_fields_are_ignored() -> None:
    """What newer clients send does no harm."""
    assert read(frobnicate={"x": [1]}) == read()


@pytest.mark.parametrize("slug", [slug for slug in DOMAINS if slug not in RICH])
def test_a_unit_domain_keeps_no_attributes(slug: str) -> None:
    """Extra fields of a unit domain are ignored, as the contract says."""
    spec = read(domain={"domain": slug, "anything": 5})
    assert (spec.domain, spec.attributes) == (slug, {})


@pytest.mark.parametrize(
    ("given_domain", "slug"),
    [
        ({"domain": "automotive_part"}, "auto_parts"),
        ({"domain": "Auto-Parts"}, "auto_parts"),
        ({"domain": "Hem"}, "home_garden"),
        ({"domain": ""}, "other"),
        ({}, "other"),
        ({"type": "klockor"}, "watches"),
        ({"slug": "bildelar"}, "auto_parts"),
    ],
)
def test_the_tag_of_a_domain_is_read_forgivingly(given_domain: dict[str, Any], slug: str) -> None:
    """Aliases, case and dashes lead to the canonical slug."""
    assert read(domain=given_domain).domain == slug


@pytest.mark.parametrize("tag", ["spaceships", 5, ["auto_parts"]])
def test_an_unknown_domain_is_refused_with_the_list(tag: Any) -> None:
    """The sentence names what would be right, not what was sent."""
    (message,) = wrong(domain={"domain": tag}).values()
    assert "auto_parts" in message
    assert "spaceships" not in message


@pytest.mark.parametrize("body", [[], "x", 5, None, True])
def test_a_body_that_is_no_object_is_told_so(body: Any) -> None:
    """Valid JSON of another kind is 422, for every kind of body."""
    for reader in (
        lambda: item_body.read_item(body, check_url=check_url),
        lambda: item_body.read_price(body),
        lambda: management.read_key(body),
        lambda: management.read_webhook_url(body, check_url=check_url),
    ):
        with pytest.raises(Refused) as caught:
            reader()
        assert [one.field for one in caught.value.details] == ["body"]


@pytest.mark.parametrize(
    "body", [{}, {"status": None}, {"status": "active"}, {"status": ["sold"]}, {"status": "Sold"}, []]
)
def test_only_two_statuses_may_be_set(body: Any) -> None:
    """Anything but sold and not_listed has the documented sentence."""
    with pytest.raises(Refused) as caught:
        item_body.read_status(body)
    assert (caught.value.code, str(caught.value)) == (
        "INVALID_STATUS",
        "Invalid status. Must be 'sold' or 'not_listed'",
    )


def test_a_webhook_url_may_be_null_but_not_left_out() -> None:
    """Null turns webhooks off; an empty body is a mistake, and a refused URL says why."""
    assert management.read_webhook_url({"webhookUrl": None}, check_url=check_url) is None
    for body, message in [
        ({}, "Required"),
        ({"webhookUrl": 5}, "Must be a string or null"),
        ({"webhookUrl": "http://x"}, "Must be an HTTPS URL"),
    ]:
        with pytest.raises(Refused) as caught:
            management.read_webhook_url(body, check_url=check_url)
        assert [(one.field, one.message) for one in caught.value.details] == [("webhookUrl", message)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    [
        "title",
        "price",
        "imageUrls",
        "images",
        "domain",
        "metadata",
        "tradera",
        "type",
        "weightKg",
        "parentExternalId",
    ]
)


@given(st.dictionaries(FIELDS, JSON) | JSON)
def test_no_json_value_makes_a_reader_fail_otherwise(body: Any) -> None:
    """Whatever JSON arrives, the outcome is an item or a refusal whose words can be sent."""
    try:
        item_body.read_item(body, check_url=check_url)
    except Refused as error:
        json.dumps([(one.field, one.message) for one in error.details], ensure_ascii=False).encode()


def test_attributes_are_read_as_they_were_meant() -> None:
    """NFC and Windows-1252 as in titles, however deep; names of fields and values that are no texts stay."""
    given = {
        "domain": "auto_parts",
        "partName": "Sto\u0308tta\u0096re",
        "compatibleModels": ["O\u0308", 5 * "\u0080"],
        "vehicle": {"manufacturer": "A\u030a", "year": 2018},
        "own": None,
    }
    assert read(domain=given).attributes == {
        "partName": "St\u00f6tta\u2013re",
        "compatibleModels": ["\u00d6", 5 * "\u20ac"],
        "vehicle": {"manufacturer": "\u00c5", "year": 2018},
        "own": None,
    }
