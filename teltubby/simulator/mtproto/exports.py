"""Logins on their way to another data centre, as auth.exportAuthorization hands them out. Pure: time is a parameter.

Known: one export is for one data centre, and whoever exports too often has to wait (reported: after about 100). How
long an export is good for, and over which time they are counted, is assumed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.limits import Limit

EXPORT_SECONDS = 60
EXPORT_LIMIT = 100
COUNTED_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Exported:
    account_id: int
    dc: int
    key: AuthKey
    expires: int


class Exports:
    """Tokens that are not used up. `limit` is how many an account may have."""

    def __init__(self) -> None:
        self.limit = Limit(EXPORT_LIMIT, COUNTED_SECONDS)
        self._tokens: dict[bytes, _Exported] = {}

    def export(self, account_id: int, dc: int, key: AuthKey, now: int) -> bytes:
        """A token that signs the account in at `dc`, once and soon; `key` is the one whose login it copies."""
        self.limit.add(account_id, now)
        token = secrets.token_bytes(32)
        self._tokens[token] = _Exported(account_id=account_id, dc=dc, key=key, expires=now + EXPORT_SECONDS)
        return token

    def redeem(self, token: bytes, account_id: int, dc: int, now: int) -> AuthKey | None:
        """The key whose login the token copies; None when it is not good here. Either way it is used up."""
        exported = self._tokens.pop(token, None)
        if exported is None or (exported.account_id, exported.dc) != (account_id, dc) or exported.expires <= now:
            return None
        return exported.key if exported.key.account_id == account_id else None
