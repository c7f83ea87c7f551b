"""A person signs in: by a code that Telegram sends, or by scanning a QR code; then perhaps with a password.

core.telegram.org/api/auth, /api/qr-login and /api/srp. Nothing of what is shown or submitted is logged.
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from telethon import TelegramClient, errors, events, functions, types
from telethon.sessions import StringSession

from teltubby.adapters.telethon_client import Application, disconnect, until_lost
from teltubby.adapters.telethon_errors import FOREIGN, translate
from teltubby.adapters.telethon_private import UNREADABLE, password_check
from teltubby.errors import BadRequest, PasswordNeeded, TelegramUnavailable
from teltubby.messages.session import ShownQr

CONNECT_REQUESTS = 3
MOVING_REQUESTS = 5
"""Connecting, and a request that moves us to another data centre, may take so many times as long as one request."""

HANDSHAKES = 5
"""A new key is agreed upon at once, or by the second try: Telethon's arithmetic fails now and then."""

NO_KEY = "auth_key generation failed"
"""How Telethon's connecting says that (1.45, network/mtprotosender.py)."""

_SENT: dict[type[Any], str] = {
    types.auth.SentCodeTypeApp: "in the chat with Telegram, in the apps that are signed in",
    types.auth.SentCodeTypeSms: "by SMS",
    types.auth.SentCodeTypeCall: "by a phone call that speaks it",
    types.auth.SentCodeTypeFlashCall: "by a call from a number that is the code",
    types.auth.SentCodeTypeMissedCall: "by a missed call: it is the last digits of the number that called",
    types.auth.SentCodeTypeEmailCode: "by e-mail",
    types.auth.SentCodeTypeFragmentSms: "to the anonymous number at fragment.com",
}


