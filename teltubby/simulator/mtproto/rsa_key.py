"""The RSA key that a client must know before it trusts a data centre."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from hashlib import sha1

import rsa

from teltubby.simulator.mtproto.tl import tl_bytes

RSA_BYTES = 256

# DEVELOPMENT KEY: both factors are published here, so whoever holds this file can read and forge everything "protected"
# by it. It serves the simulator on loopback and nothing else. It is fixed because making 2048 bits in pure Python takes
# seconds, and so that client settings written once keep working.
_P = int(
    "DBE889B7CFB997A16B4928A74544BD5BBD4D0C12ABE044E574ACC8151115E7AF579AC49AFC16ED8E386D8F3C5BBA7CF9"
    "A04E95D4114100C227C3378E5A229DEEEE218E62E70F12731EC31B87099D70EAE813BCCDBD77F000DA7E0D8D3AEDCB57"
    "D767B4BFB5A8E99C130608B92B9662C06C3410B49B01BBB23A6C7F5C472C8D31200F6B45100125EF",
    16,
)
_Q = int(
    "0000000000000000D3207DEA0E6865E63B15476C9E579697B24BB254E4F7A8FD80EB99750F097CCB08F6B5FCF7E26368"
    "67C80ACE3666FD68D80A6E65674BD1EB0E0F2E279DBF256F60576AD7BD3C2A51E478CC61FF597B4D0F2A4885BFB3C5DA"
    "0BAD7D7616FAF41C82FD3D4584BFAE027DF2C0187AFCFD3E16EED572F0A8444B",
    16,
)
_E = 65537


@dataclass(frozen=True, slots=True, kw_only=True)
class RsaKey:
    """A 2048-bit key pair as p, q and the public exponent."""

    p: int
    q: int
    e: int
    n: int = field(init=False)
    _dp: int = field(init=False, repr=False)
    _dq: int = field(init=False, repr=False)
    _q_inverse: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "n", self.p * self.q)
        object.__setattr__(self, "_dp", pow(self.e, -1, self.p - 1))
        object.__setattr__(self, "_dq", pow(self.e, -1, self.q - 1))
        object.__setattr__(self, "_q_inverse", pow(self.q, -1, self.p))

    @property
    def fingerprint(self) -> int:
        """Lower 64 bits of the SHA-1 of the bare `rsa_public_key`, signed (core.telegram.org/mtproto/auth_key)."""
        bare = b"".join(tl_bytes(x.to_bytes((x.bit_length() + 7) // 8, "big")) for x in (self.n, self.e))
        (fingerprint,) = struct.unpack("<q", sha1(bare).digest()[-8:])
        return int(fingerprint)

    @property
    def public_key_pem(self) -> str:
        """The public half as PKCS#1 PEM, the form that clients and `MTPROTO_PUBLIC_KEY` take."""
        return rsa.PublicKey(self.n, self.e).save_pkcs1().decode("ascii")

    def decrypt(self, data: bytes) -> bytes:
        """Raw RSA (no padding removed) of 256 bytes, by the Chinese remainder theorem; ValueError if not below n."""
        cipher = int.from_bytes(data, "big")
        if cipher >= self.n:
            raise ValueError("not below the modulus")
        by_p, by_q = pow(cipher, self._dp, self.p), pow(cipher, self._dq, self.q)
        return (by_q + (by_p - by_q) * self._q_inverse % self.p * self.q).to_bytes(RSA_BYTES, "big")


def make_rsa_key() -> RsaKey:
    """The simulator's development key: always the same, PUBLIC in both halves, for use on loopback only."""
    return RsaKey(p=_P, q=_Q, e=_E)
