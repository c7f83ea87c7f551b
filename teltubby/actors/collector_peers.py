"""The channels that are to be collected: those of MTPROTO_PEERS and those that people track, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from teltubby.archive.peers import ChannelPeer, NamedPeer, read_peer
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.sweeps import left_to_sweep
from teltubby.collector.tracking import FoundPeer
from teltubby.messages.channels import ChannelRef
from teltubby.messages.collected import Channel
from teltubby.messages.collector import ChannelStanding, MediaFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A channel that is wanted, under one of the names by which it is (as archive.peers writes them).

    `tracked_as` is its name in the table of tracked channels, None where it stands in MTPROTO_PEERS alone.
    """

    peer: str
    found: FoundPeer
    is_configured: bool = False
    tracked_as: str | None = None
    media: MediaFilter | None = None
    is_swept: bool = True

    @property
    def channel_id(self) -> int | None:
        """The channel's bare id, once it was found."""
        return None if self.found.ref is None else self.found.ref.channel_id

    def ref_of(self, account_id: int | None) -> ChannelRef | None:
        """How that account asks for the channel, None where it has to find it first."""
        return self.found.ref if account_id is not None and self.found.account_id == account_id else None


def read_wishes(store: CollectorStore, configured: Sequence[str]) -> tuple[Wish, ...]:
    """Configured ones first, all in the order in which they were wanted. Blocking; raises DatabaseUnavailable."""
    tracked = [
        Wish(
            peer=each.peer,
            found=each.found,
            tracked_as=each.peer,
            media=each.media,
            is_swept=each.is_swept,
        )
        for each in store.tracking.all()
    ]
    wishes: dict[int | str, Wish] = {}
    for wish in (
        *(Wish(peer=peer, found=store.tracking.known(peer), is_configured=True) for peer in configured),
        *tracked,
    ):
        ref = wish.found.ref
        named = next((key for key, other in wishes.items() if other.peer == wish.peer), None)
        key = named if named is not None else wish.peer if ref is None else ref.channel_id
        first = wishes.get(key)
        wishes[key] = wish if first is None else _together(first, wish)
    return tuple(wishes.values())


def _together(first: Wish, other: Wish) -> Wish:
    """Two wishes for one channel; of two filters the first has the word."""
    if other.tracked_as is None or first.media is not None:
        return first
    return replace(first, tracked_as=other.tracked_as, media=other.media, is_swept=other.is_swept)


def known_channel(store: CollectorStore, peer: str) -> int | None:
    """The bare id of a channel that was found or collected before. Blocking; raises DatabaseUnavailable."""
    ref = store.tracking.known(peer).ref
    if ref is not None:
        return ref.channel_id
    match read_peer(peer):
        case ChannelPeer(channel_id=channel_id):
            return None if store.channels.find(channel_id) is None else channel_id
        case NamedPeer(name=name):
            named = [one for one in store.channels.all() if (one.username or "").lower() == name]
            # Another may have had the name, and not been seen since.
            return max(named, key=lambda one: one.seen_at).channel_id if named else None
        case _:
            return None


def standing_of(store: CollectorStore, wish: Wish, total: int | None) -> ChannelStanding:
    """How far the channel is collected, which has `total` messages. Blocking; raises DatabaseUnavailable."""
    ref, channel = wish.found.ref, None
    if ref is not None:
        channel = store.channels.find(ref.channel_id)
    if ref is None or channel is None:
        return ChannelStanding(
            peer=wish.peer,
            channel_id=None if ref is None else ref.channel_id,
            trouble=wish.found.trouble,
            media=wish.media,
            is_configured=wish.is_configured,
        )
    return _standing(store, wish, channel, total)


def _standing(store: CollectorStore, wish: Wish, channel: Channel, total: int | None) -> ChannelStanding:
    cursor = store.channels.cursor(channel.channel_id)
    return ChannelStanding(
        peer=wish.peer,
        channel_id=channel.channel_id,
        title=channel.title,
        username=channel.username,
        posts=store.channels.posts(channel.channel_id),
        total=total,
        backfill_done=cursor.backfill_done,
        complete_at=cursor.complete_at,
        trouble=wish.found.trouble,
        media=wish.media,
        is_configured=wish.is_configured,
        to_read_again=left_to_sweep(store.file, channel.channel_id),
    )
