"""What a person's session asks Telegram about channels: ChannelGateway but for what is pushed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, assert_never

from telethon import errors, functions, types

from teltubby.adapters.telethon_chats import read_chat
from teltubby.adapters.telethon_differences import read_difference
from teltubby.adapters.telethon_known import KnownChannels
from teltubby.adapters.telethon_pages import HistoryPages, unreadable
from teltubby.adapters.telethon_places import Places
from teltubby.archive.peers import ChannelPeer, GroupPeer, InvitedPeer, NamedPeer, RefusedPeer, read_peer
from teltubby.errors import ChatUnavailable, Permanent, UnreadableAnswer
from teltubby.messages.channels import PAGE, ChannelDifference, ChannelRef, FoundChannel, PostPage
from teltubby.messages.collected import (
    Channel,
    ChannelMigrated,
    ChannelUnavailable,
    ReadMessage,
    UnreadableMessage,
    id_of,
)

_LOG = logging.getLogger(__name__)

UNKNOWN_STATES = (errors.PersistentTimestampInvalidError, errors.PersistentTimestampEmptyError)
"""How Telegram says that a channel was never at a `pts`, or that it does not remember."""

DIFFERENCE_TRIES = 2
"""So often is asked for a difference that cannot be read."""


class Channels:
    """`ask` puts a request and raises what the house's errors are. asyncio-flavoured: call it from hosted bodies.

    What Telegram refuses for good is raised as ChatUnavailable: of this channel there is nothing to be had.
    """

    def __init__(
        self,
        ask: Callable[[Any], Awaitable[Any]],
        *,
        places: Places,
        known: KnownChannels,
        clock: Callable[[], datetime],
    ) -> None:
        self._put = ask
        self._pages = HistoryPages(self._ask, known, clock)
        self._places = places
        self._known = known
        self._clock = clock

    # -- which channel

    async def find(self, peer: str) -> FoundChannel:
        """See FindChannel."""
        name = read_peer(peer)
        match name:
            case NamedPeer():
                found = await self._resolved(name)
            case ChannelPeer():
                found = await self._by_id(name.channel_id)
            case GroupPeer():
                found = await self._successor(name)
            case InvitedPeer():
                found = await self._joined(name)
            case RefusedPeer():
                raise ChatUnavailable(name.reason)
            case _:
                assert_never(name)
        return await self.describe(found)

    async def describe(self, ref: ChannelRef) -> FoundChannel:
        """See DescribeChannel."""
        seen_at = self._clock()
        answer = await self._ask(functions.channels.GetFullChannelRequest(_channel(ref)))
        self._known.note(answer.chats)
        chat: Any = next((each for each in answer.chats if each.id == ref.channel_id), None)
        channel = read_chat(chat, seen_at=seen_at, full=answer.full_chat)
        if not isinstance(channel, Channel):
            raise _unavailable(channel)
        # The state first: what happens between the two requests is then told twice, and otherwise never.
        return FoundChannel(
            ref=ref,
            channel=channel,
            pts=answer.full_chat.pts,
            newest=await self._pages.newest(ref),
            protected=bool(chat.noforwards),
        )

    async def _resolved(self, name: NamedPeer) -> ChannelRef:
        answer = await self._ask(functions.contacts.ResolveUsernameRequest(name.name))
        if not isinstance(answer.peer, types.PeerChannel):
            raise ChatUnavailable(f"{name} is a person or a bot, not a channel")
        return self._ref_of(next((each for each in answer.chats if each.id == answer.peer.channel_id), None))

    async def _by_id(self, channel_id: int) -> ChannelRef:
        access_hash = self._known.access_hash(channel_id)
        if access_hash is None:
            access_hash = (await self._places.channel(channel_id)).access_hash
        return ChannelRef(channel_id, access_hash)

    async def _successor(self, name: GroupPeer) -> ChannelRef:
        answer = await self._ask(functions.messages.GetChatsRequest([name.chat_id]))
        return self._ref_of(next((each for each in answer.chats if each.id == name.chat_id), None))

    async def _joined(self, name: InvitedPeer) -> ChannelRef:
        answer = await self._ask(functions.messages.CheckChatInviteRequest(name.invite))
        if not isinstance(answer, types.ChatInviteAlready):
            raise ChatUnavailable("the account has not joined the channel of this invite link")
        return self._ref_of(answer.chat)

    def _ref_of(self, chat: Any) -> ChannelRef:
        """How to ask for a channel, or for the supergroup that a basic group has become."""
        self._known.note([chat])
        found = read_chat(chat, seen_at=self._clock())
        if isinstance(found, ChannelUnavailable):
            raise _unavailable(found)
        access_hash = chat.migrated_to.access_hash if isinstance(found, ChannelMigrated) else chat.access_hash
        if access_hash is None:
            raise ChatUnavailable("Telegram does not say how this account may ask for the channel")
        return ChannelRef(found.channel_id, access_hash)

    # -- its messages

    async def before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        """See PostsBefore."""
        return await self._pages.before(ref, before, limit)

    async def after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        """See PostsAfter."""
        return await self._pages.after(ref, after, limit)

    async def by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        """See PostsById, in the order in which they were asked for."""
        asked = list(dict.fromkeys(msg_ids))
        if not asked:
            return ()
        seen_at = self._clock()
        request = functions.channels.GetMessagesRequest(_channel(ref), [types.InputMessageID(each) for each in asked])
        try:
            answer = await self._ask(request)
        except UnreadableAnswer as error:
            if len(asked) == 1:
                return (unreadable(ref, asked[0], error),)
            half = len(asked) // 2
            return await self.by_id(ref, asked[:half]) + await self.by_id(ref, asked[half:])
        found = {id_of(message): message for message in await self._read(ref, answer, seen_at)}
        return tuple(found.get(each) or _left_out(ref, each) for each in asked)

    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        """See ReadDifference. One that cannot be read is asked for once more, and then taken for one too long ago."""
        request = functions.updates.GetChannelDifferenceRequest(
            channel=_channel(ref), filter=types.ChannelMessagesFilterEmpty(), pts=max(pts, 1), limit=PAGE
        )
        for _ in range(DIFFERENCE_TRIES):
            seen_at = self._clock()
            try:
                answer = await self._ask(request)
            except UnreadableAnswer as error:
                _LOG.warning("channel %d: what happened since pts %d: %s", ref.channel_id, pts, error)
            except ChatUnavailable as error:
                if not isinstance(_origin(error), UNKNOWN_STATES):
                    raise
                break
            else:
                read = self._known.reader(ref.channel_id, answer, seen_at)
                return await asyncio.to_thread(read_difference, answer, pts=pts, read=read, at=seen_at)
        return await self._start_again(ref)

    async def _start_again(self, ref: ChannelRef) -> ChannelDifference:
        """As a difference that is too long tells: the present state, and then the newest messages."""
        full = await self._ask(functions.channels.GetFullChannelRequest(_channel(ref)))
        page = await self.before(ref, None, PAGE)
        messages = await asyncio.to_thread(page.read)
        return ChannelDifference(pts=full.full_chat.pts, is_final=True, too_long=True, messages=messages)

    # -- inner workings

    async def _read(self, ref: ChannelRef, answer: Any, seen_at: datetime) -> list[ReadMessage]:
        """In a thread: a page of long texts takes a tenth of a second."""
        read = self._known.reader(ref.channel_id, answer, seen_at)
        return await asyncio.to_thread(lambda: [read(message) for message in answer.messages])

    async def _ask(self, request: Any) -> Any:
        try:
            return await self._put(request)
        except ChatUnavailable:
            raise
        except Permanent as error:
            raise ChatUnavailable(str(error)) from error


def _channel(ref: ChannelRef) -> types.InputChannel:
    return types.InputChannel(ref.channel_id, ref.access_hash)


def _left_out(ref: ChannelRef, msg_id: int) -> UnreadableMessage:
    """Telegram says of every id what there is, or that there is nothing; silence is no word for either."""
    return UnreadableMessage(channel_id=ref.channel_id, msg_id=msg_id, reason="Telegram did not answer for it")


def _unavailable(found: ChannelMigrated | ChannelUnavailable) -> ChatUnavailable:
    reason = "it has become another channel" if isinstance(found, ChannelMigrated) else found.reason
    return ChatUnavailable(reason)


def _origin(error: BaseException) -> BaseException:
    """What was wrong at first."""
    return error if error.__cause__ is None else _origin(error.__cause__)
