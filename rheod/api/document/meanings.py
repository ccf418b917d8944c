"""The meaning of each field, parameter and segment of a path, by its name.

One word means one thing everywhere, so a name is told once; a test finds those that nobody has told.
"""

from __future__ import annotations

from collections.abc import Mapping

from rheod.api.wire_domains import RICH

_WORDS: Mapping[str, str] = {
    "accepted": "How many were taken; they are durable.",
    "accounts": "How many accounts there are in each state.",
    "activeCount": "How many are for sale.",
    "aiConverted": "Always false: nothing is guessed.",
    "apiKey": "The key's text, shown this once.",
    "autoPublishTradera": "Publish on Tradera; acts only when the item is created.",
    "buyItNowPrice": "SEK for which it is sold at once; at most two decimals.",
    "catalogCode": "With `catalogSystem`: items whose part has this code in that catalogue.",
    "catalogSystem": "With `catalogCode`: the catalogue.",
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
    "description": "Plain text of the ad.",
    "descriptionEn": "What belongs to it, in English.",
    "details": "Every wrong field; only there when fields are wrong.",
    "domain": "What kind of goods it is, with its attributes.",
    "draftCount": "How many wait for their pictures.",
    "durationDays": "How long the auction runs; else the setting.",
    "error": "One sentence on what went wrong.",
    "errors": "What was not taken, and why.",
    "events": "The milestones, newest first.",
    "eventType": "What happened.",
    "expectedAt": "When its turn should come.",
    "externalId": "The item's id in your system.",
    "externalReference": "A reference of yours, stored and given back.",
    "field": "The field by its dotted path.",
    "fromMarket": "Whose category it is: `rheo` or `tradera`.",
    "hostedUrl": "Our copy, once it is ready.",
    "id": "Its id here.",
    "image_urls": "Another name of `imageUrls`.",
    "images": "Another name of `imageUrls`.",
    "imageUrls": "HTTPS addresses of pictures, the first one leads. Also taken as `images` or `image_urls`: give one of them.",
    "index": "Its place in the batch, from 0.",
    "itemId": "The item's id here.",
    "items": "The items.",
    "labelEn": "Its name in English.",
    "labelSv": "Its name in Swedish.",
    "lastError": "What failed last, in one sentence; null when nothing did.",
    "lastUsedAt": "When a request last came with it.",
    "limit": "How many on a page.",
    "listedValue": "SEK: the prices of those for sale.",
    "listingType": "An auction, or a fixed price; else the setting.",
    "market": "The market that is not `rheo`.",
    "message": "What happened, in one sentence.",
    "metadata": "Anything of yours: up to 50 keys, each value up to 1 KiB as JSON. Stored and given back as it is.",
    "name": "What the owner knows it by.",
    "nextCursor": "For the next page; null at the end.",
    "notListedCount": "How many are delisted.",
    "parent_external_id": "Items of this container.",
    "parentExternalId": "The container it belongs to, which must exist.",
    "paused": "Accounts whose calls rest.",
    "position": "Its place in the queue, from 1.",
    "prefix": "How the key begins.",
    "price": "SEK, at most two decimals. The auction's starting price, in whole kronor at Tradera (rounded half up).",
    "queue": "Where a publish waits for Tradera's call budget; null when none does.",
    "reason": "Why, each wrong field named.",
    "rejected": "How many were not taken.",
    "removed": "Accounts that are not in the settings any more.",
    "reservePrice": "SEK below which the auction does not sell; at most two decimals.",
    "restarts": "How often an auction without bids starts again; else the setting.",
    "revokedAt": "When it was revoked.",
    "rheoCategory": "The domain.",
    "rheoItemId": "The item's id here.",
    "rheoStatus": "Where the item stands here.",
    "schemaVersion": "A version such as 1.0.0.",
    "searchFields": "The attributes one would search it by.",
    "selling": "Accounts that can publish.",
    "shippingCost": "SEK; 0 is free shipping. Absent: by `shippingStrategy` and the settings.",
    "shippingStrategy": "Who ships, and how the cost is found.",
    "slug": "The domain.",
    "soldCount": "How many are sold.",
    "soldValue": "SEK: what the sold ones brought.",
    "source": "Where the item comes from, stored and given back.",
    "startAt": "When the auction begins; absent: at once.",
    "state": "Whether the picture can be shown.",
    "status": "How it stands.",
    "statusCode": "The HTTP status.",
    "success": "Always true.",
    "title": "The ad's title, at least two characters without spaces around it.",
    "toMarket": "Whose category is wanted: the other one.",
    "total": "How many there are on all pages.",
    "tradera": "Wishes for this item's ad; what is absent is left to the settings.",
    "traderaAdId": "The ad's number at Tradera.",
    "traderaAdUrl": "The ad's page; null until it is live.",
    "traderaStatus": "Where the item stands at Tradera; null before it was ever to go there.",
    "type": "An item, or a container that only groups items and is never listed.",
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
