"""account.getPassword and auth.checkPassword: the second factor, by SRP (core.telegram.org/api/srp)."""

from __future__ import annotations

import secrets
from typing import Any

from teltubby.simulator.mtproto.crypto import DH_GENERATOR
from teltubby.simulator.mtproto.logins import signed_in
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.srp import PRIME_BYTES, Verifier, verifier_of
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.people import User

NEW_SALT_BYTES = 8
RANDOM_BYTES = 256


def get_password(caller: Caller, request: Any) -> Any:
    """account.getPassword: whether there is one, and a challenge to prove that one knows it, for one answer."""
    account = _account(caller)
    challenge = caller.state.challenges.make(account)
    current: dict[str, Any] = {}
    if challenge is not None:
        current = {
            "current_algo": _algorithm(challenge.verifier),
            "srp_B": challenge.public_bytes,
            "srp_id": challenge.id,
        }
    return types.account.Password(
        new_algo=_algorithm(
            Verifier(salt1=secrets.token_bytes(NEW_SALT_BYTES), salt2=secrets.token_bytes(16), value=0)
        ),
        new_secure_algo=types.SecurePasswordKdfAlgoPBKDF2HMACSHA512iter100000(secrets.token_bytes(NEW_SALT_BYTES)),
        secure_random=secrets.token_bytes(RANDOM_BYTES),
        has_password=account.password is not None,
        hint=account.password_hint,
        **current,
    )


def check_password(caller: Caller, request: Any) -> Any:
    """auth.checkPassword: after too many wrong ones, right ones have to wait too."""
    account, limit, now = _account(caller), caller.state.login_limits.wrong_passwords, caller.world.now()
    given = request.password
    wait = limit.wait(account.id, now)
    if wait:
        raise RpcError(420, f"FLOOD_WAIT_{wait}")
    if account.password is None or not isinstance(given, types.InputCheckPasswordSRP):
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    challenge = caller.state.challenges.take(account, given.srp_id)
    if challenge is None:
        raise RpcError(400, "SRP_ID_INVALID")
    if challenge.verifier != verifier_of(account.id, account.password):
        raise RpcError(400, "SRP_PASSWORD_CHANGED")
    if not challenge.is_answered_by(given.A, given.M1):
        limit.add(account.id, now)
        raise RpcError(400, "PASSWORD_HASH_INVALID")
    limit.forget(account.id)
    return signed_in(caller, account)


def _account(caller: Caller) -> User:
    """Who is signed in, or would be but for the password; raises RpcError."""
    if caller.key.account_id is None and caller.key.awaits_password_of is not None:
        return caller.world.users[caller.key.awaits_password_of]
    return caller.person


def _algorithm(verifier: Verifier) -> Any:
    return types.PasswordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow(
        salt1=verifier.salt1, salt2=verifier.salt2, g=DH_GENERATOR, p=PRIME_BYTES
    )


HANDLERS: Handlers = {
    functions.account.GetPasswordRequest: get_password,
    functions.auth.CheckPasswordRequest: check_password,
}
