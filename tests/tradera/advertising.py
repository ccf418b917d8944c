"""The defaults of an owner who sells used things by auction, for tests that make ads."""

from __future__ import annotations

from rheod.domain.errors import Text
from rheod.domain.freight import Freight, FreightOption, FreightSettings
from rheod.tradera.ad_builder import AdDefaults

DEFAULTS = AdDefaults(
    duration_days=7,
    restarts=0,
    accepted_bidder_id=1,
    condition="used",
    listing_type="auction",
    freight=FreightSettings(fixed_kr=66),
    payment_option_ids=(),
    vat=None,
)


FREIGHT = Freight(options=(FreightOption(cost_kr=66, provider_id=6),), reason=Text("fixed"))
"""What such an owner's ads offer where the item says nothing."""
