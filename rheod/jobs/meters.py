"""What is measured as it happens: how long publishing and sales take, and the pictures that failed.

There is one object for a daemon, handed to whatever works jobs. It starts at nothing with each start, as Prometheus
expects, and knows neither items nor accounts.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

PUBLISH_BUCKETS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Seconds with a free budget, days while an item waits for calls."""

SALE_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Tenths of a second as a rule, days while a receiver is down."""


class Meters:
    """Observed after the commit of what they measure. Durations are milliseconds; one that a clock made negative is 0."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._publish = Histogram(
            "rheod_publish_seconds",
            "From the PUT or the order to publish until the ad is known to be live.",
            buckets=PUBLISH_BUCKETS_S,
            registry=self.registry,
        )
        self._sale_written = Histogram(
            "rheod_sale_written_seconds",
            "From receiving Tradera's push message of a sale until item.sold is written.",
            buckets=SALE_BUCKETS_S,
            registry=self.registry,
        )
        self._sale_delivered = Histogram(
            "rheod_sale_delivered_seconds",
            "From receiving Tradera's push message of a sale until the first webhook endpoint has taken item.sold.",
            buckets=SALE_BUCKETS_S,
            registry=self.registry,
        )
        self._picture_failures = Counter(
            "rheod_picture_failures",
            "Pictures given up on since the start of rheod.",
            registry=self.registry,
        )

    def published(self, took_ms: int) -> None:
        """An ad is live."""
        self._publish.observe(max(0, took_ms) / 1000)

    def sale_written(self, took_ms: int) -> None:
        """An item.sold is written."""
        self._sale_written.observe(max(0, took_ms) / 1000)

    def sale_delivered(self, took_ms: int) -> None:
        """An item.sold was taken for the first time."""
        self._sale_delivered.observe(max(0, took_ms) / 1000)

    def picture_failed(self) -> None:
        """A picture will not be tried again."""
        self._picture_failures.inc()
