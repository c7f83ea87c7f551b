"""account.getAuthorizations, auth.resetAuthorizations: the logins of an account, and ending those of others."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.keys import AuthKey
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types

FRESH_SECONDS = 86_400


def authorization_view(key: AuthKey, current: AuthKey, *, password_pending: bool = False) -> Any:
    """The login on a key (or the one that it will have), as the account's owner sees it in the list of sessions."""
    return types.Authorization(
        hash=0 if key is current else key.signed_key_id,
        current=key is current,
        password_pending=password_pending,
        device_model=key.device_model,
        platform="",
        system_version=key.system_version,
        api_id=key.api_id or 0,
        app_name="",
        app_version=key.app_version,
        date_created=key.signed_in_at,
        date_active=key.signed_in_at,
        ip="127.0.0.1",
        country="",
        region="",
    )


def get_authorizations(caller: Caller, request: Any) -> Any:
    """account.getAuthorizations: every login but those that were only exported to another data centre."""
    return types.account.Authorizations(
        authorization_ttl_days=365, authorizations=[authorization_view(key, caller.key) for key in _logins(caller)]
    )


def reset_authorization(caller: Caller, request: Any) -> Any:
    """account.resetAuthorization: ends one other login, by its hash."""
    others = [key for key in _logins(caller) if key is not caller.key and key.signed_key_id == request.hash]
    if not others:
        raise RpcError(400, "HASH_INVALID")
    _require_old(caller)
    caller.state.end_login(others[0], "SESSION_REVOKED")
    return True


def reset_authorizations(caller: Caller, request: Any) -> Any:
    """auth.resetAuthorizations: ends all other logins."""
    others = [key for key in _logins(caller) if key is not caller.key]
    _require_old(caller)
    for key in others:
        caller.state.end_login(key, "SESSION_REVOKED")
    return True


def _logins(caller: Caller) -> list[AuthKey]:
    person = caller.person
    return [key for key in caller.state.keys.values() if key.account_id == person.id and key.copy_of is None]


def _require_old(caller: Caller) -> None:
    if caller.world.now() < caller.key.signed_in_at + FRESH_SECONDS:
        raise RpcError(406, "FRESH_RESET_AUTHORISATION_FORBIDDEN")


HANDLERS: Handlers = {
    functions.account.GetAuthorizationsRequest: get_authorizations,
    functions.account.ResetAuthorizationRequest: reset_authorization,
    functions.auth.ResetAuthorizationsRequest: reset_authorizations,
}
