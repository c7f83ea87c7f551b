"""What the house counts, in the words of compatibility.md; one registry per process, passed on explicitly.

Every process serves all of them: what its wing does not do stays 0, so that a dashboard never meets a missing name.
Speeds and ratios are not measured but follow: `rate(…_bytes_total)`, failed over completed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from teltubby import __version__
from teltubby.messages.jobs import JobState
from teltubby.messages.session import SessionState
from teltubby.messages.stages import Stage
from teltubby.supervision import current_tally

SOURCES = ("bot_api", "mtproto_bot", "mtproto_user")
"""Where Telegram is asked: over the Bot API, or by an account's MTProto session."""
OUTCOMES = ("ok", "failed")
STATES = tuple(state.lower() for state in JobState)
SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""From a small file to 4 GB at the speed that Telegram gives a free account."""
SIZES = tuple(float(1 << exponent) for exponent in range(14, 34, 2))
"""16 KiB to 4 GiB."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # or each counter has a second series, of its birth


class Metrics:
    """Everything that a process counts under its `teltubby_…` names; those of the tree are added by tree_metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._count_intake()
        self._count_jobs()
        self._count_transfers()
        self._count_services()
        self._count_room()
        self._count_backups()
        build = self._gauge("build_info", "Always 1; the label says which version runs", ("version",))
        build.labels(version=__version__).set(1)

    def render(self) -> bytes:
        """The text format that Prometheus scrapes."""
        return generate_latest(self.registry)

    @contextmanager
    def timed(self, stage: Stage) -> Iterator[None]:
        """Around a stage of the work, which counts however it ends."""
        began = anyio.current_time()
        try:
            yield
        finally:
            self.took(stage, anyio.current_time() - began)

    def took(self, stage: Stage, seconds: float) -> None:
        """A stage of the work took so long; whoever has it traced is told the same number."""
        self.stage_seconds.labels(stage=stage).observe(seconds)
        if (tally := current_tally.get()) is not None:
            tally.add(stage, seconds)

    def _count_intake(self) -> None:
        self.ingested_messages = self._counter("ingested_messages", "Messages and albums archived or queued")
        self.ingested_bytes = self._counter("ingested_bytes", "Bytes stored")
        self.dedup_hits = self._counter("dedup_hits", "Files recognised as archived before")
        self.skipped_items = self._counter("skipped_items", "Files not archived")
        self.refused_updates = self._counter("refused_updates", "Updates of people who are not on the whitelist")
        self.processing_seconds = Histogram(
            "teltubby_processing_seconds", "From taking a message up to its acknowledgement", registry=self.registry
        )
        self.inbox_open = self._gauge("inbox_open", "Updates that are received and not dealt with yet")
        self.inbox_oldest_seconds = self._gauge("inbox_oldest_seconds", "How long the oldest of them has waited")

    def _count_jobs(self) -> None:
        self.jobs_created = self._counter("jobs_created", "Large files queued")
        self.jobs_completed = self._counter("jobs_completed", "Large files archived")
        self.jobs_failed = self._counter("jobs_failed", "Large files given up")
        self.jobs_retried = self._counter("jobs_retried", "Attempts at large files that are repeated")
        self.jobs_cancelled = self._counter("jobs_cancelled", "Large files that curators cancelled")
        self.job_seconds = self._histogram(
            "job_seconds", "How long the attempts took that archived a large file", SECONDS
        )
        self.job_bytes = self._histogram("job_bytes", "Sizes of the large files that were archived", SIZES)
        self.jobs = self._gauge("jobs", "Large files by state, as the ledger has them", ("state",), STATES)
        self.outbox_unpublished = self._gauge("outbox_unpublished", "Jobs that the broker has not confirmed yet")
        self.queue_depth = self._gauge("queue_depth", "Messages that wait in a queue of the broker", ("queue",))
        self.queue_oldest_seconds = self._gauge("queue_oldest_seconds", "How long the oldest pending job has waited")

    def _count_transfers(self) -> None:
        self.downloaded_bytes = self._counter("downloaded_bytes", "Bytes that Telegram sent", ("source",), SOURCES)
        self.uploaded_bytes = self._counter("uploaded_bytes", "Bytes that the object store took")
        self.parts_failed = self._counter(
            "parts_failed",
            "Parts of large files that were asked for in vain, and are asked for again",
            ("source",),
            SOURCES[1:],
        )
        self.flood_waits = self._counter("flood_waits", "How often Telegram asked to wait", ("source",), SOURCES)
        self.flood_wait_seconds = self._counter(
            "flood_wait_seconds", "For how long in all Telegram asked to wait", ("source",), SOURCES
        )
        self.stage_seconds = self._histogram(
            "stage_seconds", "How long a stage of the work on one file took", SECONDS, ("stage",), tuple(Stage)
        )

    def _count_services(self) -> None:
        self.store_requests = self._counter("store_requests", "Requests to the object store", ("outcome",), OUTCOMES)
        self.store_request_seconds = self._histogram(
            "store_request_seconds", "How long the object store took to answer", SECONDS
        )
        self.bot_api_requests = self._counter("bot_api_requests", "Requests to the Bot API", ("outcome",), OUTCOMES)
        self.broker_connections = self._counter("broker_connections", "Connections made to the broker")
        self.messages_published = self._counter("messages_published", "Messages that the broker confirmed", ("queue",))
        self.session_state = self._gauge(
            "session_state", "1 for the state that an account's MTProto session is in", ("account", "state")
        )

    def _count_room(self) -> None:
        self.bucket_used_ratio = self._gauge("minio_bucket_used_ratio", "Archived bytes over S3_BUCKET_QUOTA_BYTES")
        self.archive_bytes = self._gauge("archive_bytes", "Bytes that the archive takes in the store")
        self.disk_free_bytes = self._gauge(
            "disk_free_bytes", "Room that is left where a folder of ours lies", ("disk",)
        )
        self.disk_size_bytes = self._gauge("disk_size_bytes", "Size of the disk on which it lies", ("disk",))

    def _count_backups(self) -> None:
        self.backups = self._counter("backups", "Backups that this process tried to make", ("outcome",), OUTCOMES)
        self.backup_last_success_timestamp_seconds = self._gauge(
            "backup_last_success_timestamp_seconds", "When the newest backup was made, in Unix time; 0: none is known"
        )
        self.backup_last_size_bytes = self._gauge("backup_last_size_bytes", "Bytes that the newest backup takes")
        self.backup_interval_seconds = self._gauge(
            "backup_interval_seconds", "BACKUP_INTERVAL_HOURS in seconds; 0: this process makes none"
        )

    def session_is(self, account: str, state: SessionState) -> None:
        """An account's session entered another state."""
        for each in SessionState:
            self.session_state.labels(account=account, state=each).set(each is state)

    def asked_to_wait(self, source: str, seconds: float) -> None:
        """Telegram asked to wait."""
        self.flood_waits.labels(source=source).inc()
        self.flood_wait_seconds.labels(source=source).inc(seconds)

    def _counter(self, name: str, what: str, labels: Sequence[str] = (), values: Sequence[str] = ()) -> Counter:
        counter = Counter(f"teltubby_{name}", what, labels, registry=self.registry)
        for value in values:
            counter.labels(value)
        return counter

    def _gauge(self, name: str, what: str, labels: Sequence[str] = (), values: Sequence[str] = ()) -> Gauge:
        gauge = Gauge(f"teltubby_{name}", what, labels, registry=self.registry)
        for value in values:
            gauge.labels(value)
        return gauge

    def _histogram(
        self, name: str, what: str, buckets: Sequence[float], labels: Sequence[str] = (), values: Sequence[str] = ()
    ) -> Histogram:
        histogram = Histogram(f"teltubby_{name}", what, labels, buckets=buckets, registry=self.registry)
        for value in values:
            histogram.labels(value)
        return histogram
