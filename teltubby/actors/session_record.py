"""What is known of an MTProto session, and who is told when that changes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from teltubby.actors.troubles import Troubles
from teltubby.adapters.base import Account, MtprotoGateway
from teltubby.archive.session_states import SessionEvent, SessionTrouble, after, event_of, trouble_after
from teltubby.errors import FloodWait, TeltubbyError
from teltubby.messages.routes import AccountKind
from teltubby.messages.session import SIGNING_IN, SessionChanged, SessionStanding, SessionState
from teltubby.supervision import ActorStopped

_LOG = logging.getLogger(__name__)

_QUIET = SIGNING_IN | {SessionState.READY, SessionState.CONNECTING}
_LOST = (SessionState.REVOKED, SessionState.SUSPENDED)
_BY_HAND = "; sign in with /mtlogin in the bot's chat or `teltubby login` on the worker's machine"
_REMEDIES = {
    (AccountKind.USER, SessionTrouble.NOBODY): _BY_HAND,
    (AccountKind.USER, SessionTrouble.REFUSED): _BY_HAND,
    (AccountKind.BOT, SessionTrouble.REFUSED): "; `teltubby doctor` looks at bot token, api id and session file",
}
_WHY_LOST = (SessionEvent.REFUSED, SessionEvent.SUSPENDED, SessionEvent.FILE_DAMAGED)
_SOMEBODY = frozenset({SessionEvent.CONNECTED, SessionEvent.SIGNED_IN, SessionEvent.CONNECTION_LOST, *_WHY_LOST})
"""What does not happen to a session in which nobody ever signed in."""


class SessionRecord:
    """Every change is announced once; trouble stands in `troubles` while it lasts.

    `is_needed`: the routes need this account, as there is no other.
    """

    def __init__(
        self,
        account: AccountKind,
        gateway: MtprotoGateway,
        *,
        is_needed: bool,
        announce: Callable[[SessionChanged], None],
        troubles: Troubles,
        clock: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._gateway = gateway
        self._is_needed = is_needed
        self._announce = announce
        self._troubles = troubles
        self._clock = clock
        self._state = SessionState.DISCONNECTED
        self._detail = "not connected yet"
        self._since = clock()
        self._last: SessionEvent | None = None
        self._trouble: SessionTrouble | None = None
        self._complaint = ""
        self._is_anybodys = True
        self._who: Account | None = None
        self._flood_until: datetime | None = None
        self._last_success_at: datetime | None = None

    @property
    def state(self) -> SessionState:
        """The state that the session is in."""
        return self._state

    @property
    def detail(self) -> str:
        """Why, in words."""
        return self._detail

    @property
    def last(self) -> SessionEvent | None:
        """What happened last."""
        return self._last

    @property
    def is_anybodys(self) -> bool:
        """Whether somebody is signed in, or was until the login was lost; True as long as it is not known."""
        return self._is_anybodys

    @property
    def _in_use(self) -> bool:
        return self._is_needed or self._is_anybodys

    @property
    def flood_seconds(self) -> float:
        """How long Telegram's wait lasts yet."""
        return 0.0 if self._flood_until is None else max(0.0, (self._flood_until - self._clock()).total_seconds())

    @property
    def name(self) -> str:
        """Who is signed in, masked."""
        return "nobody" if self._who is None else masked(self._who)

    def standing(self) -> SessionStanding:
        """How the session stands now."""
        return SessionStanding(
            account=self._account,
            state=self._state,
            detail=self._detail,
            since=self._since,
            is_trouble=self._trouble is not None,
            in_use=self._in_use,
            name=None if self._who is None else masked(self._who),
            data_centre=self._gateway.data_centre,
            connections=self._gateway.connections,
            last_success_at=self._last_success_at,
            flood_until=self._flood_until if self.flood_seconds else None,
            account_id=self._who.id if self._who is not None and self._state is SessionState.READY else None,
        )

    def note(
        self, event: SessionEvent, detail: str, *, who: Account | None = None, flood_seconds: float = 0.0
    ) -> SessionState:
        """It happened; returns the state that it led to. What changes nothing is not told again."""
        before, was = self._told(), self._state
        self._last = event
        self._state = after(was, event)
        if self._state is not was:
            self._since = self._clock()
        if self._state is not was or was not in _LOST or event in _WHY_LOST:
            self._detail = detail
        self._learn(event, who)
        if event is SessionEvent.FLOODED:
            self._flood_until = self._clock() + timedelta(seconds=flood_seconds)
        self._complain(event, flood_seconds)
        if self._told() != before:
            self._tell()
        return self._state

    def failed(self, error: TeltubbyError) -> SessionState:
        """A try to connect, or a request, failed so that the session is in another state."""
        seconds = error.seconds if isinstance(error, FloodWait) else 0.0
        return self.note(event_of(error), str(error), flood_seconds=seconds)

    def succeeded(self) -> None:
        """Telegram served a request."""
        self._last_success_at = self._clock()

    def _learn(self, event: SessionEvent, who: Account | None) -> None:
        if event is SessionEvent.NOBODY:
            self._is_anybodys, self._who = False, None
        elif event in _SOMEBODY:
            self._is_anybodys = True
        if event is SessionEvent.CONNECTED:
            self._who, self._flood_until = who, None
            self.succeeded()

    def _complain(self, event: SessionEvent, flood_seconds: float) -> None:
        was, where = self._trouble, f"{self._account} session"
        self._trouble = trouble_after(was, event, self._state, in_use=self._in_use, flood_seconds=flood_seconds)
        if self._trouble is None:
            self._troubles.leave(where)
            return
        if self._trouble is not was or event in _WHY_LOST:
            self._complaint = self._detail + _REMEDIES.get((self._account, self._trouble), "")
        self._troubles.enter(where, self._complaint)

    def _told(self) -> object:
        return (self._state, self._detail, self._trouble, self._is_anybodys, self._who)

    def _tell(self) -> None:
        level = logging.INFO if self._state in _QUIET or not self._is_anybodys else logging.WARNING
        _LOG.log(level, "the %s session is %s: %s", self._account, self._state, self._detail)
        with suppress(ActorStopped):  # at a stop, whoever wants to know ends before this actor
            self._announce(SessionChanged(standing=self.standing()))


def masked(account: Account) -> str:
    """Whom people recognise by, and strangers cannot look up: half of a person's user name, the number's last digits.

    A bot's name is public.
    """
    if account.is_bot:
        return f"@{account.username}" if account.username else f"bot {account.id}"
    names = []
    if account.username:
        names.append(f"@{account.username[: (len(account.username) + 1) // 2]}…")
    if account.phone:
        names.append(f"+…{account.phone[-2:]}")
    return " ".join(names) or f"id …{str(account.id)[-2:]}"
