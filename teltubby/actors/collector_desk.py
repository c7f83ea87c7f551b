"""What people ask of the collector in the bot's chat, and the answers."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypedDict

from anyio import to_thread

from teltubby.actors.collected_channels import CollectorMeans
from teltubby.actors.collector_peers import Wish, known_channel, read_wishes, standing_of
from teltubby.archive.peers import RefusedPeer, read_peer
from teltubby.collector.report import Report, build
from teltubby.collector.repositories import CollectorStore
from teltubby.collector.store_thread import StoreThread
from teltubby.errors import ChatUnavailable, TeltubbyError, Transient
from teltubby.messages.channels import FoundChannel
from teltubby.messages.collector import (
    ChannelStanding,
    ChannelsTold,
    MakeReport,
    ReportTold,
    TrackChannel,
    TrackTold,
    UntrackChannel,
)

_LOG = logging.getLogger(__name__)

MOST_PAGE_BYTES = 4 << 20
MOST_PICTURE_BYTES = 2 << 20
"""What the broker carries of a report (messages.wire_collector)."""
CONFIGURED = "it stands in MTPROTO_PEERS, which only the operator changes"


class AnswerHead(TypedDict):
    """What every answer to an order begins with."""

    worker: str
    order_id: str
    at: datetime


def answer_head(means: CollectorMeans, order_id: str) -> AnswerHead:
    """Who answers which order, and when."""
    return {"worker": means.worker, "order_id": order_id, "at": means.clock()}


class CollectorDesk:
    """Answers orders with an open store; `look` is called when channels are to be looked for at once.

    Raises DatabaseUnavailable.
    """

    def __init__(self, store: StoreThread, means: CollectorMeans, *, look: Callable[[], None]) -> None:
        self._store = store
        self._means = means
        self._look = look

    async def track(self, order: TrackChannel) -> TrackTold:
        """Track a channel that Telegram shows to the account; while it cannot be asked, one that is well written."""
        peer = read_peer(order.peer)
        if isinstance(peer, RefusedPeer):
            return self._told(order, order.peer, refusal=peer.reason)
        name, found, account_id, trouble = str(peer), None, None, None
        try:
            found = await self._means.session.find_channel(name)
            account_id = (await self._means.session.standing()).account_id
        except ChatUnavailable as error:
            return self._told(order, name, refusal=str(error))
        except (Transient, TimeoutError) as error:  # the next round looks for it, and /channels says why it cannot
            trouble = f"it was not looked for yet: {str(error) or 'Telegram did not answer in time'}"
            _LOG.info("%s: %s", name, trouble)
        changed, before, wish = await self._store.run(self._track, name, found, account_id, trouble, order)
        if changed or found is not None:  # it may have been in trouble until now
            self._look()
        return replace(
            self._told(order, name, changed=changed, channel=await self._standing(wish)),
            was_collected=before is not None,
            media_before=None if before is None else before.media,
        )

    def _track(
        self,
        name: str,
        found: FoundChannel | None,
        account_id: int | None,
        trouble: str | None,
        order: TrackChannel,
    ) -> tuple[bool, Wish | None, Wish]:
        """Under the name by which the channel is wanted already, if it is. Answers whether that changed anything, and
        what was wanted before and is wanted now. Blocking.
        """
        store = self._store.store
        channel_id = known_channel(store, name) if found is None else found.ref.channel_id
        same = self._wish(name, channel_id)
        peer = name if same is None else same.tracked_as or same.peer
        if found is not None:
            store.channels.record(found.channel)
            store.tracking.found(peer, found.ref, account_id)
        elif same is None:
            store.tracking.trouble(peer, trouble, self._means.clock())
        changed = False
        if same is None or same.tracked_as is not None or order.media is not None:
            changed = store.tracking.add(peer, user_id=order.user_id, at=self._means.clock(), media=order.media)
        wish = self._wish(peer, channel_id)
        assert wish is not None
        return changed, same, wish

    async def untrack(self, order: UntrackChannel) -> TrackTold:
        """Track a channel no longer, by whichever of its names."""
        peer = read_peer(order.peer)
        if isinstance(peer, RefusedPeer):
            return self._told(order, order.peer, refusal=peer.reason)
        name = str(peer)
        wish = await self._store.run(self._known, name)
        if wish is None:
            return self._told(order, name, refusal="it is not collected")
        channel = await self._standing(wish)
        if wish.tracked_as is None:
            return self._told(order, name, refusal=CONFIGURED, channel=channel)
        changed = await self._store.run(self._store.store.tracking.remove, wish.tracked_as)
        self._look()
        return self._told(order, name, changed=changed, channel=channel)

    async def channels(self, order_id: str) -> ChannelsTold:
        """Every channel, and how the collector itself stands."""
        state = self._means.state
        return ChannelsTold(
            **answer_head(self._means, order_id),
            channels=await self._store.run(self._standings),
            following=state.is_following,
            collector=state.words,
            history=self._means.settings.history_enabled,
        )

    async def report(self, order: MakeReport, database: Path) -> ReportTold:
        """The report of a channel that is or was collected, written beside the collecting."""
        peer = read_peer(order.peer)
        if isinstance(peer, RefusedPeer):
            return self._reported(order, refusal=peer.reason)
        wish = await self._store.run(self._known, str(peer))
        channel_id = (
            await self._store.run(known_channel, self._store.store, str(peer)) if wish is None else wish.channel_id
        )
        if channel_id is None:
            return self._reported(order, refusal="nothing was collected of it yet")
        try:
            report = await to_thread.run_sync(self._build, database, channel_id, order.days)
        except TeltubbyError as error:
            return self._reported(order, refusal=str(error))
        page, picture = report.html.encode(), report.png
        if len(page) > MOST_PAGE_BYTES or len(picture or b"") > MOST_PICTURE_BYTES:
            return self._reported(order, refusal="the report is too large to be sent: ask for fewer days")
        return ReportTold(
            **answer_head(self._means, order.order_id),
            peer=order.peer,
            title=report.title,
            file_name=report.file_name,
            summary=report.summary,
            page=base64.b64encode(page).decode(),
            picture=None if picture is None else base64.b64encode(picture).decode(),
        )

    def _build(self, database: Path, channel_id: int, days: int) -> Report:
        store = CollectorStore.open_to_read(database)
        try:
            return build(store, channel_id, days=days, at=self._means.clock())
        finally:
            store.close()

    # -- blocking, in the store's thread

    def _wish(self, peer: str, channel_id: int | None) -> Wish | None:
        for wish in read_wishes(self._store.store, self._means.peers):
            if peer in (wish.peer, wish.tracked_as) or (channel_id is not None and wish.channel_id == channel_id):
                return wish
        return None

    def _known(self, peer: str) -> Wish | None:
        return self._wish(peer, known_channel(self._store.store, peer))

    def _standings(self) -> tuple[ChannelStanding, ...]:
        store, totals = self._store.store, self._means.state.totals
        return tuple(
            standing_of(store, wish, None if wish.channel_id is None else totals.get(wish.channel_id))
            for wish in read_wishes(store, self._means.peers)
        )

    # -- words

    async def _standing(self, wish: Wish) -> ChannelStanding:
        total = None if wish.channel_id is None else self._means.state.totals.get(wish.channel_id)
        return await self._store.run(standing_of, self._store.store, wish, total)

    def _told(
        self,
        order: TrackChannel | UntrackChannel,
        peer: str,
        *,
        refusal: str | None = None,
        changed: bool = False,
        channel: ChannelStanding | None = None,
    ) -> TrackTold:
        return TrackTold(
            **answer_head(self._means, order.order_id),
            peer=peer,
            refusal=refusal,
            changed=changed,
            channel=channel,
        )

    def _reported(self, order: MakeReport, *, refusal: str) -> ReportTold:
        return ReportTold(**answer_head(self._means, order.order_id), peer=order.peer, refusal=refusal)
