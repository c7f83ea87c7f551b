"""What the admins are still to be told: grouped, each thing once, and bounded however often a process dies."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import assert_never

from teltubby.watching.changes import Change, Turn

GATHER = timedelta(seconds=2)
"""From the first news to the message: what dies together is told together."""
FIRST_PAUSE = timedelta(seconds=10)
LONGEST_PAUSE = timedelta(minutes=15)
"""Between two messages; doubled with each, and back to the first after as long without one."""
HEADING = "⚠️ teltubby on {host}"


@dataclass(slots=True)
class _Account:
    """One process: what it came to, and what nobody was told yet."""

    turn: Turn
    deaths: int = 0
    cause: str = ""
    died_at: datetime | None = None
    down_since: datetime | None = None
    has_news: bool = False


class Bulletin:
    """Collects changes and says when, and what, to tell. It knows no clock: times are given. Memory: one line each."""

    def __init__(self, host: str) -> None:
        self._heading = HEADING.format(host=host)
        self._accounts: dict[str, _Account] = {}
        self._news_since: datetime | None = None
        self._told_at: datetime | None = None
        self._pause = FIRST_PAUSE

    def note(self, change: Change) -> None:
        """Take a change in; what is only as it should be is no news."""
        account = self._accounts.setdefault(change.process, _Account(turn=change.turn))
        account.turn = change.turn
        match change.turn:
            case Turn.DIED | Turn.STUMBLED:
                account.deaths += 1
                account.cause, account.died_at = change.cause, change.at
                self._trouble(account, change.at)
            case Turn.GAVE_UP | Turn.MISCONFIGURED:
                self._trouble(account, change.at)
            case Turn.RAN:
                if account.down_since is not None:
                    self._announce(account, change.at)
            case Turn.ENDED:
                account.down_since = None
            case _:
                assert_never(change.turn)

    def due(self) -> datetime | None:
        """When there is something to tell; None while there is not."""
        if self._news_since is None:
            return None
        gathered = self._news_since + GATHER
        return gathered if self._told_at is None else max(gathered, self._told_at + self._pause)

    def take(self, now: datetime) -> str:
        """The message with all news. From now on they count as told."""
        lines = [self._heading]
        for process, account in self._accounts.items():
            if account.has_news:
                lines.append(_line(process, account))
                account.has_news, account.deaths = False, 0
                if account.turn is Turn.RAN:
                    account.down_since = None
        calm = self._told_at is None or now - self._told_at > LONGEST_PAUSE + self._pause
        self._pause = FIRST_PAUSE if calm else min(LONGEST_PAUSE, self._pause * 2)
        self._told_at, self._news_since = now, None
        return "\n".join(lines)

    def _trouble(self, account: _Account, at: datetime) -> None:
        account.down_since = account.down_since or at
        self._announce(account, at)

    def _announce(self, account: _Account, at: datetime) -> None:
        account.has_news = True
        self._news_since = self._news_since or at


def _line(process: str, account: _Account) -> str:
    return " ".join(filter(None, (f"{process}:", _what_happened(account), _how_it_stands(process, account))))


def _what_happened(account: _Account) -> str:
    if not account.deaths or account.died_at is None:
        return ""
    cause = f" {account.cause}" if account.cause else ""
    at = f"{account.died_at:%H:%M:%S} UTC"
    if account.deaths == 1:
        return f"it ended{cause}, at {at}."
    return f"it ended {account.deaths} times, the last time{cause}, at {at}."


def _how_it_stands(process: str, account: _Account) -> str:
    match account.turn:
        case Turn.DIED | Turn.STUMBLED:
            return "It is being started again."
        case Turn.GAVE_UP:
            return (
                "It does not start and stays down. Its log says why; "
                f"when that is mended: supervisorctl start {process}"
            )
        case Turn.MISCONFIGURED:
            return (
                "Its configuration is wrong and it stays down. teltubby check-config says what; "
                f"when that is mended: supervisorctl start {process}"
            )
        case Turn.RAN:
            since = account.down_since or account.died_at  # an order in between ends the trouble
            return "It runs again." if since is None else f"It runs again (trouble since {since:%H:%M:%S} UTC)."
        case Turn.ENDED:
            return "It was stopped by an order."
        case _:
            assert_never(account.turn)
