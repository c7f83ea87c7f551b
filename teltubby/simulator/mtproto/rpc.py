"""What every RPC handler gets and may raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.session import Session
from teltubby.simulator.mtproto.state import Address, State
from teltubby.simulator.people import User
from teltubby.simulator.world import World


class RpcError(Exception):
    """A negative answer: HTTP-like `code`, and a `message` such as FILE_MIGRATE_4 (core.telegram.org/api/errors)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the address, key and session on which a request came."""

    state: State
    address: Address
    key: AuthKey
    session: Session

    @property
    def dc(self) -> int:
        """The data centre that is asked."""
        return self.address.dc

    @property
    def world(self) -> World:
        """The world that is asked about."""
        return self.state.world

    @property
    def account(self) -> User:
        """The signed-in account; raises RpcError 401 when there is none or it was deleted."""
        account = self.world.users.get(self.key.account_id or 0)
        if account is None:
            raise RpcError(401, self.key.refusal)
        require_usable(account)
        return account

    @property
    def person(self) -> User:
        """The signed-in account, which must not be a bot; raises RpcError."""
        if self.account.is_bot:
            raise RpcError(400, "BOT_METHOD_INVALID")
        return self.account

    def require_application(self, api_id: int) -> None:
        """Raise RpcError unless this is an application that the server knows."""
        known = self.state.api_ids
        if api_id <= 0 or (known is not None and api_id not in known):
            raise RpcError(400, "API_ID_INVALID")


def require_usable(account: User) -> None:
    """Raise RpcError 401 for an account that was deleted, by its owner or by Telegram."""
    if account.deactivated:
        raise RpcError(401, "USER_DEACTIVATED_BAN" if account.banned else "USER_DEACTIVATED")


# Handlers answer with a TL object, a bool or a list; they do not wait, and they raise RpcError.
Handler = Callable[[Caller, Any], Any]
Handlers = dict[type[Any], Handler]


def method_name(request: type[Any]) -> str:
    """The schema's name of a request type: upload.getFile, initConnection."""
    namespace = request.__module__.rpartition(".")[2]
    name = request.__name__.removesuffix("Request")
    name = name[0].lower() + name[1:]
    return name if namespace == "functions" else f"{namespace}.{name}"
