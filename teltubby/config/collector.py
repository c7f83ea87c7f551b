"""Settings of the collector of channel history."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from teltubby.config.group import (
    AT_ONCE,
    NOT_NEGATIVE,
    PATH,
    POSITIVE,
    SECONDS,
    YES_NO,
    AtOnce,
    Count,
    Group,
    Positive,
    Seconds,
)
from teltubby.config.variable import MetricsSchedule, NameList, ProxyAddress, Variable
from teltubby.messages.collector import MetricsStep

DEFAULT_SCHEDULE = (
    MetricsStep(age=timedelta(hours=1), every=timedelta(minutes=10)),
    MetricsStep(age=timedelta(days=1), every=timedelta(hours=1)),
    MetricsStep(age=timedelta(days=7), every=timedelta(hours=6)),
    MetricsStep(age=timedelta(days=30), every=timedelta(days=1)),
)


class CollectorSettings(Group):
    """The collector of channel history."""

    enabled: Annotated[
        bool,
        Variable("MTPROTO_ENABLED", YES_NO, "The collector, which the next two switch on; not the worker."),
    ] = False
    history_enabled: Annotated[bool, Variable("MTPROTO_HISTORY_ENABLED", YES_NO, "Collect history.")] = False
    updates_enabled: Annotated[bool, Variable("MTPROTO_UPDATES_ENABLED", YES_NO, "Follow updates.")] = False
    peers: Annotated[
        NameList,
        Variable(
            "MTPROTO_PEERS",
            "a comma-separated list of @names, https://t.me/ links and ids like -1001234567890",
            "Channels to collect, besides those of /track; the user account must be able to read them.",
        ),
    ] = ()
    database_path: Annotated[Path, Variable("MTPROTO_DATABASE_PATH", PATH, "The collector's own database.")] = Path(
        "/data/collector.db"
    )
    sync_interval: Annotated[
        Seconds,
        Variable("MTPROTO_SYNC_INTERVAL", SECONDS, "Between two catch-ups of a channel; the first is at the start."),
    ] = 300
    history_limit_per_run: Annotated[
        Positive,
        Variable("MTPROTO_HISTORY_LIMIT_PER_RUN", POSITIVE, "Older messages per channel and catch-up, at most."),
    ] = 500
    concurrency: Annotated[AtOnce, Variable("MTPROTO_CONCURRENCY", AT_ONCE, "Channels at once.")] = 4
    metrics_schedule: Annotated[
        MetricsSchedule,
        Variable(
            "METRICS_SCHEDULE",
            "a list like 1h:10m,1d:2h,30d:1d, ages and intervals growing",
            "How often counters are read again, by age of the post: 1h:10m is every 10 minutes for an hour. "
            "Older posts are not read again. Empty: none is.",
        ),
    ] = DEFAULT_SCHEDULE
    metrics_retention_days: Annotated[
        Positive,
        Variable("METRICS_RETENTION_DAYS", POSITIVE, "After so many days one snapshot of counters per day is kept."),
    ] = 90
    sleep_threshold: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Variable(
            "MTPROTO_SLEEP_THRESHOLD",
            "a number of seconds, 0 or more",
            "Longer flood waits are logged and shown; every one is waited for.",
        ),
    ] = 1.5
    retry_backoff: Annotated[
        Seconds,
        Variable("MTPROTO_RETRY_BACKOFF", "a number above 0", "Seconds before the second try, doubled each time."),
    ] = 2.0
    retry_max: Annotated[
        Count,
        Variable("MTPROTO_RETRY_MAX", NOT_NEGATIVE, "More tries of a request that Telegram does not serve."),
    ] = 5
    proxy: Annotated[
        ProxyAddress | None,
        Variable(
            "TELEGRAM_PROXY",
            "an address like socks5://host:1080",
            "A proxy for every MTProto connection.",
            secret=True,
        ),
    ] = None

    @property
    def is_on(self) -> bool:
        """Whether a worker collects anything."""
        return self.enabled and (self.history_enabled or self.updates_enabled)
