"""Authorization keys as a data centre keeps them: the key, its salts, its sessions, and who is signed in."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from hashlib import sha1

from teltubby.simulator.mtproto.parallel import ParallelUse
from teltubby.simulator.mtproto.session import Session

SALT_STEP = 1800
SALT_LIFETIME = 3600
MAX_FUTURE_SALTS = 64
MAX_SESSIONS = 64
NOBODY = "AUTH_KEY_UNREGISTERED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Salt:
    """A server salt and the Unix seconds between which it is good."""

    value: int
    valid_since: int
    valid_until: int


class Salts:
    """The salts of one key: a new one every 30 minutes, each good for an hour."""

    def __init__(self, first: int, now: int) -> None:
        self._schedule = [Salt(value=first, valid_since=now, valid_until=now + SALT_LIFETIME)]

    def current(self, now: int) -> int:
        """The salt that the server uses itself."""
        return self.upcoming(now, 1)[0].value

    def accepts(self, value: int, now: int) -> bool:
        """Whether a client may use this salt now."""
        self.upcoming(now, 1)
        return any(salt.value == value and salt.valid_since <= now < salt.valid_until for salt in self._schedule)

    def upcoming(self, now: int, count: int) -> list[Salt]:
        """The current salt and those that follow."""
        self._schedule = [salt for salt in self._schedule if now < salt.valid_until]
        if not self._schedule:
            self._extend(now)
        while sum(salt.valid_since > now - SALT_STEP for salt in self._schedule) < count:
            self._extend(self._schedule[-1].valid_since + SALT_STEP)
        return [salt for salt in self._schedule if salt.valid_since > now - SALT_STEP][:count]

    def revoke(self, now: int) -> None:
        """Make every salt given out so far invalid."""
        self._schedule = []
        self._extend(now)

    def _extend(self, since: int) -> None:
        value = random.getrandbits(64) - (1 << 63)
        self._schedule.append(Salt(value=value, valid_since=since, valid_until=since + SALT_LIFETIME))


@dataclass(slots=True, kw_only=True, eq=False)
class AuthKey:
    """One authorization key of one data centre. `account_id` is None until somebody signs in on it.

    `copy_of` is the key whose login was exported to this one. One that `is_duplicated` never signs in again.
    `refusal` is what a request hears that needs an account while there is none. `device_model` and so on are what
    the client said of itself. `told_changes` is how many of the world's events it was told of, or could ask for, when
    it last learned the state of its account.
    """

    key: bytes
    salts: Salts
    account_id: int | None = None
    awaits_password_of: int | None = None
    api_id: int | None = None
    layer: int | None = None
    copy_of: AuthKey | None = None
    is_duplicated: bool = False
    refusal: str = NOBODY
    signed_in_at: int = 0
    told_changes: int = 0
    device_model: str = ""
    system_version: str = ""
    app_version: str = ""
    parallel: ParallelUse = field(default_factory=ParallelUse)
    sessions: dict[int, Session] = field(default_factory=dict)
    key_id: int = field(init=False)

    def __post_init__(self) -> None:
        self.key_id = auth_key_id(self.key)

    @property
    def signed_key_id(self) -> int:
        """The key's id as a signed number, as TL has its longs."""
        return self.key_id - (self.key_id >> 63 << 64)

    def sign_in(self, account_id: int, now: int) -> None:
        """The account is signed in on this key."""
        self.account_id, self.awaits_password_of = account_id, None
        self.refusal, self.signed_in_at, self.copy_of = NOBODY, now, None

    def sign_out(self, refusal: str = NOBODY) -> None:
        """Nobody is; `refusal` is what requests hear that need somebody."""
        self.account_id, self.refusal = None, refusal

    def session(self, session_id: int) -> Session:
        """The session of that id, made on first use; detached ones are forgotten when there are too many."""
        session = self.sessions.get(session_id)
        if session is None:
            session = self.sessions[session_id] = Session(session_id)
            if len(self.sessions) > MAX_SESSIONS:
                detached = [known.id for known in self.sessions.values() if known.wake is None and known is not session]
                for known_id in detached[: len(self.sessions) - MAX_SESSIONS]:
                    del self.sessions[known_id]
        return session


def auth_key_id(key: bytes) -> int:
    """Lower 64 bits of the key's SHA-1, unsigned."""
    return int.from_bytes(sha1(key).digest()[-8:], "little")
