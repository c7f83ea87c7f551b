"""`teltubby sync-history`: one round through the history of channels, with a bar and a summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from teltubby.adapters.clock import utc_now
from teltubby.collecting.opened import opened
from teltubby.collecting.peers import peers_of, targets_of
from teltubby.collecting.progress import Shown
from teltubby.collector.rounds import ChannelSummary, Round, RoundSummary
from teltubby.config import Config
from teltubby.exit_codes import EX_FAILED
from teltubby.messages.channels import FoundChannel

Write = Callable[[str], None]
"""Where the summary goes."""

EX_DONE = 0


async def sync_history(
    config: Config, named: Sequence[str], *, limit: int | None, at_once: int | None, shown: Shown, write: Write
) -> int:
    """Collect what is new and what is old of these channels, and return the exit code: 1 when one of them could not be.

    `limit` is the most older messages of a channel, `at_once` how many channels; None: as the settings say. The
    summary is written at the end, and when it is interrupted.
    """
    settings = config.collector
    async with opened(config, follows=False, on_wait=shown.waits) as have:
        store = have.store.store
        tracked = await have.store.run(store.tracking.all)
        peers = peers_of(named, settings.peers, [channel.peer for channel in tracked])
        targets = await have.store.run(targets_of, store, peers, have.account.id)

        async def found(peer: str, channel: FoundChannel) -> None:
            await have.store.run(store.tracking.found, peer, channel.ref, have.account.id)

        history = Round(
            targets=targets,
            gateway=have.gateway,
            store=have.store,
            clock=utc_now,
            limit=settings.history_limit_per_run if limit is None else limit,
            concurrency=settings.concurrency if at_once is None else at_once,
            tell=shown.tell,
            found=found,
        )
        done = False
        try:
            await history.run()
            done = True
        finally:
            write(summary_of(history.summary, interrupted=not done))
    return EX_FAILED if has_trouble(history.summary) else EX_DONE


def has_trouble(summary: RoundSummary) -> bool:
    """Whether something was not collected that should have been."""
    return summary.ended is not None or any(channel.trouble is not None for channel in summary.channels)


def summary_of(summary: RoundSummary, *, interrupted: bool) -> str:
    """One JSON object: what the round brought, in all and of each channel."""
    channels = [_channel(channel) for channel in summary.channels]
    told = {
        "interrupted": interrupted,
        "ended": None if summary.ended is None else str(summary.ended),
        "new": sum(channel.history.new for channel in summary.channels),
        "edited": sum(channel.history.edited for channel in summary.channels),
        "channels": channels,
    }
    return json.dumps(told, ensure_ascii=False, indent=2)


def _channel(summary: ChannelSummary) -> dict[str, object]:
    channel, history = summary.channel, summary.history
    return {
        "peer": summary.peer,
        "channel_id": None if channel is None else channel.channel_id,
        "title": None if channel is None else channel.title,
        "new": history.new,
        "edited": history.edited,
        "read": history.read,
        "unreadable": history.unreadable,
        "pages": history.pages,
        "total": history.total,
        "backfill_done": history.backfill_done,
        "trouble": summary.trouble,
    }
