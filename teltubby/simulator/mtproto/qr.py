"""auth.*LoginToken: signing in by a QR code (core.telegram.org/api/qr-login)."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.authorizations import authorization_view
from teltubby.simulator.mtproto.login_tokens import TOKEN_SECONDS, LoginToken, TokenRefused
from teltubby.simulator.mtproto.logins import first_factor
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.state import State
from teltubby.simulator.mtproto.tl import encode, functions, types
from teltubby.simulator.people import User


def export_login_token(caller: Caller, request: Any) -> Any:
    """auth.exportLoginToken: a token to show, or what came of one that was accepted."""
    caller.require_application(request.api_id)
    tokens, now = caller.state.login_tokens, caller.world.now()
    accepted = tokens.accepted_on(caller.key, now)
    if accepted is not None:
        return _login(caller, accepted)
    token = tokens.export(caller.key, request.except_ids, now)
    # By the clock that clients see; the world's, by which the token ends, may have been moved.
    return types.auth.LoginToken(expires=int(caller.state.time()) + TOKEN_SECONDS, token=token.token)


def import_login_token(caller: Caller, request: Any) -> Any:
    """auth.importLoginToken: the login of an accepted token, where the account is at home."""
    try:
        token = caller.state.login_tokens.accepted(request.token, caller.key, caller.world.now())
    except TokenRefused as exc:
        raise RpcError(400, str(exc)) from exc
    return _login(caller, token)


def accept_login_token(caller: Caller, request: Any) -> Any:
    """auth.acceptLoginToken: somebody who is signed in lets whoever shows this token sign in."""
    token = accept(caller.state, caller.person, request.token)
    return authorization_view(token.key, caller.key, password_pending=caller.person.password is not None)


def accept(state: State, account: User, token: bytes) -> LoginToken:
    """Accept a token as that account, and tell the sessions that wait for it; raises RpcError."""
    try:
        accepted = state.login_tokens.accept(token, account.id, state.world.now())
    except TokenRefused as exc:
        raise RpcError(400, str(exc)) from exc
    update = encode(types.UpdateShort(types.UpdateLoginToken(), state.world.now()))
    for session in accepted.key.sessions.values():
        if session.wants_updates:
            session.post((update,), content_related=True)
    return accepted


def _login(caller: Caller, token: LoginToken) -> Any:
    account = caller.world.users[token.account_id or 0]
    if account.home_dc != caller.dc:
        return types.auth.LoginTokenMigrateTo(dc_id=account.home_dc, token=token.token)
    token.claimed_by = caller.key
    return types.auth.LoginTokenSuccess(first_factor(caller, account))


HANDLERS: Handlers = {
    functions.auth.ExportLoginTokenRequest: export_login_token,
    functions.auth.ImportLoginTokenRequest: import_login_token,
    functions.auth.AcceptLoginTokenRequest: accept_login_token,
}
