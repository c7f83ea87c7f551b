"""Making an authorization key: the server's side of core.telegram.org/mtproto/auth_key, strict on clients."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any

from teltubby.simulator.mtproto.crypto import (
    DH_BYTES,
    DH_GENERATOR,
    DH_PRIME,
    decrypt_ige,
    dh_value_is_safe,
    encrypt_ige,
    handshake_keys,
    random_prime,
)
from teltubby.simulator.mtproto.keys import auth_key_id
from teltubby.simulator.mtproto.rsa_key import RSA_BYTES, RsaKey
from teltubby.simulator.mtproto.tl import InvalidObject, encode, functions, parse_prefix, types

SHA1_BYTES = 20
PADDED_BYTES = 192
PRIME_BITS = (20, 31)
"""Both are of 31 bits at Telegram, where factoring costs a client 30 ms of every new key."""

SECRET_BITS = 256
"""With 2048 two powers of every new key take 42 ms; who has the powers only cannot tell."""

TEST_DC_OFFSET = 10_000


class HandshakeViolation(Exception):
    """A step that does not fit the ones before it; the server answers -404 and hangs up."""


class WrongDc(HandshakeViolation):
    """The client wanted another data centre; the server answers -444."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A key that both sides have now; `first_salt` follows from the nonces."""

    key: bytes
    first_salt: int


@dataclass(slots=True, kw_only=True)
class _Exchange:
    """What one run of the exchange has agreed so far; nonces are in their wire form."""

    nonce: bytes
    server_nonce: bytes
    p: int
    q: int
    new_nonce: bytes = b""
    secret: int = 0