class Dialogue:
    """One attempt, on a connection of its own. asyncio-flavoured: call it from hosted bodies.

    Beside what translate() makes of Telethon's errors every method raises TelegramUnavailable once it is closed.
    """

    def __init__(self, application: Application, phone: str | None) -> None:
        self._application = application
        self._phone = phone
        self._client: TelegramClient | None = None
        self._turn = asyncio.Lock()
        self._code_hash: str | None = None
        self._awaits_password = False
        self._ahead = timedelta()
        self._options: list[Any] = []
        self._scanned = asyncio.Event()
        self._shown: ShownQr | None = None
        self._outcome: types.User | PasswordNeeded | None = None
        self._exporting: asyncio.Future[None] | None = None

    @property
    def client(self) -> TelegramClient | None:
        """What is connected now; the data centre may change in the course."""
        return self._client

    async def connect(self) -> None:
        """Connect without a login."""
        try:
            async with asyncio.timeout(self._application.timeout * CONNECT_REQUESTS):
                client = await self._connected_to(self._application.session())
                config = await client(functions.help.GetConfigRequest())
        except FOREIGN as error:
            raise translate(error) from error
        self._ahead = config.date - datetime.now(UTC)
        self._options = list(config.dc_options)

    async def aclose(self) -> None:
        """Cut the connection; what waits on it ends."""
        client, self._client = self._client, None
        if self._exporting is not None:
            self._exporting.cancel()
            await asyncio.wait([self._exporting])
        await disconnect(client)

    async def wait_lost(self) -> None:
        """Return when the connection is lost; going to another data centre is no loss."""
        while (client := self._client) is not None:
            lost = asyncio.ensure_future(until_lost(client))
            try:
                await asyncio.wait([lost])
            finally:
                lost.cancel()
                await asyncio.gather(lost, return_exceptions=True)
            async with self._turn:
                if self._client is None or not self._client.is_connected():
                    return

    async def sign_out(self) -> None:
        """auth.logOut of what was signed in a moment ago."""
        await self._request(functions.auth.LogOutRequest())

    # -- by code

    async def send_code(self) -> str:
        """See PersonalGateway."""
        if self._phone is None:
            raise BadRequest("MTPROTO_PHONE_NUMBER is not set, and a code needs it: sign in by QR code")
        async with self._turn:
            request = functions.auth.SendCodeRequest(
                self._phone, self._application.api_id, self._application.api_hash, types.CodeSettings()
            )
            sent = await self._request(request)
        if not isinstance(sent, types.auth.SentCode):
            raise BadRequest(f"Telegram answered with {type(sent).__name__} where it should send a code")
        self._code_hash = sent.phone_code_hash
        return _SENT.get(type(sent.type), "in a way that an official app shows")

    async def submit_code(self, code: str) -> types.User:
        """See PersonalGateway."""
        if self._phone is None or self._code_hash is None:
            raise BadRequest("no code was sent yet")
        async with self._turn:
            return await self._authorised(functions.auth.SignInRequest(self._phone, self._code_hash, code))

    # -- by QR code

    async def show_qr(self) -> ShownQr:
        """See PersonalGateway; where the last one was scanned meanwhile, that one."""
        await self._export()
        if self._shown is None:
            raise TelegramUnavailable("Telegram gave no QR code")
        return self._shown

    async def wait_scanned(self) -> types.User:
        """See PersonalGateway; who leaves and comes again misses nothing."""
        while self._outcome is None:
            await self._until_scanned()
            await self._export()
        if isinstance(self._outcome, PasswordNeeded):
            raise self._outcome
        return self._outcome

    async def _until_scanned(self) -> None:
        waits = [asyncio.ensure_future(self._scanned.wait()), asyncio.ensure_future(self.wait_lost())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        if not self._scanned.is_set():
            raise TelegramUnavailable("the connection was lost while the QR code was shown")

    async def _export(self) -> None:
        """auth.exportLoginToken: a code to show, or what became of the one that was scanned.

        What signs in is not cut off by a caller that leaves: Telegram tells it only once.
        """
        if self._outcome is not None:
            return
        if self._exporting is None or self._exporting.done():
            self._exporting = asyncio.ensure_future(self._export_in_turn())
            self._exporting.add_done_callback(_look_at)
        await asyncio.shield(self._exporting)

    async def _export_in_turn(self) -> None:
        async with self._turn:
            self._scanned.clear()
            await self._export_now()
            if self._outcome is not None:
                self._scanned.set()

    async def _export_now(self) -> None:
        application = self._application
        try:
            answer = await self._request(
                functions.auth.ExportLoginTokenRequest(application.api_id, application.api_hash, [])
            )
            if isinstance(answer, types.auth.LoginTokenMigrateTo):
                await self._move(answer.dc_id)
                answer = await self._request(functions.auth.ImportLoginTokenRequest(answer.token))
        except PasswordNeeded:
            self._outcome = await self._password_needed()
            return
        if isinstance(answer, types.auth.LoginTokenSuccess):
            self._outcome = _user_of(answer.authorization)
        elif isinstance(answer, types.auth.LoginToken):
            token = urlsafe_b64encode(answer.token).decode("ascii").rstrip("=")
            self._shown = ShownQr(url=f"tg://login?token={token}", expires_at=answer.expires - self._ahead)
        else:
            raise TelegramUnavailable(f"Telegram answered with {type(answer).__name__} where it should give a token")

    async def _move(self, data_centre: int) -> None:
        """Go on at the data centre where the account is at home."""
        option = next(
            (
                each
                for each in self._options
                if each.id == data_centre
                and not (each.media_only or each.cdn or each.ipv6 or each.tcpo_only or each.secret)
            ),
            None,
        )
        if option is None:
            raise TelegramUnavailable(f"Telegram lists no address of data centre {data_centre}")
        session = StringSession()
        session.set_dc(option.id, option.ip_address, option.port)
        before = self._client
        try:
            async with asyncio.timeout(self._application.timeout * CONNECT_REQUESTS):
                await self._connected_to(session)
        except FOREIGN as error:
            raise translate(error) from error
        finally:
            await disconnect(before)

    # -- with a password

    async def submit_password(self, password: str) -> types.User:
        """See PersonalGateway."""
        if not self._awaits_password:
            raise BadRequest("no password is asked for")
        async with self._turn:
            asked = await self._request(functions.account.GetPasswordRequest())
            try:
                check = await asyncio.to_thread(password_check, asked, password)
            except ValueError as error:
                raise BadRequest(f"Telegram asks for the password in a way that Telethon cannot: {error}") from error
            return await self._authorised(functions.auth.CheckPasswordRequest(check))

    async def _password_needed(self) -> PasswordNeeded:
        self._awaits_password = True
        try:
            asked = await self._request(functions.account.GetPasswordRequest())
        except TelegramUnavailable:
            return PasswordNeeded()
        return PasswordNeeded(asked.hint or "")

    # -- the connection

    async def _authorised(self, request: Any) -> types.User:
        try:
            return _user_of(await self._request(request))
        except PasswordNeeded as error:
            raise await self._password_needed() from error

    async def _request(self, request: Any) -> Any:
        client = self._client
        if client is None or not client.is_connected():
            raise TelegramUnavailable("the connection for signing in is gone")
        try:
            async with asyncio.timeout(self._application.timeout * MOVING_REQUESTS):
                return await client(request)
        except FOREIGN as error:
            raise translate(error) from error

    async def _connected_to(self, session: StringSession) -> TelegramClient:
        """A client with a new key, which is told when a QR code was scanned (that comes as an update)."""
        tries = HANDSHAKES
        while True:
            client = self._application.client(session, receive_updates=True)
            client.add_event_handler(self._note_scanned, events.Raw(types.UpdateLoginToken))
            tries -= 1
            self._client = client
            try:
                await client.connect()
            except (errors.InvalidBufferError, errors.SecurityError, AssertionError, *UNREADABLE):
                await disconnect(client)
                if not tries:
                    raise
            except ConnectionError as error:
                await disconnect(client)
                if NO_KEY not in str(error) or not tries:
                    raise
            else:
                return client

    async def _note_scanned(self, update: Any) -> None:
        del update
        self._scanned.set()


def _look_at(done: asyncio.Future[None]) -> None:
    """Its error is told by whoever waits; where nobody does any more, asyncio must not complain."""
    if not done.cancelled():
        done.exception()


def _user_of(authorization: Any) -> types.User:
    if not isinstance(authorization, types.auth.Authorization):
        raise BadRequest("Telegram knows no account with this number")
    return authorization.user
