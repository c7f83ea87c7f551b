"""The MTProto session of a person, who signs in by dialogue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from telethon import TelegramClient, functions, types
from telethon.sessions import StringSession

from teltubby.adapters.base import Account
from teltubby.adapters.clock import utc_now
from teltubby.adapters.mtproto_proxy import Proxy
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.adapters.telethon_channels import Channels
from teltubby.adapters.telethon_client import DataCentre, account_of, telegram_hosted, who_is_signed_in
from teltubby.adapters.telethon_dialogue import Dialogue
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.adapters.telethon_known import KnownChannels
from teltubby.adapters.telethon_pushes import Inbox
from teltubby.adapters.telethon_session import OPEN_REQUESTS, TelethonSession
from teltubby.errors import (
    BadRequest,
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    TelegramUnavailable,
    TeltubbyError,
    WrongAccount,
)
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.channels import ChannelDifference, ChannelRef, FoundChannel, PostPage, Pushes
from teltubby.messages.collected import ReadMessage
from teltubby.messages.session import ShownQr

_LOG = logging.getLogger(__name__)


class PersonSession(TelethonSession):
    """`PersonalGateway` and `ChannelGateway`; `phone` is MTPROTO_PHONE_NUMBER, None where any account may sign in.

    Updates are pushed to one that `follows`; `clock` says when channels were asked. The dialogue has a connection of
    its own, which ends with it: after it, `open` connects with what was stored.
    """

    def __init__(
        self,
        *,
        api_id: int,
        api_hash: str,
        phone: str | None,
        vault: SessionVault,
        timeout: float,
        data_centre: DataCentre | None = None,
        public_key: str | None = None,
        proxy: Proxy | None = None,
        follows: bool = False,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(
            api_id=api_id,
            api_hash=api_hash,
            vault=vault,
            timeout=timeout,
            data_centre=data_centre,
            public_key=public_key,
            proxy=proxy,
        )
        self._phone = phone
        self._follows = follows
        self._clock = clock
        self._known = KnownChannels()
        self._inbox = Inbox(self._known, clock)
        self._asked_of: Channels | None = None
        self._dialogue: Dialogue | None = None

    @telegram_hosted
    async def open(self) -> Account:
        """See MtprotoGateway; WrongAccount leaves the session as it is: a mistyped number must not end it."""
        saved = await self._load()
        if saved is None:
            self._vault.unlock()  # for `teltubby login`
            raise NotSignedIn("nobody is signed in")
        try:
            async with asyncio.timeout(self._timeout * OPEN_REQUESTS):
                me = await who_is_signed_in(await self._connect(self._application.session(saved.session)))
        except FOREIGN as error:
            raise translate(error) from error
        if self._is_another(me):
            await self._disconnect()
            raise WrongAccount("the session file is of another account than MTPROTO_PHONE_NUMBER names")
        return await self._begin(me, saved.centres if saved.account_id in (me.id, None) else {})

    @telegram_hosted
    async def begin(self) -> None:
        """See PersonalGateway."""
        await self._disconnect()
        await self._lock()
        self._dialogue = Dialogue(self._application, self._phone)
        await self._dialogue.connect()

    @telegram_hosted
    async def send_code(self) -> str:
        """See PersonalGateway."""
        return await self._begun().send_code()

    @telegram_hosted
    async def submit_code(self, code: str) -> Account:
        """See PersonalGateway."""
        dialogue = self._begun()
        return await self._accept(await dialogue.submit_code(code), dialogue)

    @telegram_hosted
    async def show_qr(self) -> ShownQr:
        """See PersonalGateway."""
        return await self._begun().show_qr()

    @telegram_hosted
    async def wait_scanned(self) -> Account:
        """See PersonalGateway."""
        dialogue = self._begun()
        return await self._accept(await dialogue.wait_scanned(), dialogue)

    @telegram_hosted
    async def submit_password(self, password: str) -> Account:
        """See PersonalGateway."""
        dialogue = self._begun()
        return await self._accept(await dialogue.submit_password(password), dialogue)

    async def wait_lost(self) -> None:
        """See MtprotoGateway; in a dialogue, when its connection is lost."""
        if self._dialogue is None:
            await super().wait_lost()
            return
        try:
            await self._wait_dialogue_lost(self._dialogue)
        except ForeignCancelled:
            return  # Telethon cancels its own future when it gives a connection up

    @asyncio_hosted
    async def _wait_dialogue_lost(self, dialogue: Dialogue) -> None:
        await dialogue.wait_lost()

    @property
    def data_centre(self) -> int | None:
        """See MtprotoGateway."""
        client = None if self._dialogue is None else self._dialogue.client
        return client.session.dc_id if client is not None and client.is_connected() else super().data_centre

    @property
    def connections(self) -> int:
        """See MtprotoGateway."""
        client = None if self._dialogue is None else self._dialogue.client
        return super().connections + (client is not None and bool(client.is_connected()))

    # -- channels

    @telegram_hosted
    async def find_channel(self, peer: str) -> FoundChannel:
        """See ChannelGateway."""
        return await self._channels().find(peer)

    @telegram_hosted
    async def describe_channel(self, ref: ChannelRef) -> FoundChannel:
        """See ChannelGateway."""
        return await self._channels().describe(ref)

    @telegram_hosted
    async def posts_before(self, ref: ChannelRef, before: int | None, limit: int) -> PostPage:
        """See ChannelGateway."""
        return await self._channels().before(ref, before, limit)

    @telegram_hosted
    async def posts_after(self, ref: ChannelRef, after: int, limit: int) -> PostPage:
        """See ChannelGateway."""
        return await self._channels().after(ref, after, limit)

    @telegram_hosted
    async def posts_by_id(self, ref: ChannelRef, msg_ids: Sequence[int]) -> tuple[ReadMessage, ...]:
        """See ChannelGateway."""
        return await self._channels().by_id(ref, msg_ids)

    @telegram_hosted
    async def difference(self, ref: ChannelRef, pts: int) -> ChannelDifference:
        """See ChannelGateway."""
        return await self._channels().difference(ref, pts)

    @telegram_hosted
    async def follow(self) -> Pushes:
        """See ChannelGateway. updates.getState is what makes Telegram push (core.telegram.org/api/updates)."""
        if not self._follows:
            raise BadRequest("this session was not made to be told of updates")
        self._signed_in()
        stream = self._inbox.follow()
        await self._ask(functions.updates.GetStateRequest())
        return stream

    def _channels(self) -> Channels:
        places = self._signed_in()
        if self._asked_of is None:
            self._asked_of = Channels(self._ask, places=places, known=self._known, clock=self._clock)
        return self._asked_of

    # -- inner workings

    def _new_client(self, session: StringSession) -> TelegramClient:
        self._known = KnownChannels()  # of whoever is signed in now: access hashes are each account's own
        self._inbox = Inbox(self._known, self._clock)
        if not self._follows:
            return super()._new_client(session)
        return self._application.follower(session, self._inbox.take, self._inbox.end)

    async def _accept(self, me: types.User, dialogue: Dialogue) -> Account:
        """Keep the session of who signed in, or end it where it is another account, or cannot be kept."""
        if self._is_another(me):
            await self._give_up(dialogue)
            raise WrongAccount("another account signed in than MTPROTO_PHONE_NUMBER names; it was signed out again")
        if dialogue is not self._dialogue or dialogue.client is None:
            raise TelegramUnavailable("the connection for signing in is gone")
        saved = SavedSession(
            api_id=self._application.api_id, account_id=me.id, session=dialogue.client.session.save(), centres={}
        )
        try:
            await asyncio.to_thread(self._vault.store, saved)
        except (SessionFileUnusable, SessionFileDamaged):
            await self._give_up(dialogue)  # nobody could ever use it
            raise
        await self._end_dialogue()
        return account_of(me)

    async def _give_up(self, dialogue: Dialogue) -> None:
        try:
            await dialogue.sign_out()
        except TeltubbyError as error:
            _LOG.error("a session that is not kept could not be signed out; end it in Telegram's settings: %s", error)
        if dialogue is self._dialogue:
            await self._end_dialogue()

    async def _disconnect(self) -> None:
        await self._end_dialogue()
        self._inbox.end()
        self._asked_of = None
        await super()._disconnect()

    async def _end_dialogue(self) -> None:
        dialogue, self._dialogue = self._dialogue, None
        if dialogue is not None:
            await dialogue.aclose()

    def _begun(self) -> Dialogue:
        if self._dialogue is None:
            raise TelegramUnavailable("no sign-in was begun")
        return self._dialogue

    def _is_another(self, me: types.User) -> bool:
        return bool(me.bot) or (self._phone is not None and _digits(me.phone or "") != _digits(self._phone))


def _digits(phone: str) -> str:
    return "".join(character for character in phone if character.isdigit())
