"""What a server counts, for `/metrics`: never what was asked."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.12, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Counts of one server.

    Attributes:
        requests: Answers by method, route and status.
        seconds: Of answers, by route.
        steps: Seconds of searches, by step.
        batch: Queries that were embedded together.
        rejected: Searches that found the queue full, or ran out of time, by reason.
        short: Searches that had fewer hits than were asked for.
        uploads: Bytes that were sent.
    """

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        self.requests = Counter(
            "prom3e_requests", "Answers by method, route and status.",
            ("method", "route", "status"), registry=r,
        )  # fmt: skip
        self.seconds = Histogram(
            "prom3e_request_seconds", "Seconds until an answer was sent, by route.",
            ("route",), buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self.steps = Histogram(
            "prom3e_search_seconds", "Seconds of searches, by step.",
            ("step",), buckets=_SECONDS, registry=r,
        )  # fmt: skip
        self.batch = Histogram(
            "prom3e_batch_queries", "Queries that were embedded together.",
            buckets=(1, 2, 4, 8, 16), registry=r,
        )  # fmt: skip
        self.rejected = Counter(
            "prom3e_rejected",
            "Searches that were not answered, by reason.",
            ("reason",),
            registry=r,
        )
        self.short = Counter(
            "prom3e_short", "Searches with fewer hits than were asked for.", registry=r
        )
        self.uploads = Counter("prom3e_upload_bytes", "Bytes of files that were sent.", registry=r)

    def watch(self, name: str, said: str, value: Callable[[], float]) -> None:
        """Show a number as it is when it is asked for."""
        Gauge(name, said, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Everything, in the form that Prometheus reads."""
        return generate_latest(self.registry)
