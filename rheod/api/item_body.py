"""The body of an item, its price and its status: how each is read, and what its JSON Schema says beyond its model.

Every reader takes a parsed JSON value and either gives domain values or raises Refused with every wrong field in it.
Nothing here does I/O; where a rule needs the settings (which URLs are allowed) it comes in as a function. A test holds
the schema's rules and the reader's together.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from rheod.api.field_types import (
    Cost,
    Currency,
    Int,
    Meant,
    Moment,
    Name255,
    Price,
    Text255,
    Title,
    Version,
    Weight,
    Wire,
    raise_if_any,
    read_model,
    validated,
    wrong,
)
from rheod.api.item_parts import REF, Attributes, RelistBody, Schema, read_domain, relist_wish
from rheod.api.json_body import dotted, is_clean, text_errors
from rheod.domain.ad_text import whole_kronor
from rheod.domain.errors import FieldError, Refused, Text
from rheod.domain.model import ItemSpec, ItemType, Json, TraderaWish
from rheod.domain.pictures import uploaded_file

UrlCheck = Callable[[str], str | None]
"""None when the URL may be used, else the sentence that says what it must be."""

MAX_IMAGES = 10
MAX_METADATA_KEYS = 50
MAX_METADATA_VALUE_BYTES = 1024
MAX_METADATA_TEXT_CHARS = 1024
IMAGE_FIELDS = ("imageUrls", "images", "image_urls")
"""The three names of one field; a body may use one of them."""

INT32 = 2**31 - 1

Images = Annotated[list[str], Field(max_length=MAX_IMAGES)]


def _no_restarts(value: int) -> int:
    if value > 0:
        sentence = Text("Must be 0: what is not sold is put up again by {field}", field="tradera.relist")
        raise wrong("restarts", sentence)
    return value


class TraderaBody(Wire):
    """The `tradera` object: what the owner wants of this item's ad; absent members are left to the settings."""

    category_id: Annotated[
        Annotated[Int, Field(ge=1, le=INT32)] | None,
        Field(
            description="Tradera's category, a leaf; else by the owner's rules and defaults, else guessed."
        ),
    ] = None
    listing_type: Annotated[
        Literal["auction", "fixed_price"] | None,
        Field(description="An auction, or a fixed price; else the setting."),
    ] = None
    duration_days: Annotated[
        Annotated[Int, Field(ge=1, le=14)] | None,
        Field(description="How many days the auction runs, 1 to 14; else the setting."),
    ] = None
    buy_it_now_price: Annotated[
        Price | None, Field(description="SEK for which it is sold at once; rounded half up to two decimals.")
    ] = None
    reserve_price: Annotated[
        Price | None,
        Field(description="SEK below which the auction does not sell; rounded half up to two decimals."),
    ] = None
    condition: Annotated[
        Literal["new", "used"] | None,
        Field(description="What Tradera says of its condition; else the setting."),
    ] = None
    restarts: Annotated[
        Annotated[Int, AfterValidator(_no_restarts), Field(ge=0, json_schema_extra={"maximum": 0})] | None,
        Field(
            description="Only 0, which says nothing: what is not sold is put up again by `tradera.relist`."
        ),
    ] = None
    start_at: Annotated[Moment | None, Field(description="When the auction begins; absent: at once.")] = None
    end_at: Annotated[
        Moment | None,
        Field(description="When the auction ends, to the minute; not together with `startAt`."),
    ] = None
    relist: Annotated[
        RelistBody | None, Field(description="How it comes back unsold; absent: by the owner's rule.")
    ] = None
    floor_price: Annotated[
        Price | None,
        Field(description="Another name of `relist.floorPrice`: SEK below which it never comes back."),
    ] = None
    attributes: Annotated[
        Attributes | None,
        Field(
            description="What the category's attributes are, by their name or number: a word of theirs, a number, or several. Case, accents and units are forgiven. A required one that is missing holds the item; another that fits none is left out and said.",
            examples=[{"Skick": "Mycket gott skick"}],
        ),
    ] = None


