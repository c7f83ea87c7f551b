"""What the house counts, in the words of compatibility.md; one registry per process, passed on explicitly."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest


class Metrics:
    """Counters of the bot wing under their `teltubby_…` names."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.ingested_messages = self._counter("ingested_messages", "Messages and albums archived or queued")
        self.ingested_bytes = self._counter("ingested_bytes", "Bytes stored")
        self.dedup_hits = self._counter("dedup_hits", "Files recognised as archived before")
        self.skipped_items = self._counter("skipped_items", "Files not archived")
        self.refused_updates = self._counter("refused_updates", "Updates of people who are not on the whitelist")
        self.jobs_created = self._counter("jobs_created", "Large files queued")
        self.jobs_completed = self._counter("jobs_completed", "Large files archived")
        self.jobs_failed = self._counter("jobs_failed", "Large files given up")
        self.jobs_retried = self._counter("jobs_retried", "Attempts at large files that are repeated")
        self.jobs_cancelled = self._counter("jobs_cancelled", "Large files that curators cancelled")
        self.bucket_used_ratio = Gauge(
            "teltubby_minio_bucket_used_ratio", "Archived bytes over S3_BUCKET_QUOTA_BYTES", registry=self.registry
        )
        self.processing_seconds = Histogram(
            "teltubby_processing_seconds", "From taking a message up to its acknowledgement", registry=self.registry
        )

    def render(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _counter(self, name: str, what: str) -> Counter:
        return Counter(f"teltubby_{name}", what, registry=self.registry)
