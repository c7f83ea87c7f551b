"""What the data centres share beside the world: keys, codes and tokens handed out, and what tests look at."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from teltubby.simulator.mtproto.exports import Exports
from teltubby.simulator.mtproto.keys import NOBODY, AuthKey, Salts
from teltubby.simulator.mtproto.limits import LoginLimits
from teltubby.simulator.mtproto.login_tokens import LoginTokens
from teltubby.simulator.mtproto.rsa_key import RsaKey
from teltubby.simulator.mtproto.served import Served
from teltubby.simulator.mtproto.srp import Challenges
from teltubby.simulator.world import World

REMEMBERED_CALLS = 10_000
REMEMBERED_VIOLATIONS = 1_000


@dataclass(frozen=True, slots=True)
class Address:
    """Where a data centre listens: its main port, or the one for files (`media_only`)."""

    dc: int
    media_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request as it was answered or refused: where it came, and `method` as in the schema ("upload.getFile")."""

    dc: int
    media_only: bool
    account_id: int | None
    method: str


@dataclass(slots=True, kw_only=True)
class LoginCode:
    """A code that was sent to a phone; `hash` names the attempt, `expires` is in the world's time."""

    code: str
    hash: str
    expires: int


class LoginCodes(Mapping[str, str]):
    """The codes that are good now, by phone number in any notation: what a person would read on their screen."""

    def __init__(self) -> None:
        self.pending: dict[str, LoginCode] = {}

    def __getitem__(self, phone: str) -> str:
        return self.pending[digits(phone)].code

    def __iter__(self) -> Iterator[str]:
        return iter(self.pending)

    def __len__(self) -> int:
        return len(self.pending)


@dataclass(slots=True, kw_only=True, eq=False)
class State:
    """One per server. Authorization keys belong to one data centre, so they are found by (dc, key id).

    `failures` are errors of the server itself, with the request's method: a test asserts that there are none.
    `violations` tell why connections were closed on clients that broke the protocol. `clock_skew` is by how many
    seconds the servers' clock is ahead of this machine's.
    """

    world: World
    rsa_key: RsaKey
    api_ids: Collection[int] | None = None
    strict_duplicates: bool = True
    tmp_sessions: int | None = None
    host: str = "127.0.0.1"
    ports: dict[int, int] = field(default_factory=dict)
    media_ports: dict[int, int] = field(default_factory=dict)
    keys: dict[tuple[int, int], AuthKey] = field(default_factory=dict)
    codes: LoginCodes = field(default_factory=LoginCodes)
    login_limits: LoginLimits = field(default_factory=LoginLimits)
    login_tokens: LoginTokens = field(default_factory=LoginTokens)
    challenges: Challenges = field(default_factory=Challenges)
    exports: Exports = field(default_factory=Exports)
    clock_skew: float = 0.0
    served: Served = field(default_factory=Served)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=REMEMBERED_CALLS))
    failures: list[tuple[str, Exception]] = field(default_factory=list)
    violations: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED_VIOLATIONS))

    def time(self) -> float:
        """The clock of the protocol, in Unix seconds; the world's, which may be moved, dates what happens."""
        return time.time() + self.clock_skew

    def add_key(self, dc: int, key: bytes, first_salt: int) -> AuthKey:
        """Keep a key that a handshake made."""
        auth_key = AuthKey(key=key, salts=Salts(first_salt, int(self.time())))
        self.keys[dc, auth_key.key_id] = auth_key
        return auth_key

    def end_login(self, key: AuthKey, refusal: str = NOBODY) -> None:
        """End the login on this key, and on those that it was exported to; for `refusal` see AuthKey.sign_out."""
        key.sign_out(refusal)
        self.login_tokens.forget(key)
        for other in self.keys.values():
            if other.copy_of is key:
                other.sign_out(refusal)

    def admits(self, key: AuthKey, address: Address, connection: object, *, opened: float, now: float) -> bool:
        """Whether a query may come this way; if not, too many connections use the key, and its session has ended.

        See parallel.py for what is too many.
        """
        account = self.world.users.get(key.account_id or 0)
        if not self.strict_duplicates or address.media_only or account is None or account.home_dc != address.dc:
            return True
        parallel = key.parallel.query(connection, opened=opened, now=now)
        if parallel <= (self.tmp_sessions or 1):
            return True
        self.violations.append(f"{parallel} connections used the key of account {account.id} in parallel")
        self.end_login(key)
        key.is_duplicated = True
        return False

    def leave(self, connection: object) -> None:
        """A connection is closed."""
        for key in self.keys.values():
            key.parallel.closed(connection)


def digits(phone: str) -> str:
    """A phone number without its punctuation."""
    return "".join(filter(str.isdigit, phone))
