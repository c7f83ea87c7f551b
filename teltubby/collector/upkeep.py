"""What is done for channels beside following them: counters are read again, posts swept, snapshots thinned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from teltubby.adapters.base import ChannelGateway
from teltubby.collector.refresh import refresh, retain
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.sweeping import sweep_on
from teltubby.collector.updates import Wanted
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collector import MetricsStep

COUNTERS_SECONDS = 60.0
"""Between two looks at which counters are due."""
RETENTION_SECONDS = 86_400.0
"""Between two thinnings."""
SWEEP_SECONDS = 1.0
"""Between two hundreds of a sweep: what is new comes first, and Telegram is asked for no more than it may."""
QUIET = timedelta(days=30)
"""So long all channels may be quiet, and still our clock is believed about which snapshots are old."""
NO_SWEEP_SECONDS = 30.0
"""Between two looks whether there is anything to sweep, while there is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Upkeep:
    """One collector's; `schedule` is METRICS_SCHEDULE, after `retention_days` one snapshot a day is kept.

    Whatever is stopped goes on the next time. Each raises what Telegram and the store raise.
    """

    gateway: ChannelGateway
    store: StoreThread
    schedule: Sequence[MetricsStep]
    retention_days: int
    clock: Callable[[], datetime]
    wanted: Wanted

    async def count(self, ref: ChannelRef) -> None:
        """Read the counters of a channel that are due."""
        await refresh(ref, self.gateway, self.store, schedule=self.schedule, now=self._now(), wanted=self.wanted)

    async def sweep(self, ref: ChannelRef) -> bool:
        """Read the next hundred of a channel's sweep; False where there is none to go on with."""
        return await sweep_on(ref, self.gateway, self.store, now=self._now(), wanted=self.wanted)

    async def retain(self) -> None:
        """Thin the snapshots of all channels: for good, so that a clock which runs ahead is not believed."""
        await retain(self.store, days=self.retention_days, now=self.store.store.moments.known(self._now(), quiet=QUIET))

    def _now(self) -> datetime:
        return self.store.store.moments.dated(self.clock())