class Handshake:
    """The exchange on one connection; `known` tells whether a key id is taken, which asks the client to retry."""

    def __init__(self, rsa_key: RsaKey, *, dc: int, known: Callable[[int], bool], clock: Callable[[], float]) -> None:
        self._rsa_key = rsa_key
        self._dc = dc
        self._known = known
        self._clock = clock
        self._exchange: _Exchange | None = None

    def answer(self, request: Any) -> tuple[bytes, Completed | None]:
        """The answer to one plain request, with the key if that completed it; raises HandshakeViolation."""
        match request:
            case functions.ReqPqMultiRequest() | functions.ReqPqRequest():
                return self._start(request), None
            case functions.ReqDHParamsRequest():
                return self._offer_dh(request), None
            case functions.SetClientDHParamsRequest():
                return self._complete(request)
            case _:
                raise HandshakeViolation(f"{type(request).__name__} before there is a key")

    def _start(self, request: Any) -> bytes:
        p, q = map(random_prime, PRIME_BITS)
        exchange = _Exchange(nonce=_wire(request.nonce, 16), server_nonce=os.urandom(16), p=p, q=q)
        self._exchange = exchange
        return encode(
            types.ResPQ(
                nonce=request.nonce,
                server_nonce=_number(exchange.server_nonce),
                pq=(p * q).to_bytes(8, "big"),
                server_public_key_fingerprints=[self._rsa_key.fingerprint],
            )
        )

    def _offer_dh(self, request: Any) -> bytes:
        exchange = self._matching(request)
        if exchange.secret:
            raise HandshakeViolation("req_DH_params came twice")
        if (_big(request.p), _big(request.q)) != (exchange.p, exchange.q):
            raise HandshakeViolation("pq was not factored into p < q")
        if request.public_key_fingerprint != self._rsa_key.fingerprint:
            raise HandshakeViolation("unknown RSA key")
        inner = self._inner_data(request.encrypted_data)
        match inner:
            case types.PQInnerData():
                pass
            case types.PQInnerDataDc() if abs(inner.dc) not in (self._dc, self._dc + TEST_DC_OFFSET):
                raise WrongDc(f"the client wanted data centre {inner.dc}, this is {self._dc}")
            case types.PQInnerDataDc():
                pass
            case _:
                raise HandshakeViolation(f"{type(inner).__name__} is not supported")
        self._require_nonces(inner, exchange)
        if (_big(inner.pq), _big(inner.p), _big(inner.q)) != (exchange.p * exchange.q, exchange.p, exchange.q):
            raise HandshakeViolation("p_q_inner_data has other numbers")
        exchange.new_nonce = _wire(inner.new_nonce, 32)
        g_a = 0
        while not dh_value_is_safe(g_a):
            exchange.secret = secrets.randbits(SECRET_BITS)
            g_a = pow(DH_GENERATOR, exchange.secret, DH_PRIME)
        data = encode(
            types.ServerDHInnerData(
                nonce=request.nonce,
                server_nonce=request.server_nonce,
                g=DH_GENERATOR,
                dh_prime=DH_PRIME.to_bytes(DH_BYTES, "big"),
                g_a=g_a.to_bytes(DH_BYTES, "big"),
                server_time=int(self._clock()),
            )
        )
        with_hash = sha1(data).digest() + data
        with_hash += os.urandom(-len(with_hash) % 16)
        encrypted = encrypt_ige(with_hash, *handshake_keys(exchange.server_nonce, exchange.new_nonce))
        return encode(types.ServerDHParamsOk(request.nonce, request.server_nonce, encrypted))

    def _complete(self, request: Any) -> tuple[bytes, Completed | None]:
        exchange = self._matching(request)
        if not exchange.secret:
            raise HandshakeViolation("set_client_DH_params before req_DH_params")
        encrypted = request.encrypted_data
        if not encrypted or len(encrypted) % 16:
            raise HandshakeViolation("encrypted data of a broken length")
        data = decrypt_ige(encrypted, *handshake_keys(exchange.server_nonce, exchange.new_nonce))
        inner = _verified(data, max_padding=15)
        if not isinstance(inner, types.ClientDHInnerData):
            raise HandshakeViolation(f"{type(inner).__name__} instead of client_DH_inner_data")
        self._require_nonces(inner, exchange)
        g_b = _big(inner.g_b)
        key = pow(g_b, exchange.secret, DH_PRIME).to_bytes(DH_BYTES, "big")
        nonces = {"nonce": request.nonce, "server_nonce": request.server_nonce}
        if not dh_value_is_safe(g_b):
            return encode(types.DhGenFail(**nonces, new_nonce_hash3=_new_nonce_hash(exchange, key, 3))), None
        if self._known(auth_key_id(key)):
            return encode(types.DhGenRetry(**nonces, new_nonce_hash2=_new_nonce_hash(exchange, key, 2))), None
        self._exchange = None
        salt = bytes(a ^ b for a, b in zip(exchange.new_nonce[:8], exchange.server_nonce[:8], strict=True))
        completed = Completed(key=key, first_salt=int.from_bytes(salt, "little", signed=True))
        return encode(types.DhGenOk(**nonces, new_nonce_hash1=_new_nonce_hash(exchange, key, 1))), completed

    def _inner_data(self, encrypted: bytes) -> Any:
        if len(encrypted) != RSA_BYTES:
            raise HandshakeViolation(f"{len(encrypted)} bytes instead of {RSA_BYTES}")
        try:
            block = self._rsa_key.decrypt(encrypted)
        except ValueError as exc:
            raise HandshakeViolation(str(exc)) from exc
        padded = _without_rsa_pad(block)
        if padded is not None:
            try:
                return parse_prefix(padded)[0]
            except InvalidObject as exc:
                raise HandshakeViolation("no p_q_inner_data inside RSA_PAD") from exc
        if block[0]:
            raise HandshakeViolation("neither RSA_PAD nor SHA-1 padding")
        return _verified(block[1:], max_padding=RSA_BYTES)

    def _matching(self, request: Any) -> _Exchange:
        if self._exchange is None:
            raise HandshakeViolation(f"{type(request).__name__} before req_pq")
        self._require_nonces(request, self._exchange)
        return self._exchange

    @staticmethod
    def _require_nonces(value: Any, exchange: _Exchange) -> None:
        if (_wire(value.nonce, 16), _wire(value.server_nonce, 16)) != (exchange.nonce, exchange.server_nonce):
            raise HandshakeViolation(f"wrong nonce in {type(value).__name__}")


def _without_rsa_pad(block: bytes) -> bytes | None:
    """The 192 padded bytes of RSA_PAD (auth_key, step 4.1); None if the block is not of that form."""
    encrypted = block[32:]
    temp_key = bytes(a ^ b for a, b in zip(block[:32], sha256(encrypted).digest(), strict=True))
    decrypted = decrypt_ige(encrypted, temp_key, bytes(32))
    data = decrypted[:PADDED_BYTES][::-1]
    return data if sha256(temp_key + data).digest() == decrypted[PADDED_BYTES:] else None


def _verified(with_hash: bytes, *, max_padding: int) -> Any:
    """The object behind its SHA-1, both checked; what follows it is padding."""
    data = with_hash[SHA1_BYTES:]
    try:
        value, length = parse_prefix(data)
    except InvalidObject as exc:
        raise HandshakeViolation("decrypts to nothing known") from exc
    if sha1(data[:length]).digest() != with_hash[:SHA1_BYTES]:
        raise HandshakeViolation("wrong SHA-1 inside")
    if len(data) - length > max_padding:
        raise HandshakeViolation("too much padding")
    return value


def _new_nonce_hash(exchange: _Exchange, key: bytes, number: int) -> int:
    auxiliary = sha1(key).digest()[:8]
    return _number(sha1(exchange.new_nonce + bytes((number,)) + auxiliary).digest()[4:])


def _wire(number: int, length: int) -> bytes:
    """An int128 or int256 as it stands on the wire; Telethon reads them as signed little-endian."""
    return number.to_bytes(length, "little", signed=True)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")
