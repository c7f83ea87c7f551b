"""A round of the collector: every channel is found, caught up and followed further back, and its files are wanted."""

from __future__ import annotations

from functools import partial

from teltubby.actors.collected_channels import CollectedChannels, NoLongerWanted
from teltubby.actors.collector_peers import Wish
from teltubby.archive.media_filter import accepts
from teltubby.collector.history import Progress, begin
from teltubby.collector.rounds import Round, RoundSummary, Target
from teltubby.errors import DatabaseUnavailable, Permanent
from teltubby.messages.channels import FoundChannel


class CollectorRound:
    """Rounds over the channels that people want, one at a time."""

    def __init__(self, channels: CollectedChannels) -> None:
        self._channels = channels
        self._settings = channels.means.settings
        self.wanted = channels.wanted
        """What people wanted when the last round began."""

    async def go(self) -> None:
        """One round. Raises SessionNotReady, DatabaseUnavailable, what let none of the channels be read, and at its end
        what kept one from being caught up.
        """
        channels, trouble = self._channels, None
        await channels.sign_in()
        await channels.read()
        self.wanted = channels.wanted
        if self._settings.history_enabled:
            await self._collect(channels.to_be_sought)
        else:
            trouble = await channels.all_of(channels.to_be_sought, self._find)
        await channels.read()
        if self._settings.updates_enabled:
            trouble = await channels.catch_up() or trouble
        await self._want_stored_files()
        if trouble is not None:
            raise trouble

    async def _collect(self, wishes: tuple[Wish, ...]) -> None:
        channels = self._channels
        by_peer = {wish.peer: wish for wish in wishes}

        async def found(peer: str, channel: FoundChannel) -> None:
            await channels.found(by_peer[peer], channel)

        history = Round(
            targets=[Target(wish.peer, wish.ref_of(channels.account_id), wish.media) for wish in wishes],
            gateway=channels.gateway,
            store=channels.store,
            clock=channels.means.clock,
            limit=self._settings.history_limit_per_run,
            concurrency=self._settings.concurrency,
            tell=self._progressed,
            found=found,
        )
        await self._note(await history.run())

    async def _note(self, summary: RoundSummary) -> None:
        channels = [one for one in summary.channels if not isinstance(one.error, NoLongerWanted)]
        if len(channels) < len(summary.channels):
            await self._channels.let_go()
        for one in channels:
            await self._channels.note(one.peer, one.error, one.trouble)
        if summary.ended is not None:
            raise summary.ended
        errors = [one.error for one in channels]
        for error in errors:
            if isinstance(error, DatabaseUnavailable):  # it is no channel's own, whatever became of the others
                raise error
        passing = [error for error in errors if error is not None and not isinstance(error, Permanent)]
        if passing and all(error is not None for error in errors):
            raise passing[0]  # nothing could be done at all: then it is tried again soon

    def _progressed(self, progress: Progress) -> None:
        """A page is stored. Raises NoLongerWanted where nobody wants another one."""
        channel_id = progress.channel.channel_id
        if progress.total is not None:
            self._channels.means.state.totals[channel_id] = progress.total
        if not self._channels.is_collected(channel_id):
            raise NoLongerWanted("nobody wants it collected any more")

    async def _find(self, wish: Wish) -> None:
        """Without history, a channel is only found, and collected from then on."""
        channels = self._channels
        ref, gateway = wish.ref_of(channels.account_id), channels.gateway
        found = await (gateway.find_channel(wish.peer) if ref is None else gateway.describe_channel(ref))
        await channels.store.run(begin, channels.store.store, found, channels.means.clock())
        await channels.found(wish, found)

    async def _want_stored_files(self) -> None:
        """What was stored before its files were wanted; pages that were read with another filter are stored now."""
        channels, tracking = self._channels, self._channels.store.store.tracking
        for wish in channels.wishes:
            if wish.channel_id is None or wish.media is None or wish.tracked_as is None or wish.is_swept:
                continue
            fits = partial(accepts, wish.media)
            last: int | None = -1
            while last is not None and channels.is_collected(wish.channel_id):
                look = partial(tracking.sweep, wish.channel_id, fits, after=last, at=channels.means.clock())
                last = await channels.store.run(look)
            await channels.store.run(tracking.swept, wish.tracked_as, wish.media)
