"""auth.*: signing in as a bot by its token, as a person by a code, and at another data centre by an exported token."""

from __future__ import annotations

import secrets
from typing import Any

from teltubby.simulator.messages import Event, MessageAdded, MessageEdited
from teltubby.simulator.mtproto.logins import first_factor, require_home, signed_in
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.state import LoginCode, State, digits
from teltubby.simulator.mtproto.tl import functions, types

CODE_LENGTH = 5
CODE_SECONDS = 300
MIN_PHONE_DIGITS = 5
MAX_PHONE_DIGITS = 15


def import_bot_authorization(caller: Caller, request: Any) -> Any:
    """auth.importBotAuthorization."""
    caller.require_application(request.api_id)
    bot = caller.world.bot_by_token(request.bot_auth_token)
    if bot is None:
        revoked = request.bot_auth_token in caller.world.revoked_tokens
        raise RpcError(400, "ACCESS_TOKEN_EXPIRED" if revoked else "ACCESS_TOKEN_INVALID")
    require_home(caller, bot, "USER_MIGRATE")
    return signed_in(caller, bot)


def send_code(caller: Caller, request: Any) -> Any:
    """auth.sendCode: a new code, told by the account 777000 as the real one does, and readable in `login_codes`."""
    caller.require_application(request.api_id)
    phone = _valid_phone(request.phone_number)
    account = caller.world.user_by_phone(phone)
    if account is not None:
        require_home(caller, account, "PHONE_MIGRATE")
        if account.banned:
            raise RpcError(400, "PHONE_NUMBER_BANNED")
    return _send_code(caller, phone, secrets.token_hex(9))


def resend_code(caller: Caller, request: Any) -> Any:
    """auth.resendCode: another code under the same hash; the first one is dead."""
    phone = _valid_phone(request.phone_number)
    pending = _pending(caller, phone, request.phone_code_hash)
    return _send_code(caller, phone, pending.hash)


def sign_in(caller: Caller, request: Any) -> Any:
    """auth.signIn; with a second factor the key waits for the password."""
    phone = _valid_phone(request.phone_number)
    if not request.phone_code:
        raise RpcError(400, "PHONE_CODE_EMPTY")
    pending = _pending(caller, phone, request.phone_code_hash)
    wrong, now = caller.state.login_limits.wrong_codes, caller.world.now()
    wait = wrong.wait(phone, now)
    if wait:
        raise RpcError(420, f"FLOOD_WAIT_{wait}")
    if not secrets.compare_digest(pending.code.encode(), request.phone_code.encode()):
        wrong.add(phone, now)
        raise RpcError(400, "PHONE_CODE_INVALID")
    wrong.forget(phone)
    del caller.state.codes.pending[phone]
    account = caller.world.user_by_phone(phone)
    if account is None:
        return types.auth.AuthorizationSignUpRequired()
    return first_factor(caller, account)


def log_out(caller: Caller, request: Any) -> Any:
    """auth.logOut: the key lives on without an account (assumed: so do those that its login was exported to)."""
    _ = caller.account
    caller.state.end_login(caller.key)
    return types.auth.LoggedOut()


def export_authorization(caller: Caller, request: Any) -> Any:
    """auth.exportAuthorization: a token for one sign-in at one other data centre.

    Assumed: a login that was imported cannot be exported further, and the home data centre's cannot be had this way.
    """
    account, state, now = caller.account, caller.state, caller.world.now()
    if request.dc_id in (caller.dc, account.home_dc) or request.dc_id not in state.ports or caller.key.copy_of:
        raise RpcError(400, "DC_ID_INVALID")
    wait = state.exports.limit.wait(account.id, now)
    if wait:
        raise RpcError(420, f"FLOOD_WAIT_{wait}")
    token = state.exports.export(account.id, request.dc_id, caller.key, now)
    return types.auth.ExportedAuthorization(account.id, token)


def import_authorization(caller: Caller, request: Any) -> Any:
    """auth.importAuthorization: once, soon, by the account and at the data centre that the token was made for."""
    origin = caller.state.exports.redeem(request.bytes, request.id, caller.dc, caller.world.now())
    if origin is None:
        raise RpcError(400, "AUTH_BYTES_INVALID")
    authorization = signed_in(caller, caller.world.users[request.id])
    caller.key.copy_of = origin
    return authorization


def void_sent_codes(state: State, event: Event) -> None:
    """A login code that its owner sends in any chat, as it is, is dead from then on; a listener of the world."""
    if not isinstance(event, MessageAdded | MessageEdited):
        return
    # Not the sender: what somebody posts in a channel comes from the channel.
    author = event.message.post.author
    pending = state.codes.pending.get(digits(author.phone)) if author.phone else None
    if pending is not None and pending.code in event.message.post.text:
        pending.expires = 0


def _send_code(caller: Caller, phone: str, code_hash: str) -> Any:
    world, sent = caller.world, caller.state.login_limits.codes
    wait = sent.wait(phone, world.now())
    if wait:
        raise RpcError(420, f"FLOOD_WAIT_{wait}")
    sent.add(phone, world.now())
    code = "".join(secrets.choice("0123456789") for _ in range(CODE_LENGTH))
    caller.state.codes.pending[phone] = LoginCode(code=code, hash=code_hash, expires=world.now() + CODE_SECONDS)
    account = world.user_by_phone(phone)
    if account is not None:
        world.send(world.service_account(), account, f"Login code: {code}. Do not give this code to anyone.")
    return types.auth.SentCode(
        type=types.auth.SentCodeTypeApp(CODE_LENGTH),
        phone_code_hash=code_hash,
        next_type=types.auth.CodeTypeSms(),
        timeout=60,
    )


def _pending(caller: Caller, phone: str, code_hash: str) -> LoginCode:
    pending = caller.state.codes.pending.get(phone)
    if pending is None or pending.hash != code_hash or pending.expires <= caller.world.now():
        raise RpcError(400, "PHONE_CODE_EXPIRED")
    return pending


def _valid_phone(phone: str) -> str:
    number = digits(phone)
    if not MIN_PHONE_DIGITS <= len(number) <= MAX_PHONE_DIGITS or phone.strip("+ -()").strip("0123456789 -()"):
        raise RpcError(400, "PHONE_NUMBER_INVALID")
    return number


HANDLERS: Handlers = {
    functions.auth.ImportBotAuthorizationRequest: import_bot_authorization,
    functions.auth.SendCodeRequest: send_code,
    functions.auth.ResendCodeRequest: resend_code,
    functions.auth.SignInRequest: sign_in,
    functions.auth.LogOutRequest: log_out,
    functions.auth.ExportAuthorizationRequest: export_authorization,
    functions.auth.ImportAuthorizationRequest: import_authorization,
}