class ItemBody(Wire):
    """An item or container as it is PUT; price and pictures have rules across fields, which `read_item` adds."""

    title: Annotated[
        Title, Field(description="The ad's title, at least two characters without spaces around it.")
    ]
    description: Annotated[
        str, StringConstraints(max_length=10_000), Meant, Field(description="Plain text of the ad.")
    ] = ""
    price: Annotated[
        Price | None,
        Field(
            description="SEK, rounded half up to two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up)."
        ),
    ] = None
    shipping_cost: Annotated[
        Cost | None,
        Field(description="SEK; 0 is free shipping. Absent: by `shippingStrategy` and the settings."),
    ] = None
    shipping_strategy: Annotated[
        Literal["integrated", "seller_shipped", "fixed", "pickup_only"],
        Field(description="Who ships, and how the cost is found."),
    ] = "integrated"
    weight_kg: Annotated[
        Weight | None, Field(description="Kilograms, at most 1,000,000; 0 counts as unknown.")
    ] = None
    currency: Annotated[Currency, Field(description="Only SEK, in any case.")] = "SEK"
    image_urls: Annotated[
        Images | None,
        Field(
            description="HTTPS addresses of pictures, or the `url` of one sent to `POST /rheod/pictures`; the first one leads. Absent: the pictures there are stay; `[]` takes them away. Also taken as `images` or `image_urls`: give one of them."
        ),
    ] = None
    images: Annotated[Images | None, Field(description="Another name of `imageUrls`.")] = None
    image_urls_snake: Annotated[
        Images | None, Field(description="Another name of `imageUrls`.", alias="image_urls")
    ] = None
    domain: Annotated[Any, Field(description="What kind of goods it is, with its attributes.")] = None
    schema_version: Annotated[Version, Field(description="A version such as 1.0.0.")] = "1.0.0"
    type: Annotated[
        Literal["item", "container"],
        Field(description="An item, or a container that only groups items and is never listed."),
    ] = "item"
    parent_external_id: Annotated[
        Name255 | None, Field(description="The container it belongs to, which must exist.")
    ] = None
    metadata: Annotated[
        Any,
        Field(
            description="Anything of yours: up to 50 keys; a text up to 1,024 characters, any other value up to 1 KiB as JSON. Stored and given back as it is."
        ),
    ] = None
    external_reference: Annotated[
        Text255 | None, Field(description="A reference of yours, stored and given back.")
    ] = None
    source: Annotated[
        Text255 | None, Field(description="Where the item comes from, stored and given back.")
    ] = None
    auto_publish_tradera: Annotated[
        bool, Field(description="Publish on Tradera; acts only when the item is created.")
    ] = False
    use_ai_enhancement: Annotated[
        bool, Field(description="Taken, and does nothing unless an endpoint for it is configured.")
    ] = False
    tradera: Annotated[
        TraderaBody | None,
        Field(description="Wishes for this item's ad; what is absent is left to the settings."),
    ] = None


class PriceBody(Wire):
    """PATCH of the price."""

    price: Annotated[Price, Field(description="The new price in SEK, rounded half up to two decimals.")]


