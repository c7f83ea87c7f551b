"""The collector of channels, where it is switched on: beside the downloads, over the session of a person."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from teltubby.actors.collector_standing import WHERE, CollectorState
from teltubby.actors.room_asked import HasRoom
from teltubby.actors.troubles import Troubles
from teltubby.adapters.clock import utc_now
from teltubby.archive.peers import read_peers
from teltubby.config import Config
from teltubby.errors import ConfigurationError
from teltubby.messages.channels import ChannelRequest
from teltubby.messages.collector import CollectorMessage, ReportCollected
from teltubby.messages.queue import CollectorChanged, CountQueues
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import DescribeSession, SessionChanged
from teltubby.supervision import Backoff, ChildSpec, Mailbox, Ref, SupervisionError
from teltubby.trees import parts

_LOG = logging.getLogger(__name__)

SELDOM = Backoff(first=120.0, cap=3600.0)
"""A collector that crashes again and again must not use up the restarts of the sessions and downloads."""
NOTHING_TO_COLLECT = (
    "MTPROTO_ENABLED is set, but nothing is collected: set MTPROTO_HISTORY_ENABLED, MTPROTO_UPDATES_ENABLED, or both"
)


def say_what_is_off(config: Config, troubles: Troubles, *, missing: str | None) -> None:
    """Tell an operator who wants channels collected why they are not; `missing` as parts.mtproto_missing says it."""
    settings = config.collector
    if settings.is_on and missing is not None:
        reason = f"channels are not collected: {missing}"
        _LOG.warning("%s", reason)
        troubles.enter(WHERE, reason)
    elif settings.enabled and not settings.is_on:
        _LOG.warning(NOTHING_TO_COLLECT)


def announced(
    queue: Ref[SessionChanged], collector: Mailbox[CollectorMessage] | None
) -> Callable[[SessionChanged], None]:
    """Tells of every change of the person's session: the queue, and the collector where there is one."""
    if collector is None:
        return queue.tell
    mailbox = collector

    def announce(changed: SessionChanged) -> None:
        with suppress(SupervisionError):  # it looks from time to time, too
            mailbox.ref.tell(changed)
        queue.tell(changed)

    return announce


def collector_children(
    config: Config,
    mailbox: Mailbox[CollectorMessage] | None,
    *,
    worker: str,
    sessions: Mapping[AccountKind, Ref[ChannelRequest | DescribeSession]],
    queue: Ref[ReportCollected | CountQueues | CollectorChanged],
    room: HasRoom,
    troubles: Troubles,
) -> Sequence[ChildSpec]:
    """The owner of the collector's database, who reads `mailbox`; nobody without one.

    Raises ConfigurationError for what in MTPROTO_PEERS names no channel.
    """
    if mailbox is None:
        return ()
    # As in parts: a worker that collects nothing does without the database's libraries.
    from teltubby.actors.collected_channels import CollectorMeans, told_over, waiting_in
    from teltubby.actors.collector import CollectorActor
    from teltubby.actors.session_channels import SessionChannels

    settings = config.collector
    peers, refused = read_peers(settings.peers)
    if refused:
        raise ConfigurationError(
            tuple(f"MTPROTO_PEERS has '{peer.written}', but {peer.reason}." for peer in refused),
        )

    def announce() -> None:
        with suppress(SupervisionError):  # the queue says how this worker stands with every connection, too
            queue.tell(CollectorChanged())

    def make() -> CollectorActor:
        return CollectorActor(
            CollectorMeans(
                worker=worker,
                settings=settings,
                peers=tuple(map(str, peers)),
                session=SessionChannels(sessions[AccountKind.USER]),
                tell=told_over(queue),
                waiting=waiting_in(queue),
                has_room=room,
                state=CollectorState(
                    troubles=troubles,
                    threshold=settings.sleep_threshold,
                    clock=utc_now,
                    announce=announce,
                ),
                backoff=parts.RECONNECT,
                rng=parts.RNG,
                clock=utc_now,
            )
        )

    return (ChildSpec("collector", make, mailbox=mailbox, backoff=SELDOM),)
