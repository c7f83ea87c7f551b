"""Reads counters again: of posts by their age (METRICS_SCHEDULE), and how many follow a channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from teltubby.adapters.base import ChannelGateway
from teltubby.collector.clocks import BELIEVED
from teltubby.collector.due import due_posts, next_due_at
from teltubby.collector.metrics import Thinning, posts_to_thin, thin_posts
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.collector.updates import Wanted, nothing_wanted, page_by_id
from teltubby.messages.channels import PAGE, ChannelRef, FoundChannel
from teltubby.messages.collector import MetricsStep

DESCRIBED_EVERY = timedelta(hours=1)
"""How old the number of subscribers may become where posts are collected."""


async def refresh(
    channel: FoundChannel | ChannelRef,
    gateway: ChannelGateway,
    store: StoreThread,
    *,
    schedule: Sequence[MetricsStep],
    now: datetime,
    wanted: Wanted = nothing_wanted,
) -> int:
    """Read the posts of a channel that are due, by id, and the channel itself; returns how many posts were read.

    A post is recorded as it is now: edits of it are found too, and one that is absent is gone. Every hundred is a
    transaction of its own, and done when it is stored: stopped at any moment, the rest is due still. Raises what
    Telegram and the store raise.
    """
    ref = channel.ref if isinstance(channel, FoundChannel) else channel
    if await store.run(_is_description_due, store.store, ref.channel_id, now):
        found = await gateway.describe_channel(ref)
        await store.run(store.store.channels.record, found.channel)
    due = await store.run(due_posts, store.store.file, ref.channel_id, schedule, now)
    for place in range(0, len(due), PAGE):
        # As of `now`, before it was asked: of two edits in one second that which is pushed meanwhile is the newer.
        messages = await gateway.posts_by_id(ref, due[place : place + PAGE])
        await store.run(store.store.record, page_by_id(ref.channel_id, messages, now, wanted))
    return len(due)


async def next_due(
    channel_id: int, store: StoreThread, *, schedule: Sequence[MetricsStep], now: datetime
) -> datetime | None:
    """When `refresh` has something to do of posts that are stored now, `now` at the earliest; None: nothing."""
    return await store.run(next_due_at, store.store.file, channel_id, schedule, now)


async def retain(store: StoreThread, *, days: int, now: datetime) -> int:
    """Of snapshots older than `days` keep one per day; returns how many were removed. Collecting goes on in between."""
    rules = (Thinning(age=timedelta(days=days), step=timedelta(days=1)),)
    removed = 0
    for channel in await store.run(store.store.channels.all):
        last = -1
        while span := await store.run(posts_to_thin, store.store.file, channel.channel_id, last):
            last = span[1]
            removed += await store.run(thin_posts, store.store.file, channel.channel_id, span, rules, now)
    return removed


def _is_description_due(store: CollectorStore, channel_id: int, now: datetime) -> bool:
    """Whatever reads a channel records it, so that this is seldom."""
    known = store.channels.find(channel_id)
    return known is None or not now - DESCRIBED_EVERY < known.seen_at <= now + BELIEVED
