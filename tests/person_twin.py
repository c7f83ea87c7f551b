"""A twin of a person's MTProto session, who signs in by dialogue: codes, QR codes and passwords on order."""

from __future__ import annotations

from datetime import timedelta

from teltubby.adapters.base import Account
from teltubby.errors import (
    BadRequest,
    CodeExpired,
    CodeRejected,
    NotSignedIn,
    PasswordNeeded,
    PasswordRejected,
    TelegramUnavailable,
    WrongAccount,
)
from teltubby.messages.session import ShownQr
from teltubby.supervision import Signal
from tests.mtproto_twins import SessionTwin
from tests.virtual_time import wall_clock

PERSON = Account(id=815, username="ada", is_bot=False, phone="+493012345678")
CODE = "24680"
QR_SECONDS = 30.0


class PersonTwin(SessionTwin):
    """`PersonalGateway`; `stored` is who is signed in by the session file, None: nobody.

    In a dialogue `CODE` (or what `code` is set to) is accepted while `code_is_good`, and a QR code when the test calls
    `scan`. With a `password` it is asked for, hinted at by `hint`. `signs_in` is who signs in; where that is not
    `expected`, it is WrongAccount. The script sees "begin", "send_code", "show_qr", "wait_scanned" and "sign_out", and
    "submit_code" and "submit_password" without what was submitted.
    """

    def __init__(self, stored: Account | None = PERSON, *, password: str | None = None, hint: str = "") -> None:
        super().__init__(stored or PERSON)
        self.stored = stored
        self.signs_in = PERSON
        self.expected = PERSON
        self.code = CODE
        self.code_is_good = True
        self.password = password
        self.hint = hint
        self.qr_codes: list[ShownQr] = []
        self.scanned: list[str] = []
        self.is_in_dialogue = False
        self._code_was_sent = False
        self._awaits_password = False
        self._scan = Signal()

    def scan(self) -> None:
        """The person scans the QR code that was shown last, and accepts."""
        self.scanned.append(self.qr_codes[-1].url)
        self._scan.notify()

    async def open(self) -> Account:
        if self.stored is None:
            await self.script.begin("open")
            raise NotSignedIn("nobody is signed in")
        self.account = self.stored
        return await super().open()

    async def begin(self) -> None:
        self.lose()
        await self.script.begin("begin")
        self.is_open = self.is_in_dialogue = True
        self._code_was_sent = self._awaits_password = False
        self.qr_codes.clear()
        self.scanned.clear()

    async def aclose(self) -> None:
        self.is_in_dialogue = False
        await super().aclose()

    async def send_code(self) -> str:
        self._require_dialogue()
        await self.script.begin("send_code")
        self._code_was_sent = True
        return "to the Telegram apps that are signed in"

    async def submit_code(self, code: str) -> Account:
        self._require_dialogue()
        await self.script.begin("submit_code")
        if not self._code_was_sent:
            raise BadRequest("no code was sent yet")
        if not self.code_is_good:
            raise CodeExpired("the code is no longer good")
        if code != self.code:
            raise CodeRejected("the code is wrong")
        return self._first_factor_passed()

    async def show_qr(self) -> ShownQr:
        self._require_dialogue()
        await self.script.begin("show_qr")
        if self._was_scanned():
            return self.qr_codes[-1]
        shown = ShownQr(
            url=f"tg://login?token={len(self.qr_codes) + 1}",
            expires_at=wall_clock() + timedelta(seconds=QR_SECONDS),
        )
        self.qr_codes.append(shown)
        return shown

    async def wait_scanned(self) -> Account:
        self._require_dialogue()
        await self.script.begin("wait_scanned")
        while not self._was_scanned():
            self._require_dialogue()
            await self._scan.wait()
        return self._first_factor_passed()

    async def submit_password(self, password: str) -> Account:
        self._require_dialogue()
        await self.script.begin("submit_password")
        if not self._awaits_password:
            raise BadRequest("no password is asked for")
        if password != self.password:
            raise PasswordRejected("the password is wrong")
        return self._signed_in()

    async def sign_out(self) -> None:
        await self.script.begin("sign_out")
        self.stored = None
        self.lose()

    def lose(self) -> None:
        super().lose()
        self._scan.notify()

    def _was_scanned(self) -> bool:
        return bool(self.qr_codes) and self.qr_codes[-1].url in self.scanned

    def _first_factor_passed(self) -> Account:
        if self.password is not None:
            self._awaits_password = True
            raise PasswordNeeded(self.hint)
        return self._signed_in()

    def _signed_in(self) -> Account:
        self.is_in_dialogue = False
        self.lose()
        if self.signs_in != self.expected:
            raise WrongAccount("another account signed in than MTPROTO_PHONE_NUMBER names; it was signed out again")
        self.stored = self.signs_in
        return self.stored

    def _require_dialogue(self) -> None:
        if not self.is_open or not self.is_in_dialogue:
            raise TelegramUnavailable("the connection for signing in is gone")
