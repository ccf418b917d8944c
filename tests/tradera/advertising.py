"""The defaults of an owner who sells used things by auction, for tests that make ads."""

from __future__ import annotations

from rheod.tradera.ad_builder import AdDefaults

DEFAULTS = AdDefaults(
    duration_days=7,
    restarts=0,
    accepted_bidder_id=1,
    condition="used",
    listing_type="auction",
    shipping_provider_id=6,
    shipping_cost_kr=66,
    pickup_option_id=8,
    payment_option_ids=(),
    vat=None,
)
