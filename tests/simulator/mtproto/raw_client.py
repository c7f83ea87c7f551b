"""A small MTProto client that can break every rule on purpose. TL objects are Telethon's; the rest is written here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from typing import Any

import rsa
from telethon.crypto import AES, Factorization
from telethon.extensions import BinaryReader
from telethon.tl import alltlobjects, functions, types
from telethon.tl.core import GzipPacked, MessageContainer, RpcResult

ANSWER_SECONDS = 10.0
DH_PADDING = 255


class TransportError(Exception):
    """The server sent 4 bytes instead of a packet; `code` is -404 and the like."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Refusal(Exception):
    """An rpc_error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message


@dataclass(frozen=True, kw_only=True)
class Received:
    """One message of the server, out of its container if it came in one."""

    msg_id: int
    seqno: int
    value: Any
    salt: int
    contained: bool = False


def number(data: bytes) -> int:
    """Signed little-endian, as Telethon's generated code has int128."""
    return int.from_bytes(data, "little", signed=True)


def wire(value: int, length: int) -> bytes:
    """The reverse of `number`."""
    return value.to_bytes(length, "little", signed=True)


def rsa_pad(data: bytes, key: rsa.PublicKey) -> bytes:
    """RSA_PAD of core.telegram.org/mtproto/auth_key."""
    padded = data + os.urandom(192 - len(data))
    while True:
        temp_key = os.urandom(32)
        with_hash = padded[::-1] + sha256(temp_key + padded).digest()
        encrypted = AES.encrypt_ige(with_hash, temp_key, bytes(32))
        mask = sha256(encrypted).digest()
        block = int.from_bytes(bytes(a ^ b for a, b in zip(temp_key, mask, strict=True)) + encrypted, "big")
        if block < key.n:
            return pow(block, key.e, key.n).to_bytes(256, "big")


def sha1_pad(data: bytes, key: rsa.PublicKey) -> bytes:
    """The older padding: SHA-1, data, random bytes to 255."""
    block = sha1(data).digest() + data
    block += os.urandom(DH_PADDING - len(block))
    return pow(int.from_bytes(block, "big"), key.e, key.n).to_bytes(256, "big")