class StatusBody(Wire):
    """PATCH of the status; another value has an error code of its own (INVALID_STATUS)."""

    status: Annotated[
        Literal["sold", "not_listed"],
        Field(
            description="`sold` marks it as sold elsewhere, `not_listed` delists it; both take a live ad away."
        ),
    ]


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def read_item(body: Any, *, check_url: UrlCheck, found: Sequence[FieldError] = ()) -> ItemSpec:
    """What a PUT says. Refused(VALIDATION_FAILED) lists every wrong field, those in `found` first."""
    errors = [*found, *text_errors(body)]
    if not isinstance(body, dict):
        raise_if_any([*errors, FieldError("body", Text("Must be an object"))])
    given = dict(body)
    if given.get("type") == ItemType.CONTAINER:
        given.pop("price", None)  # ignored for containers, whatever it is
    elif given.get("price") is None:
        errors.append(FieldError("price", Text("Required")))
    model = validated(ItemBody, given, errors)
    if (
        model is not None
        and model.tradera is not None
        and None
        not in (
            model.tradera.start_at,
            model.tradera.end_at,
        )
    ):
        errors.append(FieldError("tradera.endAt", Text("Give either this or tradera.startAt")))
    urls = _image_urls(given, check_url, errors)
    domain, attributes = read_domain(given.get("domain"), errors)
    _check_metadata(given.get("metadata"), errors)
    if model is not None and model.tradera is not None and model.price is not None:
        errors += _prices_that_cannot_be(model.price, model.tradera)
    raise_if_any(errors)
    assert model is not None  # else its errors were raised
    return _spec(model, urls, domain, attributes)


def _prices_that_cannot_be(price_ore: int, wish: TraderaBody) -> Iterator[FieldError]:
    """A floor above the price, or two floors; and what Tradera never takes of an auction, by the whole kronor it would be sent."""
    floors = {
        name: ore
        for name, ore in (
            ("tradera.floorPrice", wish.floor_price),
            ("tradera.relist.floorPrice", wish.relist.floor_price if wish.relist else None),
        )
        if ore is not None
    }
    for name, floor in floors.items():
        if floor > price_ore:
            yield FieldError(name, Text("Must not be above the item's price"))
        elif len(set(floors.values())) > 1:
            yield FieldError(name, Text("Give only one of {names}", names=", ".join(floors)))
    if wish.listing_type == "fixed_price":
        return
    start, reserve, buy_now = (
        None if ore is None else whole_kronor(ore)
        for ore in (price_ore, wish.reserve_price, wish.buy_it_now_price)
    )
    assert start is not None
    if reserve is not None and reserve <= start:
        yield FieldError("tradera.reservePrice", Text("Must be above the price, from which bids start"))
    if buy_now is not None and buy_now <= max(start, reserve or 0):
        yield FieldError(
            "tradera.buyItNowPrice",
            Text("Must be above the price, from which bids start, and the reserve price"),
        )


def read_price(body: Any, found: Sequence[FieldError] = ()) -> int:
    """The new price in öre of a PATCH price."""
    return read_model(PriceBody, body, found).price


def read_status(body: Any) -> Literal["sold", "not_listed"]:
    """The new status of a PATCH status; Refused(INVALID_STATUS) for anything but the two."""
    text_errors(body)  # for the nesting
    status = body.get("status") if isinstance(body, dict) else None
    if status == "sold":
        return "sold"
    if status == "not_listed":
        return "not_listed"
    raise Refused("INVALID_STATUS", Text("Invalid status. Must be 'sold' or 'not_listed'"))


def _image_urls(
    body: Mapping[str, Any], check_url: UrlCheck, errors: list[FieldError]
) -> tuple[str, ...] | None:
    """The pictures' addresses; None where the body says nothing of pictures, so that those there are stay."""
    given = [name for name in IMAGE_FIELDS if body.get(name) is not None]
    if len(given) > 1:
        errors += [
            FieldError(name, Text("Give only one of {names}", names=", ".join(IMAGE_FIELDS)))
            for name in given
        ]
        return ()
    if not given:
        return None
    urls = body[given[0]]
    if not isinstance(urls, (list, tuple)) or len(urls) > MAX_IMAGES:
        return ()  # the model has said so
    flagged = {error.field for error in errors}
    for place, url in enumerate(urls):
        field = f"{given[0]}.{place}"
        if not isinstance(url, str) or field in flagged or uploaded_file(url) is not None:
            continue
        if sentence := check_url(url):
            errors.append(FieldError(field, Text.of(sentence)))
    return tuple(urls)


