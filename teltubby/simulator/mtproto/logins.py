"""What every way of signing in ends with."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.rpc import Caller, RpcError, require_usable
from teltubby.simulator.mtproto.tl import types
from teltubby.simulator.mtproto.views import user_view
from teltubby.simulator.people import User


def require_home(caller: Caller, account: User, error: str) -> None:
    """Raise RpcError 303 unless this is where the account is at home (core.telegram.org/api/datacenter)."""
    if account.home_dc != caller.dc:
        raise RpcError(303, f"{error}_{account.home_dc}")


def first_factor(caller: Caller, account: User) -> Any:
    """The account proved who it is; raises RpcError SESSION_PASSWORD_NEEDED if that is not enough."""
    if account.password is not None and caller.key.account_id != account.id:
        caller.key.awaits_password_of = account.id
        raise RpcError(401, "SESSION_PASSWORD_NEEDED")
    return signed_in(caller, account)


def signed_in(caller: Caller, account: User) -> Any:
    """auth.Authorization: the account is signed in on the caller's key from now on; raises RpcError."""
    require_usable(account)
    if caller.key.is_duplicated:
        raise RpcError(406, "AUTH_KEY_DUPLICATED")
    caller.key.sign_in(account.id, caller.world.now())
    user = user_view(caller.world, account, account)
    return types.auth.Authorization(user, tmp_sessions=caller.state.tmp_sessions)
