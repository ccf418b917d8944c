"""What the workers and the API count and measure for Prometheus since the start of rheod."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

PUBLISH_BUCKETS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 900, 3600, 4 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Seconds with a free budget, days while an item waits for calls."""

SALE_BUCKETS_S = (0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600)
"""Tenths of a second as a rule, days while a receiver is down."""


HTTP_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DELIVERY_BUCKETS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


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
        self._requests = Counter(
            "rheod_http_requests",
            "Requests answered since the start of rheod, by route, method and status.",
            ["route", "method", "code"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "rheod_http_request_seconds",
            "From the head of a request until its answer was ready, by route and method.",
            ["route", "method"],
            buckets=HTTP_BUCKETS_S,
            registry=self.registry,
        )
        self._series: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._deliveries = Counter(
            "rheod_webhook_deliveries",
            "Tries to deliver an event since the start of rheod: taken, refused by a status, or without an answer.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("taken", "refused", "unanswered"):
            self._deliveries.labels(outcome)  # a counter that begins at its first event hides that event
        self._delivery_seconds = Histogram(
            "rheod_webhook_delivery_seconds",
            "How long a receiver took to answer, or rheod to give the try up.",
            buckets=DELIVERY_BUCKETS_S,
            registry=self.registry,
        )

    def answered(self, *, route: str, method: str, code: int, took_s: float) -> None:
        """A request was answered. `route` is its template: what callers make up makes no series of its own."""
        known = method if method in _METHODS else "other"
        key = (route, known, code)
        if key not in self._series:  # kept, since looking a series up costs more than counting
            self._series[key] = (
                self._requests.labels(route, known, str(code)),
                self._request_seconds.labels(route, known),
            )
        count, seconds = self._series[key]
        count.inc()
        seconds.observe(took_s)

    def delivered(self, *, ok: bool, status: int | None, took_ms: int) -> None:
        """A try to deliver an event has ended."""
        outcome = "taken" if ok else "unanswered" if status is None else "refused"
        self._deliveries.labels(outcome).inc()
        self._delivery_seconds.observe(max(0, took_ms) / 1000)

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
