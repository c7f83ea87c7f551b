"""Which channels a command is about: those that it names, or all that are collected anyway."""

from __future__ import annotations

from collections.abc import Sequence

from teltubby.archive.peers import RefusedPeer, read_peer, read_peers
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.rounds import Target
from teltubby.errors import TeltubbyError


class NoChannel(TeltubbyError):
    """What was named is no channel, or none was."""


def one_peer(written: str) -> str:
    """A channel that somebody names, as the collector writes it. Raises NoChannel."""
    peer = read_peer(written)
    if isinstance(peer, RefusedPeer):
        raise _refused((peer,))
    return str(peer)


def peers_of(written: Sequence[str], configured: Sequence[str], tracked: Sequence[str]) -> tuple[str, ...]:
    """The channels that are named; where none is, those of MTPROTO_PEERS and of `/track`. Raises NoChannel."""
    peers, refused = read_peers(written or configured)
    if refused:
        raise _refused(refused)
    found = tuple(dict.fromkeys((*map(str, peers), *(() if written else tracked))))
    if not found:
        raise NoChannel("no channel is named: neither here, nor in MTPROTO_PEERS, nor by `teltubby channels add`")
    return found


def targets_of(store: CollectorStore, peers: Sequence[str], account_id: int) -> tuple[Target, ...]:
    """What is known of these channels, with the filters of those whose files are archived. Blocking."""
    media = {tracked.peer: tracked.media for tracked in store.tracking.all()}
    known = [store.tracking.known(peer) for peer in peers]
    return tuple(
        Target(each.peer, each.ref if each.account_id == account_id else None, media.get(each.peer)) for each in known
    )


def _refused(peers: Sequence[RefusedPeer]) -> NoChannel:
    return NoChannel("; ".join(f"'{peer.written}' is no channel: {peer.reason}" for peer in peers))
