"""Signing in at a terminal, in virtual time: codes that are renewed, clocks that are wrong, people who went away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from io import StringIO

import anyio
import pytest

from teltubby.actors.qr_codes_shown import LEAST_SECONDS, MOST_SECONDS
from teltubby.adapters.base import Account
from teltubby.errors import FloodWait, TelegramUnavailable
from teltubby.login import dialogue
from teltubby.login.dialogue import SCAN_SECONDS, SignInFailed, by_code, by_qr
from teltubby.login.terminal import NothingTyped, Terminal
from tests.person_twin import PERSON, PersonTwin
from tests.qr_reading import BLACK, WHITE, read_lines
from tests.virtual_time import until, wall_clock

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]


class Screen(StringIO):
    """Where things are shown that can also be a terminal."""

    def __init__(self, *, is_terminal: bool = False) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "utc_now", wall_clock)


@pytest.fixture
def screen() -> Screen:
    """Shows no colours."""
    return Screen()


@pytest.fixture
def terminal(screen: Screen) -> Terminal:
    """Nobody can type."""
    return Terminal(StringIO(), screen)


async def begun(twin: PersonTwin) -> PersonTwin:
    await twin.begin()
    return twin


async def meanwhile(work: Callable[[], Awaitable[Account]], happens: Callable[[], Awaitable[None]]) -> Account:
    """What the work returns, while something happens."""
    accounts: list[Account] = []

    async def note() -> None:
        accounts.append(await work())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(note)
        await happens()
    return accounts[0]


async def test_a_code_is_renewed_until_it_is_scanned(terminal: Terminal, screen: Screen) -> None:
    twin = await begun(PersonTwin(None))

    async def scanned_late() -> None:
        await until(lambda: len(twin.qr_codes) == 4)
        twin.scan()

    account = await meanwhile(lambda: by_qr(twin, terminal), scanned_late)
    assert account == PERSON == twin.stored
    assert twin.script.times("show_qr") == pytest.approx([0, 30, 60, 90], abs=1)
    assert twin.script.count("wait_scanned") == 1, "waiting is not broken off: Telegram may be signing in"
    lines = screen.getvalue().splitlines()[1:]
    shown = [
        read_lines(lines[at : at + len(lines) // 4], ink=WHITE, ground=BLACK)
        for at in range(0, len(lines), len(lines) // 4)
    ]
    assert shown == [[code.url] for code in twin.qr_codes]


@pytest.mark.parametrize(("ahead", "every"), [(timedelta(hours=1), LEAST_SECONDS), (timedelta(hours=-1), MOST_SECONDS)])
async def test_a_wrong_clock_neither_floods_telegram_nor_shows_dead_codes(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, ahead: timedelta, every: float
) -> None:
    monkeypatch.setattr(dialogue, "utc_now", lambda: wall_clock() + ahead)
    twin = await begun(PersonTwin(None))

    async def scanned_late() -> None:
        await until(lambda: len(twin.qr_codes) == 3)
        twin.scan()

    await meanwhile(lambda: by_qr(twin, terminal), scanned_late)
    assert twin.script.times("show_qr") == pytest.approx([0, every, 2 * every], abs=1)


async def test_a_terminal_that_was_left_alone(terminal: Terminal) -> None:
    twin = await begun(PersonTwin(None))
    with pytest.raises(SignInFailed, match="Nobody scanned the code within 10 minutes"):
        await by_qr(twin, terminal)
    assert anyio.current_time() == pytest.approx(SCAN_SECONDS, abs=1)


@pytest.mark.parametrize("error", [FloodWait(300), TelegramUnavailable("gone")])
@pytest.mark.parametrize(("method", "calls"), [("show_qr", 0), ("show_qr", 2), ("wait_scanned", 0)])
async def test_what_telegram_says_comes_as_it_is(
    terminal: Terminal, error: FloodWait | TelegramUnavailable, method: str, calls: int
) -> None:
    twin = await begun(PersonTwin(None))
    twin.script.fail(method, error, skip=calls)
    with pytest.raises(type(error)) as caught:
        await by_qr(twin, terminal)
    assert caught.value is error


async def test_a_password_that_nobody_can_type(terminal: Terminal) -> None:
    twin = await begun(PersonTwin(None, password="secret"))

    async def scanned() -> None:
        await until(lambda: twin.qr_codes)
        twin.scan()

    with pytest.raises(ExceptionGroup) as caught:
        await meanwhile(lambda: by_qr(twin, terminal), scanned)
    [error] = caught.value.exceptions
    assert isinstance(error, NothingTyped) and "Password of the second factor" in str(error)
    assert twin.stored is None


async def test_a_code_that_nobody_can_type_is_not_sent(terminal: Terminal) -> None:
    twin = await begun(PersonTwin(None))
    with pytest.raises(NothingTyped):
        await by_code(twin, terminal)
    assert twin.script.count("send_code") == 0


async def test_on_a_terminal_a_picture_takes_the_place_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen(is_terminal=True)
    terminal = Terminal(StringIO(), screen)
    terminal.draw("one\ntwo")
    terminal.draw("three")
    terminal.erase()
    terminal.erase()
    terminal.draw("four")
    terminal.say("said")
    terminal.draw("five")
    assert screen.getvalue() == "one\ntwo\n\x1b[2A\x1b[Jthree\n\x1b[1A\x1b[Jfour\nsaid\nfive\n"


async def test_elsewhere_it_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    for screen in (Screen(is_terminal=True), Screen()):
        terminal = Terminal(StringIO(), screen)
        assert not terminal.can_draw
        terminal.draw("one\ntwo")
        terminal.draw("three")
        terminal.erase()
        assert screen.getvalue() == "one\ntwo\nthree\n"
