"""`teltubby login` and `logout` as people use them: a terminal, a phone, and Telegram with its whims."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.simulator.people import User
from teltubby.simulator.phone import Phone
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.nursery import Nursery, complete_command
from tests.acceptance.product import clean_environment
from tests.acceptance.typed import CTRL_C, CTRL_D, WITHIN, Typed

API_ID = 12345
PHONE_NUMBER = "+4915123456789"
PASSWORD = "  horse ünd battery "


@dataclass
class Desk:
    """Where a person sits who signs a worker in: a machine with settings, and their phone beside it.

    `nursery` is where the commands come from; without one they are started from the command line.
    """

    telegram: SimulatedTelegram
    home: Path
    settings: dict[str, str]
    ada: User
    phone: Phone
    opened: ExitStack
    nursery: Nursery | None

    def types(self, *arguments: str) -> Typed:
        """A command at the terminal."""
        typed = Typed(arguments, self.settings, self.home, nursery=self.nursery)
        self.opened.callback(typed.close)
        return typed

    def runs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command that nobody sits before."""
        complete = complete_command if self.nursery is None else self.nursery.complete
        return complete(arguments, self.settings, self.home)

    def saved(self, name: str = "user.session") -> SavedSession | None:
        """The login that the file holds."""
        vault = self.vault(name)
        vault.lock()
        try:
            return vault.load()
        finally:
            vault.unlock()

    def vault(self, name: str) -> SessionVault:
        return SessionVault(
            self.home / name, key=partial(SessionKey.load, None, self.home / "teltubby.key"), api_id=API_ID
        )

    def called(self, method: str) -> int:
        """How often Telegram was called so."""
        calls = self.telegram.mtproto_server.calls
        return self.telegram.call(lambda: sum(call.method == method for call in calls))


@pytest.fixture
def new_desk(
    telegram: SimulatedTelegram, tmp_path: Path, backend: str, nursery: Nursery
) -> Iterator[Callable[..., Desk]]:
    """Makes a desk for Ada, whose second factor is as given."""
    with ExitStack() as opened:

        def make(password: str | None = None) -> Desk:
            bot = telegram.add_bot()
            ada = telegram.add_curator(bot, username="ada", phone=PHONE_NUMBER, password=password).user
            settings = clean_environment(tmp_path) | {
                "TELTUBBY_BACKEND": backend,
                "TELEGRAM_BOT_TOKEN": bot.token or "",
                "MTPROTO_API_ID": str(API_ID),
                "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef",
                "MTPROTO_PHONE_NUMBER": PHONE_NUMBER,
                "MTPROTO_DC": telegram.mtproto_dc,
                "MTPROTO_PUBLIC_KEY": str(telegram.write_public_key(tmp_path / "telegram.pem")),
                "MTPROTO_SESSION_PATH": str(tmp_path / "user.session"),
                "MTPROTO_BOT_SESSION_PATH": str(tmp_path / "bot.session"),
                "IO_TIMEOUT_SECONDS": "10",
            }
            return Desk(telegram, tmp_path, settings, ada, Phone(telegram, ada), opened, nursery)

        yield make


@pytest.fixture
def desk(new_desk: Callable[..., Desk]) -> Desk:
    """Ada has no second factor."""
    return new_desk()


@pytest.fixture
def guarded(new_desk: Callable[..., Desk]) -> Desk:
    """Ada has one."""
    return new_desk(PASSWORD)


def test_by_qr_code_and_out_again(desk: Desk) -> None:
    if desk.settings["TELTUBBY_BACKEND"] == "trio":
        desk.nursery = None
    login = desk.types("login")
    desk.phone.scan(login.qr_code())
    assert login.ends() == 0, login.shown
    assert "Signed in as @ada." in login.shown
    saved = desk.saved()
    assert saved is not None and saved.account_id == desk.ada.id
    assert saved.session.encode() not in (desk.home / "user.session").read_bytes()
    again = desk.types("login")
    assert again.ends() == 0 and "Already signed in as @ada" in again.shown
    assert desk.saved() == saved
    logout = desk.runs("logout")
    assert logout.returncode == 0, logout.stderr
    assert not (desk.home / "user.session").exists() and desk.called("auth.logOut") == 1
    nobody = desk.runs("logout")
    assert nobody.returncode == 0 and "Nobody is signed in" in nobody.stdout


def test_by_code_with_a_second_factor_and_slips_of_the_finger(guarded: Desk) -> None:
    login = guarded.types("login", "--code")
    login.expect("Login code: ")
    login.type("00000\n")
    login.expect("2 more tries")
    code = guarded.phone.wait_for_code(WITHIN)
    login.type(f"{code[:2]} {code[2:]}\n")
    login.ask_secretly("Password of the second factor")
    login.type("horse and battery\n")
    login.expect("wrong")
    login.ask_secretly("Password of the second factor", times=2)
    login.type(f"{PASSWORD}\n")
    assert login.ends() == 0, login.shown
    assert "Signed in as @ada." in login.shown and "battery" not in login.shown
    assert login.echoes
    saved = guarded.saved()
    assert saved is not None and saved.account_id == guarded.ada.id


@ON_TRIO
def test_by_qr_code_with_a_second_factor(guarded: Desk) -> None:
    login = guarded.types("login")
    guarded.phone.scan(login.qr_code())
    login.ask_secretly("Password of the second factor")
    login.type(f"{PASSWORD}\n")
    assert login.ends() == 0, login.shown


