"""QR codes that wait to be scanned (core.telegram.org/api/qr-login). Pure: time is a parameter.

Known: a token is good for 30 seconds, any session of an account accepts it once, and whoever asked for it gets the
login by asking again. Assumed: a token stays good when a later one is asked for; an acceptance is kept for 5 minutes;
AUTH_TOKEN_EXCEPTION is how an account in except_ids is turned away.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from teltubby.simulator.mtproto.keys import AuthKey

TOKEN_SECONDS = 30
ACCEPTED_SECONDS = 300
TOKEN_BYTES = 32


class TokenRefused(Exception):
    """A token is not good; the message is Telegram's."""


@dataclass(slots=True, kw_only=True, eq=False)
class LoginToken:
    """A token, the key that asked for it, who accepted it, and the key that got the login."""

    token: bytes
    key: AuthKey
    except_ids: frozenset[int]
    expires: int
    account_id: int | None = None
    claimed_by: AuthKey | None = None


class LoginTokens:
    """All tokens that somebody may still ask about."""

    def __init__(self) -> None:
        self._tokens: dict[bytes, LoginToken] = {}

    def export(self, key: AuthKey, except_ids: Collection[int], now: int) -> LoginToken:
        """A new one for `key`."""
        for old in [token for token in self._tokens.values() if token.expires <= now - ACCEPTED_SECONDS]:
            del self._tokens[old.token]
        token = LoginToken(
            token=secrets.token_bytes(TOKEN_BYTES),
            key=key,
            except_ids=frozenset(except_ids),
            expires=now + TOKEN_SECONDS,
        )
        self._tokens[token.token] = token
        return token

    def accept(self, token: bytes, account_id: int, now: int) -> LoginToken:
        """The account lets whoever shows this token sign in. Raises TokenRefused."""
        found = self._known(token)
        if found.account_id is not None:
            raise TokenRefused("AUTH_TOKEN_ALREADY_ACCEPTED")
        if found.expires <= now:
            raise TokenRefused("AUTH_TOKEN_EXPIRED")
        if account_id in found.except_ids:
            raise TokenRefused("AUTH_TOKEN_EXCEPTION")
        found.account_id = account_id
        found.expires = now + ACCEPTED_SECONDS
        return found

    def accepted_on(self, key: AuthKey, now: int) -> LoginToken | None:
        """The latest token of this key that was accepted, and whose login the key may still have."""
        found = None
        for token in self._tokens.values():
            if token.key is not key or token.account_id is None or token.expires <= now:
                continue
            if token.claimed_by is None or (token.claimed_by is key and key.account_id in (None, token.account_id)):
                found = token
        return found

    def accepted(self, token: bytes, key: AuthKey, now: int) -> LoginToken:
        """The accepted token of these bytes, as another key asks for its login. Raises TokenRefused."""
        found = self._known(token)
        if found.account_id is None:
            raise TokenRefused("AUTH_TOKEN_INVALIDX")
        if found.expires <= now:
            raise TokenRefused("AUTH_TOKEN_EXPIRED")
        if found.claimed_by not in (None, key):
            raise TokenRefused("AUTH_TOKEN_ALREADY_ACCEPTED")
        return found

    def forget(self, key: AuthKey) -> None:
        """This key's login has ended: what it had accepted before counts no more, and no code that it shows is good."""
        self._tokens = {
            data: token for data, token in self._tokens.items() if token.key is not key and token.claimed_by is not key
        }

    def _known(self, token: bytes) -> LoginToken:
        if token not in self._tokens:
            raise TokenRefused("AUTH_TOKEN_INVALIDX")
        return self._tokens[token]
