"""AES-256-IGE, key derivation and the Diffie-Hellman group of MTProto 2.0 (core.telegram.org/mtproto/description)."""

from __future__ import annotations

import random
from hashlib import sha1, sha256

import cryptg

DH_GENERATOR = 3
# The group every production data centre uses; official clients accept no other without a primality proof.
DH_PRIME = int(
    "C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F48198A0AA7C14058229493D22530F4DB"
    "FA336F6E0AC925139543AED44CCE7C3720FD51F69458705AC68CD4FE6B6B13ABDC9746512969328454F18FAF8C595F64"
    "2477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F3A9060BEE67CF9A4A4A695811051907E162753B56B0F6B41"
    "0DBA74D8A84B2A14B3144E0EF1284754FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4"
    "E418FC15E83EBEA0F87FA9FF5EED70050DED2849F47BF959D956850CE929851F0D8115F635B105EE2E4E15D04B2454BF"
    "6F4FADF034B10403119CD8E3B92FCC5B",
    16,
)
DH_BYTES = 256
_DH_MARGIN = 1 << (2048 - 64)


def decrypt_ige(data: bytes, key: bytes, iv: bytes) -> bytes:
    """AES-256-IGE; `data` is a multiple of 16 bytes, `key` has 32 and `iv` 32."""
    return cryptg.decrypt_ige(data, key, iv)


def encrypt_ige(data: bytes, key: bytes, iv: bytes) -> bytes:
    """AES-256-IGE; `data` is a multiple of 16 bytes, `key` has 32 and `iv` 32."""
    return cryptg.encrypt_ige(data, key, iv)


class CtrCipher:
    """AES-256-CTR over a stream; encrypting and decrypting are the same."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._key = key
        self._counter = int.from_bytes(iv, "big")
        self._left = b""

    def apply(self, data: bytes) -> bytes:
        """The next `len(data)` bytes of the stream, en- or decrypted."""
        missing = max(0, len(data) - len(self._left))
        keystream = self._left + b"".join(self._block() for _ in range(-(-missing // 16)))
        self._left = keystream[len(data) :]
        mixed = int.from_bytes(data, "big") ^ int.from_bytes(keystream[: len(data)], "big")
        return mixed.to_bytes(len(data), "big")

    def _block(self) -> bytes:
        counter = self._counter.to_bytes(16, "big")
        self._counter = (self._counter + 1) % (1 << 128)
        # One block of IGE under a zero IV is plain AES, the one primitive that cryptg does not export.
        return encrypt_ige(counter, self._key, bytes(32))


def message_keys(auth_key: bytes, msg_key: bytes, *, from_client: bool) -> tuple[bytes, bytes]:
    """AES key and IV of one encrypted message (x = 0 from the client, 8 from the server)."""
    x = 0 if from_client else 8
    a = sha256(msg_key + auth_key[x : x + 36]).digest()
    b = sha256(auth_key[x + 40 : x + 76] + msg_key).digest()
    return a[:8] + b[8:24] + a[24:], b[:8] + a[8:24] + b[24:]


def handshake_keys(server_nonce: bytes, new_nonce: bytes) -> tuple[bytes, bytes]:
    """AES key and IV that protect the Diffie-Hellman exchange (core.telegram.org/mtproto/auth_key, step 6)."""
    forward = sha1(new_nonce + server_nonce).digest()
    backward = sha1(server_nonce + new_nonce).digest()
    return forward + backward[:12], backward[12:] + sha1(new_nonce + new_nonce).digest() + new_nonce[:4]


def dh_value_is_safe(value: int) -> bool:
    """Whether g_a or g_b keeps 2^1984 away from both ends of the group (core.telegram.org/mtproto/auth_key)."""
    return _DH_MARGIN <= value <= DH_PRIME - _DH_MARGIN


def random_prime(bits: int) -> int:
    """A random prime of exactly `bits` bits, at most 32."""
    while True:
        candidate = random.getrandbits(bits) | 1 << (bits - 1) | 1
        if _is_prime(candidate):
            return candidate


def _is_prime(number: int) -> bool:
    if any(number % small == 0 for small in (3, 5, 7, 11, 13)):
        return number in (3, 5, 7, 11, 13)
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    # Bases 2, 3, 5 and 7 decide Miller-Rabin for everything below 3 215 031 751, 11 for all of 32 bits.
    for base in (2, 3, 5, 7, 11):
        x = pow(base, odd, number)
        if x in (1, number - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True
