"""Finding the document (in a channel: or the photo) at a Place, as one account sees it.

Who may name a channel or another account must know its access hash, which is each account's own; bots may give 0 for
what they are a member of (core.telegram.org/api/peers).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, assert_never

from telethon import functions, types

from teltubby.adapters.telethon_photos import largest_size, size_bytes
from teltubby.errors import ChatUnavailable, FileGone
from teltubby.messages.transfer import ChannelPlace, DialogPlace, FileLocation, MailboxPlace, Place

CHANNEL_BASE = -1_000_000_000_000
"""The Bot API's id of a channel is this minus MTProto's (core.telegram.org/api/bots/ids)."""

PAGE = 100
DIALOG_PAGES = 100
HISTORY_PAGES = 30
"""How many dialogs and messages are asked for at once (the most that Telegram gives), and how many pages at most."""

LIST_AGAIN_SECONDS = 10.0
RESOLVE_AGAIN_SECONDS = 3600.0
"""How soon what was looked for in vain is looked for again: Telegram limits both, usernames to some 200 a day."""

CLOCK_SLACK = timedelta(minutes=90)
"""How far our clock may be off by which a message of the account's own dialog is looked for."""

WAITED_AT_MOST = timedelta(hours=24)
"""How long before it was taken in a message may have been sent: so long Telegram keeps updates for a bot."""


class Places:
    """`ask` puts a request and raises what the house's errors are. asyncio-flavoured: call it from hosted bodies."""

    def __init__(self, ask: Callable[[Any], Awaitable[Any]], *, is_bot: bool) -> None:
        self._ask = ask
        self._is_bot = is_bot
        self._channels: dict[int, int] = {}
        self._people: dict[int, int] = {}
        self._listing = asyncio.Lock()
        self._listed_at = -math.inf
        self._resolving = asyncio.Lock()
        self._unresolved_at: dict[str, float] = {}

    async def locate(self, place: Place) -> FileLocation:
        """Raises FileGone, ChatUnavailable."""
        match place:
            case MailboxPlace():
                return await self._in_mailbox(place)
            case ChannelPlace():
                return await self._in_channel(place)
            case DialogPlace():
                return await self._in_dialog(place)
            case _:
                assert_never(place)

    async def mailbox(self, ids: Iterable[int]) -> list[types.Message]:
        """Those of the account's own mailbox that are there (messages.getMessages, at most 100 ids)."""
        request = functions.messages.GetMessagesRequest([types.InputMessageID(number) for number in ids])
        return _messages(await self._ask(request))

    async def channel(self, channel_id: int) -> types.InputChannel:
        """How the account asks for a channel by its bare id. Raises ChatUnavailable."""
        return await self._channel(ChannelPlace(channel_id=CHANNEL_BASE - channel_id, message_id=0))

    async def _in_mailbox(self, place: MailboxPlace) -> FileLocation:
        message = next(iter(await self.mailbox([place.message_id])), None)
        if message is None:
            raise FileGone(f"message {place.message_id} no longer exists in the account's mailbox")
        if not isinstance(message.peer_id, types.PeerUser) or message.peer_id.user_id != place.chat_id:
            raise FileGone(f"message {place.message_id} of the account's mailbox is not in chat {place.chat_id}")
        return _document(message)

    # -- channels and supergroups

    async def _in_channel(self, place: ChannelPlace) -> FileLocation:
        channel = await self._channel(place)
        ids = [types.InputMessageID(place.message_id)]
        found = _messages(await self._ask(functions.channels.GetMessagesRequest(channel, ids)))
        message = next((each for each in found if each.id == place.message_id), None)
        if message is None:
            raise FileGone(f"message {place.message_id} no longer exists in the channel")
        return _photo(message) or _document(message)

    async def _channel(self, place: ChannelPlace) -> types.InputChannel:
        number = CHANNEL_BASE - place.channel_id
        if number <= 0:
            raise ChatUnavailable(f"{place.channel_id} is no channel")
        if self._is_bot:
            return types.InputChannel(number, 0)
        if number not in self._channels and place.username is not None:
            await self._resolve(place.username, lambda: number in self._channels)
        if number not in self._channels:
            await self._list_dialogs(lambda: number in self._channels)
        if number not in self._channels:
            raise ChatUnavailable(f"the account is no member of channel {place.channel_id}")
        return types.InputChannel(number, self._channels[number])

    async def _resolve(self, username: str, is_found: Callable[[], bool]) -> None:
        """contacts.resolveUsername; whose name it is now may be another channel than it was."""
        async with self._resolving:
            now = asyncio.get_running_loop().time()
            if is_found() or now - self._unresolved_at.get(username, -math.inf) < RESOLVE_AGAIN_SECONDS:
                return
            with suppress(ChatUnavailable):
                self._note(await self._ask(functions.contacts.ResolveUsernameRequest(username)))
            self._unresolved_at[username] = now  # only now: a flood wait is no answer, and asking again may give one

    # -- dialogs

    async def _in_dialog(self, place: DialogPlace) -> FileLocation:
        if place.peer_id not in self._people:
            await self._list_dialogs(lambda: place.peer_id in self._people)
        if place.peer_id not in self._people:
            raise ChatUnavailable(f"the account has no dialog with {place.peer_id}")
        peer = types.InputPeerUser(place.peer_id, self._people[place.peer_id])
        offset_id = 0
        for _ in range(HISTORY_PAGES):
            request = functions.messages.GetHistoryRequest(
                peer=peer,
                offset_id=offset_id,
                offset_date=None if offset_id else place.around + CLOCK_SLACK,
                add_offset=0,
                limit=PAGE,
                max_id=0,
                min_id=0,
                hash=0,
            )
            page = await self._ask(request)
            for message in _messages(page):
                document = getattr(message.media, "document", None)
                if isinstance(document, types.Document) and document.id == place.document_id:
                    return _document(message)
            dated = [each for each in page.messages if not isinstance(each, types.MessageEmpty)]
            if not dated or min(each.date for each in dated) < place.around - WAITED_AT_MOST - CLOCK_SLACK:
                break
            offset_id = min(each.id for each in dated)
        raise FileGone(f"the document is not in the account's dialog with {place.peer_id}")

    async def _list_dialogs(self, is_found: Callable[[], bool]) -> None:
        """messages.getDialogs until it is found, or to the end, unless that was done just now."""
        async with self._listing:
            now = asyncio.get_running_loop().time()
            if is_found() or now - self._listed_at < LIST_AGAIN_SECONDS:
                return
            seen: set[tuple[str, int]] = set()
            offset: tuple[Any, int, Any] = (None, 0, types.InputPeerEmpty())
            for _ in range(DIALOG_PAGES):
                page = await self._ask(
                    functions.messages.GetDialogsRequest(
                        offset_date=offset[0], offset_id=offset[1], offset_peer=offset[2], limit=PAGE, hash=0
                    )
                )
                self._note(page)
                if is_found():
                    return
                fresh = {_key(each.peer) for each in page.dialogs} - seen
                following = _offset_after(page)
                if not fresh or following is None or not isinstance(page, types.messages.DialogsSlice):
                    break
                seen |= fresh
                offset = following
            self._listed_at = asyncio.get_running_loop().time()

    def _note(self, page: Any) -> None:
        """Keep the access hashes of what an answer names; those of `min` entities are good for little."""
        for chat in page.chats:
            if isinstance(chat, types.Channel) and chat.access_hash is not None and not chat.min:
                self._channels[chat.id] = chat.access_hash
        for user in page.users:
            if isinstance(user, types.User) and user.access_hash is not None and not user.min:
                self._people[user.id] = user.access_hash