def _check_metadata(metadata: Any, errors: list[FieldError]) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict):
        errors.append(FieldError("metadata", Text("Must be an object")))
    elif len(metadata) > MAX_METADATA_KEYS:
        errors.append(FieldError("metadata", Text("Must have at most {n} keys", n=MAX_METADATA_KEYS)))
    else:
        errors += [
            FieldError(dotted(("metadata", key)), sentence)
            for key, value in metadata.items()
            if is_clean(key) and (sentence := _metadata_fault(value))
        ]


def _metadata_fault(value: Any) -> Text | None:
    if isinstance(value, str):
        most = MAX_METADATA_TEXT_CHARS
        return Text("Must be at most {n} characters", n=most) if len(value) > most else None
    # Broken text is refused by its own rule; here it must only not stop the measuring.
    if len(_encode(value).encode(errors="replace")) > MAX_METADATA_VALUE_BYTES:
        return Text("Must be at most 1 KiB as JSON")
    return None


def _spec(
    body: ItemBody, urls: tuple[str, ...] | None, domain: str | None, attributes: Json | None
) -> ItemSpec:
    return ItemSpec(
        type=ItemType(body.type),
        title=body.title,
        description=body.description,
        price_ore=body.price,
        shipping_cost_ore=body.shipping_cost,
        shipping_strategy=body.shipping_strategy,
        weight_kg=body.weight_kg,
        image_urls=urls,
        domain=domain,
        attributes=attributes,
        schema_version=body.schema_version,
        parent_external_id=body.parent_external_id,
        metadata=body.metadata,
        external_reference=body.external_reference,
        source=body.source,
        auto_publish=body.auto_publish_tradera,
        use_ai=body.use_ai_enhancement,
        tradera=None if body.tradera is None else _wish(body.tradera),
    )


def _wish(body: TraderaBody) -> TraderaWish:
    says_nothing = body.relist is None and body.floor_price is None  # of its returns
    return TraderaWish(
        category_id=body.category_id,
        listing_type=body.listing_type,
        duration_days=body.duration_days,
        buy_it_now_ore=body.buy_it_now_price,
        reserve_ore=body.reserve_price,
        condition=body.condition,
        start_at=body.start_at,
        end_at=body.end_at,
        relist=None if says_nothing else relist_wish(body.relist or RelistBody(), floor_ore=body.floor_price),
        attributes=body.attributes,
    )


_PRICE_UNLESS_CONTAINER: Schema = {
    "anyOf": [
        {"required": ["type"], "properties": {"type": {"const": "container"}}},
        {"required": ["price"], "properties": {"price": {"type": "number"}}},
    ]
}
_ONE_NAME_OF_IMAGES: Schema = {
    "not": {
        "anyOf": [
            {"required": list(pair), "properties": {name: {"type": "array"} for name in pair}}
            for pair in combinations(IMAGE_FIELDS, 2)
        ]
    }
}


def item_rules(schema: Schema) -> Schema:
    """The schema of an item's body with what its model cannot say."""
    fields = dict(schema["properties"])
    fields["metadata"] = {
        **_described(fields["metadata"]),
        "anyOf": [{"type": "object", "maxProperties": MAX_METADATA_KEYS}, {"type": "null"}],
    }
    fields["domain"] = {
        **_described(fields["domain"]),
        "anyOf": [{"$ref": f"{REF}Domain"}, {"type": "null"}],
    }
    for name in IMAGE_FIELDS:
        images, null = fields[name]["anyOf"]
        https = {**images, "items": {"type": "string", "format": "uri"}}
        fields[name] = {**fields[name], "anyOf": [https, null]}
    return {**schema, "properties": fields, "allOf": [_PRICE_UNLESS_CONTAINER, _ONE_NAME_OF_IMAGES]}


def _described(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key == "description"}