class RawClient:
    """One abridged connection, one key, one session; every field of a message can be given by the test."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.key = b""
        self.salt = 0
        self.session_id = number(os.urandom(8))
        self.content_sent = 0
        self.last_msg_id = 0
        self.received: list[Received] = []

    @classmethod
    async def connect(cls, port: int) -> RawClient:
        """Connect and announce the abridged transport."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\xef")
        return cls(reader, writer)

    async def on_new_connection(self, port: int, *, same_session: bool = True) -> RawClient:
        """The same key and salt, and if wanted the same session, over another connection."""
        other = await RawClient.connect(port)
        other.key, other.salt = self.key, self.salt
        if same_session:
            other.session_id, other.content_sent, other.last_msg_id = (
                self.session_id,
                self.content_sent,
                self.last_msg_id,
            )
        return other

    async def close(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    # -- packets

    def send_packet(self, data: bytes) -> None:
        """Frame and send."""
        words = len(data) // 4
        head = bytes((words,)) if words < 127 else b"\x7f" + words.to_bytes(3, "little")
        self.writer.write(head + data)

    async def read_packet(self) -> bytes:
        """The next packet; raises TransportError for the 4-byte kind."""
        async with asyncio.timeout(ANSWER_SECONDS):
            (words,) = await self.reader.readexactly(1)
            if words == 127:
                words = int.from_bytes(await self.reader.readexactly(3), "little")
            packet = await self.reader.readexactly(words * 4)
        if len(packet) == 4:
            raise TransportError(struct.unpack("<i", packet)[0])
        return packet

    async def is_hung_up(self) -> bool:
        """Whether the server closed the connection, once it has said what it had to say."""
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self.reader.read() == b""

    def next_msg_id(self) -> int:
        """Time-based, divisible by 4, growing."""
        self.last_msg_id = max(self.last_msg_id + 4, int(time.time() * 2**32) // 4 * 4)
        return self.last_msg_id

    # -- the handshake

    async def plain(self, request: Any) -> Any:
        """Send an unencrypted request and read its answer."""
        body = bytes(request)
        self.send_packet(struct.pack("<qqi", 0, self.next_msg_id(), len(body)) + body)
        packet = await self.read_packet()
        key_id, msg_id, length = struct.unpack_from("<qqi", packet)
        assert key_id == 0 and msg_id % 4 == 1 and length == len(packet) - 20
        return BinaryReader(packet[20:]).tgread_object()

    async def make_key(
        self,
        pem: str,
        *,
        padding: Any = rsa_pad,
        dc: int | None = 2,
        inner: dict[str, Any] | None = None,
        g_b: int | None = None,
        client_inner: dict[str, Any] | None = None,
    ) -> Any:
        """Run the exchange and return its last answer; `inner`, `client_inner` and `g_b` override what is honest."""
        nonce, new_nonce = number(os.urandom(16)), number(os.urandom(32))
        start = await self.plain(functions.ReqPqMultiRequest(nonce))
        assert start.nonce == nonce
        p, q = (x.to_bytes(4, "big") for x in Factorization.factorize(int.from_bytes(start.pq, "big")))
        fields = {"pq": start.pq, "p": p, "q": q, "nonce": nonce, "server_nonce": start.server_nonce}
        fields |= {"new_nonce": new_nonce, **(inner or {})}
        data = types.PQInnerData(**fields) if dc is None else types.PQInnerDataDc(**fields, dc=dc)
        key = rsa.PublicKey.load_pkcs1(pem.encode())
        (fingerprint,) = start.server_public_key_fingerprints
        nonces = {"nonce": nonce, "server_nonce": start.server_nonce}
        offer = await self.plain(
            functions.ReqDHParamsRequest(
                **nonces,
                p=p,
                q=q,
                public_key_fingerprint=fingerprint,
                encrypted_data=padding(bytes(data), key),
            )
        )
        a, b = wire(new_nonce, 32), wire(start.server_nonce, 16)
        forward, backward = sha1(a + b).digest(), sha1(b + a).digest()
        aes = (forward + backward[:12], backward[12:] + sha1(a + a).digest() + a[:4])
        plain = AES.decrypt_ige(offer.encrypted_answer, *aes)
        group = BinaryReader(plain[20:]).tgread_object()
        assert sha1(bytes(group)).digest() == plain[:20]
        prime, g_a = (int.from_bytes(x, "big") for x in (group.dh_prime, group.g_a))
        secret = int.from_bytes(os.urandom(32), "big")  # two powers with 256 bytes take 42 ms, of every test
        ours = pow(group.g, secret, prime) if g_b is None else g_b
        fields = {**nonces, "retry_id": 0, "g_b": ours.to_bytes(256, "big"), **(client_inner or {})}
        data = bytes(types.ClientDHInnerData(**fields))
        data = sha1(data).digest() + data
        data += os.urandom(-len(data) % 16)
        end = await self.plain(functions.SetClientDHParamsRequest(**nonces, encrypted_data=AES.encrypt_ige(data, *aes)))
        self.key = pow(g_a, secret, prime).to_bytes(256, "big")
        self.salt = number(bytes(x ^ y for x, y in zip(a[:8], b[:8], strict=True)))
        if isinstance(end, types.DhGenOk):
            expected = sha1(a + b"\x01" + sha1(self.key).digest()[:8]).digest()[4:]
            assert end.new_nonce_hash1 == number(expected)
        return end

    # -- encrypted messages

    @property
    def key_id(self) -> bytes:
        """The lower 64 bits of the key's SHA-1."""
        return sha1(self.key).digest()[-8:]

    def _aes(self, msg_key: bytes, x: int) -> tuple[bytes, bytes]:
        a = sha256(msg_key + self.key[x : x + 36]).digest()
        b = sha256(self.key[40 + x : 76 + x] + msg_key).digest()
        return a[:8] + b[8:24] + a[24:32], b[:8] + a[8:24] + b[24:32]

    def next_seqno(self, *, content_related: bool) -> int:
        """Twice the number of content-related messages sent, plus one for such a one."""
        seqno = 2 * self.content_sent + content_related
        self.content_sent += content_related
        return seqno

    def send(
        self,
        value: Any,
        *,
        content_related: bool = True,
        msg_id: int | None = None,
        seqno: int | None = None,
        salt: int | None = None,
        length: int | None = None,
        padding: int | None = None,
        spoil_msg_key: bool = False,
    ) -> int:
        """Send one message (an object, or a body as bytes) and return its msg_id."""
        body = bytes(value)
        msg_id = self.next_msg_id() if msg_id is None else msg_id
        seqno = self.next_seqno(content_related=content_related) if seqno is None else seqno
        salt = self.salt if salt is None else salt
        plain = struct.pack("<qqqii", salt, self.session_id, msg_id, seqno, len(body) if length is None else length)
        plain += body
        plain += os.urandom(-(len(plain) + 12) % 16 + 12 if padding is None else padding)
        msg_key = sha256(self.key[88:120] + plain).digest()[8:24]
        if spoil_msg_key:
            msg_key = bytes((msg_key[0] ^ 1,)) + msg_key[1:]
        self.send_packet(self.key_id + msg_key + AES.encrypt_ige(plain, *self._aes(msg_key, 0)))
        return msg_id

    async def receive(self) -> Received:
        """The next message; a container gives its messages one after another."""
        if not self.received:
            packet = await self.read_packet()
            assert packet[:8] == self.key_id
            msg_key = packet[8:24]
            plain = AES.decrypt_ige(packet[24:], *self._aes(msg_key, 8))
            assert sha256(self.key[96:128] + plain).digest()[8:24] == msg_key
            salt, session_id, msg_id, seqno, length = struct.unpack_from("<qqqii", plain)
            assert session_id == self.session_id and msg_id % 2 == 1
            assert 12 <= len(plain) - 32 - length <= 1024
            value = BinaryReader(plain[32 : 32 + length]).tgread_object()
            if isinstance(value, MessageContainer):
                assert all(inner.msg_id < msg_id for inner in value.messages)
                self.received = [
                    Received(msg_id=inner.msg_id, seqno=inner.seq_no, value=inner.obj, salt=salt, contained=True)
                    for inner in value.messages
                ]
            else:
                self.received = [Received(msg_id=msg_id, seqno=seqno, value=value, salt=salt)]
        return self.received.pop(0)

    async def expect(self, kind: type[Any]) -> Any:
        """The next message of that type; new_session_created and msgs_ack may come before it."""
        while True:
            value = (await self.receive()).value
            if isinstance(value, kind):
                return value
            assert isinstance(value, types.NewSessionCreated | types.MsgsAck), value

    async def result_of(self, msg_id: int, request: Any) -> Any:
        """The result of a query sent as `msg_id`; raises Refusal."""
        result = await self.expect(RpcResult)
        assert result.req_msg_id == msg_id
        if result.error is not None:
            raise Refusal(result.error.error_code, result.error.error_message)
        return request.read_result(BinaryReader(result.body))

    async def call(self, request: Any, **how: Any) -> Any:
        """Send a query and return its result; raises Refusal."""
        return await self.result_of(self.send(request, **how), request)

    async def initialise(self, query: Any | None = None, *, api_id: int = 1, layer: int = alltlobjects.LAYER) -> Any:
        """invokeWithLayer(initConnection(query))."""
        query = query or functions.help.GetConfigRequest()
        return await self.call(with_layer(query, api_id=api_id, layer=layer))

    async def sign_in_bot(self, token: str) -> Any:
        """Initialise and sign in."""
        return await self.initialise(functions.auth.ImportBotAuthorizationRequest(0, 1, "hash", token))


def with_layer(query: Any, *, api_id: int = 1, layer: int = alltlobjects.LAYER) -> Any:
    """The two wrappers that the first query of a connection wears."""
    return functions.InvokeWithLayerRequest(
        layer, functions.InitConnectionRequest(api_id, "device", "1", "1", "en", "", "en", query)
    )


def container(messages: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A msg_container around (msg_id, seqno, body)."""
    packed = b"".join(struct.pack("<qii", msg_id, seqno, len(body)) + body for msg_id, seqno, body in messages)
    return struct.pack("<Ii", MessageContainer.CONSTRUCTOR_ID, len(messages)) + packed


def gzipped(value: Any) -> bytes:
    """An object as gzip_packed."""
    return bytes(GzipPacked(bytes(value)))
