"""The MTProto session of a person, who signs in by dialogue."""

from __future__ import annotations

import asyncio
import logging

from telethon import types

from teltubby.adapters.base import Account
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.adapters.telethon_client import DataCentre, account_of, telegram_hosted, who_is_signed_in
from teltubby.adapters.telethon_dialogue import Dialogue
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.adapters.telethon_session import OPEN_REQUESTS, TelethonSession
from teltubby.errors import (
    NotSignedIn,
    SessionFileDamaged,
    SessionFileUnusable,
    TelegramUnavailable,
    TeltubbyError,
    WrongAccount,
)
from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.messages.session import ShownQr

_LOG = logging.getLogger(__name__)


class PersonSession(TelethonSession):
    """`PersonalGateway`; `phone` is MTPROTO_PHONE_NUMBER, None where any account may sign in.

    The dialogue has a connection of its own, which ends with it: after it, `open` connects with what was stored.
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
    ) -> None:
        super().__init__(
            api_id=api_id,
            api_hash=api_hash,
            vault=vault,
            timeout=timeout,
            data_centre=data_centre,
            public_key=public_key,
        )
        self._phone = phone
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
        await asyncio.to_thread(self._vault.lock)
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

    # -- inner workings

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
