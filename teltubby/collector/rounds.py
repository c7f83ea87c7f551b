"""A round over many channels: each is caught up, and then its history followed a little further back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import InitVar, dataclass, field
from datetime import datetime
from functools import partial

import anyio

from teltubby.adapters.base import ChannelGateway
from teltubby.archive.media_filter import accepts
from teltubby.collector.history import ChannelHistory, HistorySummary, Progress
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.updates import nothing_wanted
from teltubby.errors import SessionNotReady, TeltubbyError
from teltubby.messages.channels import ChannelRef, FoundChannel
from teltubby.messages.collected import Channel
from teltubby.messages.collector import MediaFilter

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Target:
    """A channel of a round: as `archive.peers` writes it, and how this account asks for it, once that is known.

    Files of its posts that `media` accepts are to be archived.
    """

    peer: str
    ref: ChannelRef | None = None
    media: MediaFilter | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSummary:
    """What came of one channel: `trouble` says why not all of it was read (a sentence, no full stop), by `error`."""

    peer: str
    channel: Channel | None
    history: HistorySummary
    trouble: str | None = None
    error: TeltubbyError | TimeoutError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSummary:
    """What came of every channel, in the order of the targets; `ended`: the round ended early, by what happened to the
    session.
    """

    channels: tuple[ChannelSummary, ...]
    ended: SessionNotReady | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Turn:
    target: Target
    channel: Channel | None = None
    history: ChannelHistory | None = None
    error: TeltubbyError | TimeoutError | None = None
    is_done: bool = False


def untold(progress: Progress) -> None:
    """Nobody wants to know how far it is."""
    del progress


async def unannounced(peer: str, found: FoundChannel) -> None:
    """Nobody wants to know which channel it is."""
    del peer, found


@dataclass(kw_only=True, eq=False)
class Round:
    """One round over `targets`, at most `concurrency` of them at a time; `limit` is that of ChannelHistory.backfill.

    What goes wrong with one channel (TeltubbyError, TimeoutError) ends only that channel's turn; a session that is not
    ready ends the round. `found` is told which channel a target is before anything of it is read. Two targets that are
    one channel are read once. `gateway` is a patient one.
    """

    targets: InitVar[Sequence[Target]]
    gateway: ChannelGateway
    store: StoreThread
    clock: Callable[[], datetime]
    limit: int | None
    concurrency: int
    tell: Callable[[Progress], None] = untold
    found: Callable[[str, FoundChannel], Awaitable[None]] = unannounced
    _turns: list[_Turn] = field(init=False)
    _taken: set[int] = field(init=False, default_factory=set)
    _ended: SessionNotReady | None = field(init=False, default=None)

    def __post_init__(self, targets: Sequence[Target]) -> None:
        self._turns = [_Turn(target=target) for target in targets]

    @property
    def summary(self) -> RoundSummary:
        """What was done by now: before, while and after it runs, also when it was cancelled."""
        return RoundSummary(channels=tuple(self._told(turn) for turn in self._turns), ended=self._ended)

    async def run(self) -> RoundSummary:
        """The whole round, once."""
        waiting = iter(self._turns)
        async with anyio.create_task_group() as group:
            for _ in range(min(self.concurrency, len(self._turns))):
                group.start_soon(self._take_turns, waiting, group.cancel_scope)
        return self.summary

    async def _take_turns(self, waiting: Iterator[_Turn], scope: anyio.CancelScope) -> None:
        for turn in waiting:
            try:
                await self._collect(turn)
            except SessionNotReady as error:
                self._ended = turn.error = error
                scope.cancel()  # of what the others have read all that is stored stays
                return
            except (TeltubbyError, TimeoutError) as error:
                turn.error = error
                _LOG.warning("%s is not collected to the end: %s", turn.target.peer, _words(error))
            turn.is_done = True

    async def _collect(self, turn: _Turn) -> None:
        target = turn.target
        if target.ref is None:
            found = await self.gateway.find_channel(target.peer)
        else:
            found = await self.gateway.describe_channel(target.ref)
        turn.channel = found.channel
        await self.found(target.peer, found)
        if found.ref.channel_id in self._taken:
            return
        self._taken.add(found.ref.channel_id)
        wanted = nothing_wanted if target.media is None else partial(accepts, target.media)
        turn.history = ChannelHistory(found, self.gateway, self.store, clock=self.clock, wanted=wanted)
        await turn.history.catch_up(self.tell)
        await turn.history.backfill(self.limit, self.tell)

    def _told(self, turn: _Turn) -> ChannelSummary:
        trouble = None
        if turn.error is not None:
            trouble = _words(turn.error)
        elif not turn.is_done:
            trouble = "The round ended before all of it was read"
        return ChannelSummary(
            peer=turn.target.peer,
            channel=turn.channel,
            history=HistorySummary() if turn.history is None else turn.history.summary,
            trouble=trouble,
            error=turn.error,
        )


def _words(error: TeltubbyError | TimeoutError) -> str:
    return str(error) or "Telegram did not answer in time"
