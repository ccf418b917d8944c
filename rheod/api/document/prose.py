"""What the document says in sentences: the introduction, the tags, the meaning of each field and parameter.

One word means one thing everywhere, so a field is told once by its name; a test finds the fields nobody has told.
"""

from __future__ import annotations

from collections.abc import Mapping

from rheod.api.wire_domains import RICH

TITLE = "rheod: the Rheo Integration API"
API_VERSION = "1.0.0"
"""Of the protocol. Which version of rheod answers is not told to strangers."""

INTRODUCTION = """\
rheod takes a reseller's items from an ERP, publishes them as auctions on Tradera and tells the ERP, with a signed webhook, \
when one is sold. It speaks the Rheo Integration API: a client of the hosted service works by changing its base URL.

**JSON** is UTF-8 with `camelCase` names. Times are RFC 3339 in UTC, money is SEK as a JSON number. Unknown fields are \
ignored and null is read as absent; wrong types are refused. Text with control characters (but tab and line feed), lone \
surrogates, U+FFFE or U+FFFF is refused with 422. A body may be nested 32 levels deep and names no key twice.

**Every write is idempotent.** The same request repeated, also at once, changes nothing after the first, so repeat every \
429 and every 5xx after its `Retry-After` seconds, whatever the method.

**Every answer carries `x-request-id`**: yours when you sent one of 1 to 128 printable ASCII characters, else a new ULID. \
It stands on every log line of the request.

**Errors** have one shape with a `code` a program can act on: `{"error": "…", "code": "NOT_FOUND", "statusCode": 404}`. A \
path that does not exist is 404 `NOT_FOUND`, a method it does not take 405 `METHOD_NOT_ALLOWED` with `Allow`. Every GET \
also answers HEAD.

**Rate limits** are token buckets for each API key and kind of call, each holding two seconds' worth. Requests without a \
valid key or token share one bucket for each address. Checked in this order: key, bucket, body."""

TAGS: Mapping[str, str] = {
    "Items": "An ERP's items, by the ERP's own ids.",
    "API keys": "The owner makes and revokes the keys of his partners.",
    "Webhooks": "Where events go, and the secret that signs them.",
    "Health": "For monitors: whether rheod answers and everything runs.",
    "Pictures": "The hosted copies of items' pictures.",
    "Reference": "This document, for machines and for people.",
}
"""Every tag in the order shown."""

CODES: Mapping[str, str] = {
    "BAD_REQUEST": "The body is no JSON, or a cursor, a query parameter or the request itself cannot be read.",
    "UNAUTHORIZED": "The API key or the admin token is missing or wrong.",
    "NOT_FOUND": "There is no such thing, or it is someone else's.",
    "METHOD_NOT_ALLOWED": "The path does not take this method.",
    "CONFLICT": "The state of the item does not allow it; the sentence says why.",
    "PAYLOAD_TOO_LARGE": "The body is larger than this call takes.",
    "UNSUPPORTED_MEDIA_TYPE": "The body is not `application/json` in UTF-8, or has a Content-Encoding.",
    "VALIDATION_FAILED": "Fields are wrong; `details` lists every one of them.",
    "INVALID_STATUS": "The status is neither `sold` nor `not_listed`.",
    "RATE_LIMITED": "Too many requests; come back after `Retry-After` seconds.",
    "INTERNAL": "A bug in rheod; it has been logged.",
    "UNAVAILABLE": "rheod is stopping or cannot write; come back after `Retry-After` seconds.",
}
"""Every code of the error table (rheo-api.md section 1)."""

_WORDS: Mapping[str, str] = {
    "apiKey": "The key's text, shown this once.",
    "autoPublishTradera": "Publish on Tradera; acts only when the item is created.",
    "buyItNowPrice": "SEK for which it is sold at once; at most two decimals.",
    "categoryId": "Tradera's category; else one that fits the domain.",
    "code": "What went wrong, as a word for programs.",
    "condition": "What Tradera says of its condition; else the setting.",
    "createdAt": "When it was made.",
    "currency": "Only SEK.",
    "description": "Plain text of the ad.",
    "details": "Every wrong field; only there when fields are wrong.",
    "domain": "What kind of goods it is, with its attributes.",
    "durationDays": "How long the auction runs; else the setting.",
    "error": "One sentence on what went wrong.",
    "expectedAt": "When its turn should come.",
    "externalId": "The item's id in your system.",
    "externalReference": "A reference of yours, stored and given back.",
    "field": "The field by its dotted path.",
    "hostedUrl": "Our copy, once it is ready.",
    "id": "Its id here.",
    "imageUrls": "HTTPS addresses of pictures, the first one leads. Also taken as `images` or `image_urls`: give one of them.",
    "image_urls": "Another name of `imageUrls`.",
    "images": "Another name of `imageUrls`.",
    "itemId": "The item's id here.",
    "lastError": "What failed last, in one sentence; null when nothing did.",
    "lastUsedAt": "When a request last came with it.",
    "listingType": "An auction, or a fixed price; else the setting.",
    "message": "What happened, in one sentence.",
    "metadata": "Anything of yours: up to 50 keys, each value up to 1 KiB as JSON. Stored and given back as it is.",
    "name": "What the owner knows it by.",
    "parentExternalId": "The container it belongs to, which must exist.",
    "position": "Its place in the queue, from 1.",
    "prefix": "How the key begins.",
    "price": "SEK, at most two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up).",
    "queue": "Where a publish waits for Tradera's call budget; null when none does.",
    "reservePrice": "SEK below which the auction does not sell; at most two decimals.",
    "restarts": "How often an auction without bids starts again; else the setting.",
    "revokedAt": "When it was revoked.",
    "rheoItemId": "The item's id here.",
    "rheoStatus": "Where the item stands here.",
    "schemaVersion": "A version such as 1.0.0.",
    "shippingCost": "SEK; 0 is free shipping. Absent: by `shippingStrategy` and the settings.",
    "shippingStrategy": "Who ships, and how the cost is found.",
    "source": "Where the item comes from, stored and given back.",
    "startAt": "When the auction begins; absent: at once.",
    "state": "Whether the picture can be shown.",
    "status": "How it stands.",
    "statusCode": "The HTTP status.",
    "success": "Always true.",
    "title": "The ad's title, at least two characters without spaces around it.",
    "tradera": "Wishes for this item's ad; what is absent is left to the settings.",
    "traderaAdId": "The ad's number at Tradera.",
    "traderaAdUrl": "The ad's page; null until it is live.",
    "traderaStatus": "Where the item stands at Tradera; null before it was ever to go there.",
    "type": "An item, or a container that only groups items and is never listed.",
    "updatedAt": "When it last changed.",
    "url": "Its address.",
    "useAiEnhancement": "Taken, and does nothing unless an endpoint for it is configured.",
    "userId": "The account it belongs to.",
    "webhookSecret": "The secret that signs the events.",
    "webhookUrl": "Where events go; null turns webhooks off.",
    "weightKg": "Kilograms, more than 0 and at most 1,000,000.",
}

_WORDS_OF: Mapping[str, str] = {
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
