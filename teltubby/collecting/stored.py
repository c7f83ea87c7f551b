"""Channels that something is stored of, as people name them."""

from __future__ import annotations

from collections.abc import Sequence

from teltubby.archive.peers import ChannelPeer, NamedPeer, read_peer
from teltubby.collecting.peers import NoChannel, one_peer
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.collected import Channel


def stored_channels(store: CollectorStore, written: Sequence[str]) -> tuple[Channel, ...]:
    """These channels, each once; all, where none is named. Raises NoChannel for one that nothing is stored of."""
    known = store.channels.all()
    if not written:
        return known
    return tuple({channel.channel_id: channel for channel in (_found(store, known, one) for one in written)}.values())


def _found(store: CollectorStore, known: Sequence[Channel], written: str) -> Channel:
    """By the name that it has now, its id, or what it was tracked by."""
    peer = one_peer(written)
    read, ref = read_peer(written), store.tracking.known(peer).ref
    # A name may have been another's, who was not seen since.
    for channel in sorted(known, key=lambda each: each.seen_at, reverse=True):
        is_named = isinstance(read, NamedPeer) and (channel.username or "").lower() == read.name
        if is_named or (isinstance(read, ChannelPeer) and channel.channel_id == read.channel_id):
            return channel
    for channel in known:
        if ref is not None and channel.channel_id == ref.channel_id:
            return channel
    raise NoChannel(f"nothing of {peer} was collected yet; `teltubby channels list` shows what is")