@ON_ASYNCIO
def test_the_last_of_three_wrong_codes(desk: Desk) -> None:
    login = desk.types("login", "--code")
    for tried in range(3):
        login.expect("Login code: ", times=tried + 1)
        login.type("00000\n")
    assert login.ends() == 1
    assert "last of 3 tries" in login.shown
    assert desk.saved() is None


@ON_TRIO
def test_the_last_of_three_wrong_passwords(guarded: Desk) -> None:
    login = guarded.types("login")
    guarded.phone.scan(login.qr_code())
    for tried in range(3):
        login.ask_secretly("Password of the second factor", times=tried + 1)
        login.type("canary\n")
    assert login.ends() == 1
    assert "last of 3 tries" in login.shown and "canary" not in login.shown
    assert guarded.saved() is None


@ON_ASYNCIO
def test_a_code_that_was_sent_in_a_chat_is_dead(desk: Desk) -> None:
    login = desk.types("login", "--code")
    code = desk.phone.wait_for_code(WITHIN)
    telegram = desk.telegram
    telegram.call(lambda: telegram.world.send(desk.ada, telegram.world.service_account(), code))
    login.expect("Login code: ")
    login.type(f"{code}\n")
    assert login.ends() == 1
    assert "no longer good" in login.shown and desk.saved() is None


@ON_TRIO
def test_another_account_than_the_configured_one_is_signed_out_at_once(desk: Desk) -> None:
    desk.settings["MTPROTO_PHONE_NUMBER"] = "+4915100000000"
    login = desk.types("login")
    desk.phone.scan(login.qr_code())
    assert login.ends() == 1
    assert "Another account signed in than MTPROTO_PHONE_NUMBER names" in login.shown
    assert desk.saved() is None and desk.called("auth.logOut") == 1


@ON_ASYNCIO
def test_a_flood_wait_is_told(desk: Desk) -> None:
    desk.telegram.call(lambda: desk.telegram.world.faults.add("auth.sendCode", message="FLOOD_WAIT_300"))
    login = desk.types("login", "--code")
    assert login.ends() == 1
    assert "wait 300 s" in login.shown


@pytest.mark.parametrize("how", ["login", "login --code"])
def test_ctrl_c_ends_it_and_leaves_nothing(guarded: Desk, how: str) -> None:
    login = guarded.types(*how.split())
    if how == "login":
        guarded.phone.scan(login.qr_code())
        login.ask_secretly("Password of the second factor")
    else:
        login.expect("Login code: ")
    login.type(CTRL_C)
    assert login.ends() == 130, login.shown
    assert login.echoes and "Traceback" not in login.shown
    assert guarded.saved() is None


@ON_ASYNCIO
def test_ctrl_c_while_the_code_is_shown(desk: Desk) -> None:
    desk.nursery = None
    login = desk.types("login")
    login.qr_code()
    login.type(CTRL_C)
    assert login.ends() == 130 and "Traceback" not in login.shown


@ON_TRIO
def test_nothing_is_typed(desk: Desk) -> None:
    login = desk.types("login", "--code")
    login.expect("Login code: ")
    login.type(CTRL_D)
    assert login.ends() == 1 and "Nothing was typed." in login.shown


@ON_ASYNCIO
def test_without_a_terminal_no_code_is_asked_for(desk: Desk) -> None:
    login = desk.runs("login", "--code")
    assert login.returncode == 1
    assert "has to be typed, but there is no terminal" in login.stderr
    assert desk.phone.codes() == ()


@ON_ASYNCIO
def test_a_session_that_a_worker_has_in_use(desk: Desk) -> None:
    worker = desk.vault("user.session")
    worker.lock()
    try:
        for command in ("login", "logout"):
            (desk.home / "user.session").touch()
            ended = desk.runs(command)
            assert ended.returncode == 1
            assert "Another process uses the session file" in ended.stderr and "/mtlogin" in ended.stderr
    finally:
        worker.unlock()


@ON_TRIO
def test_a_session_that_telegram_ended_is_replaced_or_removed(desk: Desk) -> None:
    login = desk.types("login")
    desk.phone.scan(login.qr_code())
    assert login.ends() == 0, login.shown
    ended = desk.saved()
    desk.phone.end_other_sessions()
    anew = desk.types("login")
    desk.phone.scan(anew.qr_code())
    assert anew.ends() == 0, anew.shown
    assert desk.saved() != ended
    desk.phone.end_other_sessions()
    assert desk.runs("logout").returncode == 0
    assert not (desk.home / "user.session").exists()


def test_the_bot(desk: Desk) -> None:
    login = desk.runs("login", "--bot")
    assert login.returncode == 0, login.stderr
    assert "Signed in as @teltubby_bot." in login.stdout
    assert desk.saved("bot.session") is not None and desk.saved() is None
    assert desk.runs("logout", "--bot").returncode == 0
    assert not (desk.home / "bot.session").exists()


@ON_ASYNCIO
def test_a_bot_token_that_was_revoked(desk: Desk) -> None:
    bot_id = int(desk.settings["TELEGRAM_BOT_TOKEN"].partition(":")[0])
    desk.settings["TELEGRAM_BOT_TOKEN"] = f"{bot_id}:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    login = desk.runs("login", "--bot")
    assert login.returncode == 1
    assert "token" in login.stderr.lower() and "Traceback" not in login.stderr
