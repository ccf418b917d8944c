"""The schemas of the document: what pydantic says of the models, and the rules it cannot see.

A body's schema says what is read (null is absent), an answer's what is sent.

The meaning of each field, parameter and segment of a path, by its name.

One word means one thing everywhere, so a name is told once; a test finds those that nobody has told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from rheod.api.domain_body import RICH
from rheod.api.field_types import Wire
from rheod.api.item_body import DOMAIN_SCHEMAS, domain_union, item_rules
from rheod.api.openapi.examples import EXAMPLES

if TYPE_CHECKING:
    from pydantic import BaseModel


_WORDS: Mapping[str, str] = {
    "accepted": "How many were taken; they are durable.",
    "accounts": "How many accounts there are in each state.",
    "active": "How many are for sale.",
    "activeCount": "How many are for sale.",
    "after": "The `cursor` of an earlier answer: the feed goes on there.",
    "aiConverted": "Always false: nothing is guessed.",
    "alreadyWaiting": "How many waited already and were not doubled.",
    "apiKey": "The key's text, shown this once.",
    "archived": "How many were deleted while an order was in progress.",
    "attempt": "Which attempt at this delivery it was, from 1.",
    "autoPublishTradera": "Publish on Tradera; acts only when the item is created.",
    "before": "Only what is older than this id or time.",
    "buyer": "The buyer in Tradera's own fields; null once erased.",
    "buyItNowPrice": "SEK for which it is sold at once; at most two decimals.",
    "carrier": "Who carries the parcel.",
    "catalogCode": "With `catalogSystem`: items whose part has this code in that catalogue.",
    "catalogSystem": "With `catalogCode`: the catalogue.",
    "category": "The kind of goods, by its Swedish name.",
    "categoryBreakdown": "The ten kinds of goods that brought most.",
    "categoryId": "Tradera's category; else one that fits the domain.",
    "childCount": "How many there are.",
    "children": "What is in it, the oldest change first.",
    "code": "What went wrong, as a word for programs.",
    "condition": "What Tradera says of its condition; else the setting.",
    "confidence": "Always 1: the map is fixed.",
    "count": "How many there are on all pages.",
    "createdAt": "When it was made.",
    "currency": "Only SEK.",
    "cursor": "The `nextCursor` of an earlier answer of the same list.",
    "data": "What else there is to say of it.",
    "deliveries": "The attempts, newest first.",
    "description": "Plain text of the ad.",
    "descriptionEn": "What belongs to it, in English.",
    "details": "Every wrong field; only there when fields are wrong.",
    "domain": "What kind of goods it is, with its attributes.",
    "draft": "How many wait for their pictures.",
    "draftCount": "How many wait for their pictures.",
    "durationDays": "How long the auction runs; else the setting.",
    "durationMs": "How long it took, in milliseconds.",
    "endpoint": "Only attempts at this endpoint, by its id.",
    "endpointId": "The endpoint's id.",
    "endpoints": "The endpoints, the oldest first.",
    "erasedAt": "When the buyer's data were erased.",
    "error": "One sentence on what went wrong.",
    "errorMessage": "What went wrong; null when nothing did.",
    "errors": "What was not taken, and why.",
    "event": "Only this type of event, or this one event by its id.",
    "eventId": "The event's id, the same on every attempt.",
    "events": "The milestones, newest first.",
    "eventType": "What happened.",
    "eventTypes": "The events it gets; none means all.",
    "expectedAt": "When its turn should come.",
    "externalId": "The item's id in your system.",
    "externalReference": "A reference of yours, stored and given back.",
    "failCount": "Failures since the last success; at 15 it is disabled.",
    "fee": "SEK: what rheod would take, by the setting.",
    "field": "The field by its dotted path.",
    "fromMarket": "Whose category it is: `rheo` or `tradera`.",
    "gross": "SEK: what was sold.",
    "hostedUrl": "Our copy, once it is ready.",
    "httpStatus": "What the endpoint answered; null when no answer came.",
    "id": "Its id here.",
    "image_urls": "Another name of `imageUrls`.",
    "images": "Another name of `imageUrls`.",
    "imageUrls": "HTTPS addresses of pictures, the first one leads. Also taken as `images` or `image_urls`: give one of them.",
    "index": "Its place in the batch, from 0.",
    "inventory": "The items by status.",
    "itemId": "The item's id here.",
    "items": "The items.",
    "labelEn": "Its name in English.",
    "labelSv": "Its name in Swedish.",
    "lastError": "What failed last, in one sentence; null when nothing did.",
    "lastUsedAt": "When a request last came with it.",
    "limit": "How many on a page.",
    "lines": "What was sold.",
    "listedValue": "SEK: the prices of those for sale.",
    "listingType": "An auction, or a fixed price; else the setting.",
    "market": "The market that is not `rheo`.",
    "message": "What happened, in one sentence.",
    "metadata": "Anything of yours: up to 50 keys, each value up to 1 KiB as JSON. Stored and given back as it is.",
    "month": "The calendar month, by Swedish clocks.",
    "monthlyRevenue": "The last twelve months, those without sales too.",
    "name": "What the owner knows it by.",
    "net": "SEK: gross less fee.",
    "nextCursor": "For the next page; null at the end.",
    "notListedCount": "How many are delisted.",
    "orderId": "The order's id, as in `item.sold`.",
    "orders": "How many orders, or the orders.",
    "paidAt": "When it was paid; null before.",
    "parent_external_id": "Items of this container.",
    "parentExternalId": "The container it belongs to, which must exist.",
    "paused": "Accounts whose calls rest.",
    "position": "Its place in the queue, from 1.",
    "prefix": "How the key begins.",
    "price": "SEK, at most two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up).",
    "quantity": "How many of it.",
    "queue": "Where a publish waits for Tradera's call budget; null when none does.",
    "reason": "Why, each wrong field named.",
    "rejected": "How many were not taken.",
    "removed": "Accounts that are not in the settings any more.",
    "replayed": "How many deliveries were ordered.",
    "reservePrice": "SEK below which the auction does not sell; at most two decimals.",
    "restarts": "How often an auction without bids starts again; else the setting.",
    "revenue": "SEK: what its sales brought.",
    "revenueSummary": "The sums of the months shown.",
    "revokedAt": "When it was revoked.",
    "rheoCategory": "The domain.",
    "rheoItemId": "The item's id here.",
    "rheoStatus": "Where the item stands here.",
    "schemaVersion": "A version such as 1.0.0.",
    "scope": "`self`: the account's own events. `members`: those of all member accounts, with `memberExternalId`.",
    "searchFields": "The attributes one would search it by.",
    "secret": "The secret that signs its events, shown this once.",
    "secretHint": "How the secret ends.",
    "selling": "Accounts that can publish.",
    "shipError": "Why Tradera was not told that it is shipped; null when it was.",
    "shipmentId": "The parcel's id here.",
    "shipments": "The parcels; the last one counts.",
    "shippedAt": "When it was marked as shipped at Tradera; null before.",
    "shippingCost": "SEK; 0 is free shipping. Absent: by `shippingStrategy` and the settings.",
    "shippingStrategy": "Who ships, and how the cost is found.",
    "since": "Everything from this time on (RFC 3339).",
    "slug": "The domain.",
    "sold": "How many are sold.",
    "soldCount": "How many are sold.",
    "soldValue": "SEK: what the sold ones brought.",
    "source": "Where the item comes from, stored and given back.",
    "startAt": "When the auction begins; absent: at once.",
    "state": "Whether the picture can be shown.",
    "status": "How it stands.",
    "statusCode": "The HTTP status.",
    "subtotal": "SEK: what was sold, without shipping.",
    "success": "Always true.",
    "timestamp": "When it happened.",
    "title": "The ad's title, at least two characters without spaces around it.",
    "toMarket": "Whose category is wanted: the other one.",
    "total": "How many there are on all pages.",
    "totalFee": "SEK: the fees.",
    "totalGross": "SEK: what was sold.",
    "totalNet": "SEK: gross less fees.",
    "totalPending": "SEK: the part of gross that is not paid yet.",
    "trackingNumber": "The parcel's number at its carrier.",
    "tradera": "Wishes for this item's ad; what is absent is left to the settings.",
    "traderaAdId": "The ad's number at Tradera.",
    "traderaAdUrl": "The ad's page; null until it is live.",
    "traderaStatus": "Where the item stands at Tradera; null before it was ever to go there.",
    "type": "An item, or a container that only groups items and is never listed.",
    "unitPrice": "SEK for one.",
    "unmatched": "Only orders with a sale of something rheod does not know.",
    "updated_since": "Items that changed at this time or later (RFC 3339).",
    "updatedAt": "When it last changed.",
    "url": "Its address.",
    "useAiEnhancement": "Taken, and does nothing unless an endpoint for it is configured.",
    "userId": "The account it belongs to.",
    "waiting": "Accounts that wait for credentials.",
    "webhookSecret": "The secret that signs the events.",
    "webhookUrl": "Where events go; null turns webhooks off.",
    "weightKg": "Kilograms, more than 0 and at most 1,000,000.",
}

_WORDS_OF: Mapping[str, str] = {
    "ConvertBody.externalId": "Tradera's category number, or the domain.",
    "ConvertReply.externalId": "Tradera's category number, when it was asked for.",
    "ListQuery.status": "Items that stand so.",
    "DeliveriesQuery.status": "Only attempts that ended so.",
    "DeliveryReply.status": "How it ended.",
    "EndpointBody.active": "False rests it, its events are kept; true starts it again.",
    "EndpointBody.description": "What the owner knows it by.",
    "EndpointReply.active": "False while it rests; its events are kept.",
    "EndpointReply.description": "What the owner knows it by.",
    "EndpointWithSecret.active": "False while it rests; its events are kept.",
    "EndpointWithSecret.description": "What the owner knows it by.",
    "EventsQuery.type": "Only events of this type.",
    "EventsReply.cursor": "Where to go on, today or tomorrow.",
    "EventsReply.events": "The events, the oldest first.",
    "HealthReply.status": "Always `ok`.",
    "PingReply.success": "Whether the endpoint answered 2xx.",
    "ReadyReply.status": "Always `ready`.",
    "ReplayBody.endpointId": "Only to this endpoint; absent: to all that take the event.",
    "ReplaySinceBody.endpointId": "Only to this endpoint; absent: to all that take the event.",
    "InventoryReply.total": "How many there are, the delisted too; containers are none.",
    "NewEndpointBody.description": "What the owner knows it by.",
    "NewEndpointBody.url": "An HTTPS address of yours.",
    "OrderLineReply.externalId": "The item's id in your system; null for something rheod does not know.",
    "OrderLineReply.title": "The ad's title.",
    "OrdersReply.orders": "The orders, the newest first.",
    "MonthReply.orders": "How many orders.",
    "ImageReply.error": "Why it could not be fetched; null when nothing is wrong.",
    "ItemReply.images": "Its pictures in their order.",
    "ItemReply.price": "SEK as you gave it; null for a container.",
    "KeysReply.keys": "The keys that are live.",
    "PriceBody.price": "The new price in SEK, at most two decimals.",
    "StatusBody.status": "`sold` marks it as sold elsewhere, `not_listed` delists it; both take a live ad away.",
    "WrongField.message": "What the field must be.",
}
"""Where a name means something narrower than elsewhere, as `Model.field`."""

ATTRIBUTES = frozenset({"Vehicle", "Part", *(model.__name__ for model in RICH.values())})
"""The models whose fields are attributes of goods."""

_PATH: Mapping[str, str] = {
    "externalId": "The item's id in your system, percent-encoded: any printable text, `/` too.",
    "endpointId": "The endpoint's id.",
    "eventId": "The event's id: `evt_…`.",
    "orderId": "The order, as in `item.sold`.",
    "key_id": "The id of the key, not its text.",
    "folder": "The first two digits of the picture's SHA-256.",
    "file": "The picture's SHA-256 and `.jpg`.",
}


def words(model: str, field: str) -> str:
    """What a field means; empty when nobody has told, as of attributes of goods, whose names say it."""
    narrow = _WORDS_OF.get(f"{model}.{field}", "")
    return narrow if narrow or model in ATTRIBUTES else _WORDS.get(field, "")


def path_words(name: str) -> str:
    """What a segment of a path means; empty when nobody has told."""
    return _PATH.get(name, "")


Schema = dict[str, Any]
REF = "#/components/schemas/"
NULL: Schema = {"type": "null"}
_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}


def ref(name: str) -> Schema:
    """A reference to a schema by its name."""
    return {"$ref": REF + name}


def of_answers(models: Iterable[type[BaseModel]]) -> dict[str, Schema]:
    """The schemas of answers and of all they hold, by name."""
    _, found = models_json_schema(
        [(model, "serialization") for model in models], ref_template=REF + "{model}"
    )
    return {name: _worded(name, schema) for name, schema in found.get("$defs", {}).items()}


def of_bodies(models: Iterable[type[Wire]]) -> dict[str, Schema]:
    """The schemas of request bodies, of the domains and of all they hold, by name."""
    wanted = [*models, *RICH.values()]
    _, found = models_json_schema([(model, "validation") for model in wanted], ref_template=REF + "{model}")
    schemas = {name: _body(name, schema) for name, schema in found.get("$defs", {}).items()}
    return schemas | {"Domain": domain_union(), **DOMAIN_SCHEMAS}


def of_query(model: type[BaseModel]) -> tuple[Schema, dict[str, Schema]]:
    """The schema of a query string, and the schemas it refers to."""
    schema = model.model_json_schema(ref_template=REF + "{model}")
    inner = {name: _worded(name, each) for name, each in schema.pop("$defs", {}).items()}
    schema["properties"] = {
        name: _without_null(_clean(name, each, of=model.__name__))
        for name, each in schema.get("properties", {}).items()
    }
    return schema, inner


def _body(name: str, schema: Schema) -> Schema:
    worded = _worded(name, schema)
    required = worded.get("required", [])
    worded["properties"] = {
        field: each if field in required else nullable(each)
        for field, each in worded.get("properties", {}).items()
    } or worded.get("properties", {})
    if name in EXAMPLES:
        worded["examples"] = [dict(EXAMPLES[name])]
    return item_rules(worded) if "imageUrls" in worded["properties"] else worded


def _worded(name: str, schema: Schema) -> Schema:
    """A schema with the words for its fields and without the names pydantic makes up."""
    worded = {key: value for key, value in schema.items() if key != "title"}
    if "properties" in worded:
        worded["properties"] = {
            field: _clean(field, each, of=name) for field, each in worded["properties"].items()
        }
    return worded


def _clean(field: str, schema: Mapping[str, Any], *, of: str = "") -> Schema:
    cleaned: Schema = _in_words_of_the_standard(schema)
    if cleaned.get("default", ...) is None:
        del cleaned["default"]
    meaning = cleaned.get("description") or words(of, field)
    return {**cleaned, "description": meaning} if meaning else cleaned


def _in_words_of_the_standard(schema: Any) -> Any:
    """Without titles, and bounds by their names: pydantic keeps its own after a validator of ours."""
    if isinstance(schema, list):
        return [_in_words_of_the_standard(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    return {
        _BOUNDS.get(key, key): _in_words_of_the_standard(value)
        for key, value in schema.items()
        if key != "title"
    }


def nullable(schema: Schema) -> Schema:
    """The schema with null allowed: many clients write it for what they do not set, and it is read as absent."""
    if NULL in schema.get("anyOf", ()) or not schema.keys() & {"type", "$ref", "enum", "const", "anyOf"}:
        return schema
    outer = {key: value for key, value in schema.items() if key in {"description", "default"}}
    inner = {key: value for key, value in schema.items() if key not in outer}
    return {**outer, "anyOf": [*inner.pop("anyOf", ()), *([inner] if inner else []), NULL]}


def _without_null(schema: Schema) -> Schema:
    options = [each for each in schema.get("anyOf", ()) if each != NULL]
    if len(options) != 1:
        return schema
    return {**options[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
