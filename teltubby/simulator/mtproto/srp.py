"""The password of the second factor, proved without telling it (core.telegram.org/api/srp). No I/O.

Everything has 2048 bits over the group of the handshake, hashes are SHA-256, and the password is stretched by
PBKDF2-HMAC-SHA512 with 100 000 rounds (passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow).
"""

from __future__ import annotations

import hashlib
import hmac
import random
import secrets
from dataclasses import dataclass, field
from functools import lru_cache

from teltubby.simulator.mtproto.crypto import DH_BYTES, DH_GENERATOR, DH_PRIME, dh_value_is_safe
from teltubby.simulator.people import User

ROUNDS = 100_000
SALT_BYTES = 16
PRIME_BYTES = DH_PRIME.to_bytes(DH_BYTES, "big")


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


_GENERATOR_BYTES = DH_GENERATOR.to_bytes(DH_BYTES, "big")
_MULTIPLIER = int.from_bytes(_hash(PRIME_BYTES, _GENERATOR_BYTES), "big")
_GROUP = bytes(p ^ g for p, g in zip(_hash(PRIME_BYTES), _hash(_GENERATOR_BYTES), strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """What the server keeps in place of a password: g^x, where x is the password's salted and stretched hash."""

    salt1: bytes
    salt2: bytes
    value: int = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """What a client has to answer, once: the server's public value B, and the secret exponent behind it."""

    id: int
    account_id: int
    verifier: Verifier
    exponent: int = field(repr=False)
    public: int

    @property
    def public_bytes(self) -> bytes:
        """B as the client gets it."""
        return self.public.to_bytes(DH_BYTES, "big")

    def is_answered_by(self, public: bytes, proof: bytes) -> bool:
        """Whether whoever sent A and M1 knows the password."""
        theirs = int.from_bytes(public, "big")
        if len(public) > DH_BYTES or not dh_value_is_safe(theirs):
            return False
        padded = theirs.to_bytes(DH_BYTES, "big")
        scrambler = int.from_bytes(_hash(padded, self.public_bytes), "big")
        shared = pow(theirs * pow(self.verifier.value, scrambler, DH_PRIME), self.exponent, DH_PRIME)
        key = _hash(shared.to_bytes(DH_BYTES, "big"))
        salts = _hash(self.verifier.salt1), _hash(self.verifier.salt2)
        return hmac.compare_digest(_hash(_GROUP, *salts, padded, self.public_bytes, key), proof)


@lru_cache(maxsize=256)
def verifier_of(account_id: int, password: str) -> Verifier:
    """An account's verifier; the first time costs some 0.1 s. Its salts follow from the account's id."""
    salts = random.Random(account_id)
    salt1, salt2 = salts.randbytes(SALT_BYTES), salts.randbytes(SALT_BYTES)
    hashed = _hash(salt2, _hash(salt1, password.encode(), salt1), salt2)
    stretched = hashlib.pbkdf2_hmac("sha512", hashed, salt1, ROUNDS)
    exponent = int.from_bytes(_hash(salt2, stretched, salt2), "big")
    return Verifier(salt1=salt1, salt2=salt2, value=pow(DH_GENERATOR, exponent, DH_PRIME))


class Challenges:
    """Those that no client has answered yet: an account has one at a time, which is gone with the first answer."""

    def __init__(self) -> None:
        self._open: dict[int, Challenge] = {}

    def make(self, account: User) -> Challenge | None:
        """A new one, in place of an older one; None for an account without a password."""
        if account.password is None:
            return None
        verifier = verifier_of(account.id, account.password)
        while True:
            exponent = secrets.randbits(DH_BYTES * 8)
            mine = pow(DH_GENERATOR, exponent, DH_PRIME)
            public = (_MULTIPLIER * verifier.value + mine) % DH_PRIME
            # Clients check both, as those of a server that means well.
            if dh_value_is_safe(mine) and dh_value_is_safe(public):
                break
        challenge = Challenge(
            id=secrets.randbits(62), account_id=account.id, verifier=verifier, exponent=exponent, public=public
        )
        self._open[account.id] = challenge
        return challenge

    def take(self, account: User, challenge_id: int) -> Challenge | None:
        """The account's open challenge of that id, which is answered by this; None when it is another one."""
        challenge = self._open.get(account.id)
        if challenge is None or challenge.id != challenge_id:
            return None
        return self._open.pop(account.id)
