"""What a server counts, as Prometheus reads it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The counters of one server, apart from those of any other in the process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("vocalics_requests", "Requests answered.", ["route", "status"], registry=registry)
        self.request_seconds = Histogram(
            "vocalics_request_seconds", "From a request to its answer.", ["route"], buckets=_SECONDS, registry=registry
        )
        self.running_requests = Gauge("vocalics_running_requests", "Requests with a body, now.", registry=registry)
        self.open_streams = Gauge("vocalics_open_streams", "Streams that are open, now.", registry=registry)
        self.streams = Counter("vocalics_streams", "Streams ended, by close code.", ["code"], registry=registry)
        self.audio_seconds = Counter(
            "vocalics_audio_seconds", "Sound that was taken in and judged.", ["source"], registry=registry
        )
        self.queue_length = Gauge("vocalics_queue_length", "Windows that wait for the model, now.", registry=registry)
        self.wait_seconds = Histogram(
            "vocalics_queue_seconds", "A window's wait for the model.", buckets=_SECONDS, registry=registry
        )
        self.skipped_windows = Counter(
            "vocalics_skipped_windows", "Windows of streams left out for later ones.", registry=registry
        )
        self.batch_size = Histogram(
            "vocalics_batch_size", "Windows in one run of the model.", buckets=(1, 2, 4, 8, 16), registry=registry
        )

    def text(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self._registry)