def _messages(found: Any) -> list[types.Message]:
    return [message for message in getattr(found, "messages", ()) if isinstance(message, types.Message)]


def _carried(message: types.Message) -> Any:
    """What the message carries; of paid media that were bought, the first, as the collector tells of them."""
    media = message.media
    first = next(iter(media.extended_media), None) if isinstance(media, types.MessageMediaPaidMedia) else None
    return first.media if isinstance(first, types.MessageExtendedMedia) else media


def _photo(message: types.Message) -> FileLocation | None:
    """The largest size of the photo, where the message carries one: but for the Bot API, only large files are sought in
    private chats, and those are documents.
    """
    photo = getattr(_carried(message), "photo", None)
    largest = largest_size(photo) if isinstance(photo, types.Photo) else None
    if not isinstance(photo, types.Photo) or largest is None or (size := size_bytes(largest)) is None:
        return None
    return FileLocation(
        document_id=photo.id,
        access_hash=photo.access_hash,
        file_reference=bytes(photo.file_reference),
        data_centre=photo.dc_id,
        size=size,
        thumb_size=largest.type,
    )


def _document(message: types.Message) -> FileLocation:
    document = getattr(_carried(message), "document", None)
    if not isinstance(document, types.Document):
        raise FileGone(f"message {message.id} carries no document")
    return FileLocation(
        document_id=document.id,
        access_hash=document.access_hash,
        file_reference=bytes(document.file_reference),
        data_centre=document.dc_id,
        size=document.size,
    )


def _key(peer: Any) -> tuple[str, int]:
    """What tells peers apart: users, groups and channels are numbered each for themselves."""
    (number,) = (value for name, value in vars(peer).items() if name.endswith("_id"))
    return type(peer).__name__, number


def _offset_after(page: Any) -> tuple[Any, int, Any] | None:
    """Where the next page of dialogs begins: after the last one of this page that has a message."""
    dated = {(_key(each.peer_id), each.id): each.date for each in page.messages if hasattr(each, "date")}
    hashes: dict[tuple[str, int], Any] = {}
    for user in page.users:
        hashes[types.PeerUser.__name__, user.id] = types.InputPeerUser(user.id, getattr(user, "access_hash", None) or 0)
    for chat in page.chats:
        if isinstance(chat, types.Channel | types.ChannelForbidden):
            hashes[types.PeerChannel.__name__, chat.id] = types.InputPeerChannel(chat.id, chat.access_hash or 0)
        else:
            hashes[types.PeerChat.__name__, chat.id] = types.InputPeerChat(chat.id)
    dialogs: Sequence[Any] = [each for each in page.dialogs if isinstance(each, types.Dialog)]
    for dialog in reversed(dialogs):
        key = _key(dialog.peer)
        if (key, dialog.top_message) in dated and key in hashes:
            return dated[key, dialog.top_message], dialog.top_message, hashes[key]
    return None
