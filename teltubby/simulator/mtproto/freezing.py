"""What a frozen account may still ask (core.telegram.org/api/auth#frozen-accounts).

Known: everything else is answered with 420 FROZEN_METHOD_INVALID, which has no seconds. Which methods are left is not
told; assumed: signing in and out, help, and learning who one is.
"""

from __future__ import annotations

from teltubby.simulator.mtproto.rpc import Caller, RpcError

LEFT_NAMESPACES = ("auth.", "help.", "updates.")
LEFT = frozenset({"users.getUsers", "users.getFullUser", "account.getPassword", "account.getAuthorizations"})
# What a session does for another one.
NOT_LEFT = frozenset({"auth.acceptLoginToken"})


def require_unfrozen(caller: Caller, method: str) -> None:
    """Raise RpcError if the account is frozen and the method is none that it may still call."""
    account = caller.world.users.get(caller.key.account_id or 0)
    left = method in LEFT or (method.startswith(LEFT_NAMESPACES) and method not in NOT_LEFT)
    if account is not None and account.frozen and not left:
        raise RpcError(420, "FROZEN_METHOD_INVALID")
