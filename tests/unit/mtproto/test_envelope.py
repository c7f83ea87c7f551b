"""MTProto packets: what one implementation seals another opens, and nothing that was touched is believed."""

from __future__ import annotations

import io
import logging
import time
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from telethon.crypto import AuthKey
from telethon.network.mtprotostate import MTProtoState
from telethon.tl.types import Pong

from teltubby.adapters.mtproto_envelope import (
    REMEMBERED_MESSAGES,
    TOO_NEW_SECONDS,
    TOO_OLD_SECONDS,
    Envelope,
    EnvelopeViolation,
)
from teltubby.simulator.mtproto import envelope as simulated
from tests.unit.mtproto.packets import ANSWER_ID, KEY, NOW, key_id, seal, unseal

BODIES = st.integers(1, 300).map(lambda words: bytes(range(256))[: 4 * words % 252 + 4])
KEYS = st.binary(min_size=256, max_size=256)


def envelope(key: bytes = KEY, now: float = NOW) -> Envelope:
    return Envelope(key, clock=lambda: now)


def session_of(ours: Envelope, key: bytes = KEY) -> int:
    """Its session's number, which only its packets tell."""
    return unseal(ours.seal(b"1234", content_related=False)[1], key).session_id


@pytest.fixture
def ours() -> Envelope:
    return envelope()


@pytest.fixture
def session_id(ours: Envelope) -> int:
    return session_of(ours)


# -- sealing


@given(key=KEYS, body=BODIES, salt=st.integers(-(1 << 63), (1 << 63) - 1), related=st.booleans())
def test_what_we_seal_others_open(key: bytes, body: bytes, salt: int, related: bool) -> None:
    ours = envelope(key)
    ours.salt = salt
    msg_id, packet = ours.seal(body, content_related=related)
    sent = unseal(packet, key)
    assert (sent.salt, sent.msg_id, sent.seqno, sent.body) == (salt, msg_id, int(related), body)
    assert 12 <= sent.padding <= 1024
    read = simulated.unseal(key, packet)
    assert (read.salt, read.session_id, read.msg_id, read.body) == (salt, sent.session_id, msg_id, body)


def test_every_session_has_a_number_of_its_own() -> None:
    assert len({session_of(envelope()) for _ in range(50)}) == 50


@given(clock=st.lists(st.floats(1e9, 2e9), min_size=1, max_size=30))
def test_message_ids_grow_whatever_the_clock_does(clock: list[float]) -> None:
    times = iter(clock)
    ours = Envelope(KEY, clock=lambda: next(times))
    ids = [ours.seal(b"1234", content_related=True)[0] for _ in clock]
    assert ids == sorted(set(ids))
    assert all(msg_id % 4 == 0 for msg_id in ids)
    assert ids[0] >> 32 == int(clock[0])


def test_message_ids_carry_the_servers_time() -> None:
    ours = Envelope(KEY, time_offset=-100, clock=lambda: NOW)
    assert ours.seal(b"1234", content_related=True)[0] >> 32 == int(NOW) - 100


@given(kinds=st.lists(st.booleans(), max_size=30))
def test_sequence_numbers_count_what_is_content(kinds: list[bool]) -> None:
    ours, count = envelope(), 0
    for related in kinds:
        assert unseal(ours.seal(b"1234", content_related=related)[1]).seqno == 2 * count + related
        count += related


def test_sequence_numbers_move_as_the_server_says(ours: Envelope) -> None:
    ours.learn_sequence(too_low=True)
    assert unseal(ours.seal(b"1234", content_related=True)[1]).seqno == 129
    ours.learn_sequence(too_low=False)
    assert unseal(ours.seal(b"1234", content_related=True)[1]).seqno == 99


# -- opening


@given(key=KEYS, body=BODIES, seqno=st.integers(0, 1000), salt=st.integers(-(1 << 63), (1 << 63) - 1))
def test_what_others_seal_we_open(key: bytes, body: bytes, seqno: int, salt: int) -> None:
    ours = envelope(key)
    opened = ours.open(seal(body, session_id=session_of(ours, key), seqno=seqno, salt=salt, key=key))
    assert opened is not None
    assert (opened.msg_id, opened.seqno, bytes(opened.body)) == (ANSWER_ID, seqno, body)
    head, encrypted = simulated.seal(
        key,
        int.from_bytes(key_id(key), "little"),
        salt=salt,
        session_id=session_of(ours, key),
        msg_id=ANSWER_ID + 4,
        seqno=seqno,
        body=[body],
    )
    again = ours.open(bytearray(head + encrypted))
    assert again is not None and bytes(again.body) == body


def test_telethon_and_we_agree_on_the_same_packets(ours: Envelope, session_id: int) -> None:
    """The packets of tests/unit/mtproto/packets.py are those that Telethon takes for a server's."""
    theirs = MTProtoState(AuthKey(KEY), defaultdict(lambda: logging.getLogger("telethon")))
    theirs.id, theirs.time_offset = session_id, int(NOW - time.time())
    packet = seal(bytes(Pong(1, 2)), session_id=session_id)
    message = theirs.decrypt_message_data(bytes(packet))
    assert (message.obj.msg_id, message.obj.ping_id, message.msg_id) == (1, 2, ANSWER_ID)
    opened = ours.open(packet)
    assert opened is not None and bytes(opened.body) == bytes(Pong(1, 2))
    buffer = io.BytesIO()
    msg_id = theirs.write_data_as_message(buffer, b"12345678", True)
    sent = unseal(theirs.encrypt_message_data(buffer.getvalue()))
    assert (sent.msg_id, sent.session_id, sent.seqno, sent.body) == (msg_id, session_id, 1, b"12345678")


@pytest.mark.parametrize("words", [1, 4, 7])
def test_no_bit_may_be_flipped(ours: Envelope, session_id: int, words: int) -> None:
    packet = seal(b"1234" * words, session_id=session_id)
    for at in range(len(packet)):
        for bit in range(8):
            touched = bytearray(packet)
            touched[at] ^= 1 << bit
            with pytest.raises(EnvelopeViolation):
                ours.open(touched)
    assert ours.open(packet) is not None


def test_nothing_may_be_missing_or_added(ours: Envelope, session_id: int) -> None:
    packet = seal(b"1234" * 20, session_id=session_id)
    for length in range(len(packet)):
        with pytest.raises(EnvelopeViolation):
            ours.open(packet[:length])
    for more in (1, 4, 15, 16, 1024):
        with pytest.raises(EnvelopeViolation):
            ours.open(packet + bytes(more))


@settings(max_examples=300)
@given(noise=st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(EnvelopeViolation):
        envelope().open(bytearray(noise))
    with pytest.raises(EnvelopeViolation):
        envelope().open(bytearray(key_id() + noise))


def test_another_session_is_refused(ours: Envelope, session_id: int) -> None:
    with pytest.raises(EnvelopeViolation, match="session"):
        ours.open(seal(b"1234", session_id=session_id ^ 1))


def test_another_key_is_refused(ours: Envelope, session_id: int) -> None:
    with pytest.raises(EnvelopeViolation, match="key"):
        ours.open(seal(b"1234", session_id=session_id, key=bytes(256)))


def test_our_own_packets_are_refused(ours: Envelope, session_id: int) -> None:
    """What we said, played back to us, is not what a server says."""
    _, packet = ours.seal(b"1234", content_related=True)
    with pytest.raises(EnvelopeViolation):
        ours.open(bytearray(packet))
    with pytest.raises(EnvelopeViolation):
        ours.open(seal(b"1234", session_id=session_id, client=True))


@pytest.mark.parametrize("padding", [4, 11, 1025 + 11, 2048 + 12])
def test_wrong_padding_is_refused(ours: Envelope, session_id: int, padding: int) -> None:
    body = b"1234" * (-(padding + 32) % 16 // 4 or 4)
    padding += -(32 + len(body) + padding) % 16
    if 12 <= padding <= 1024:
        padding += 1024
    with pytest.raises(EnvelopeViolation, match="padding"):
        ours.open(seal(body, session_id=session_id, padding=padding))


@pytest.mark.parametrize("length", [-1, -(1 << 31), 0, 1, 2, 3, 5, 7, 24, 100, (1 << 31) - 1])
def test_a_wrong_length_is_refused(ours: Envelope, session_id: int, length: int) -> None:
    with pytest.raises(EnvelopeViolation):
        ours.open(seal(b"12345678", session_id=session_id, length=length, padding=12 + 12))


@pytest.mark.parametrize("padding", [12, 28, 1020])
def test_any_padding_that_is_allowed_is_taken(ours: Envelope, session_id: int, padding: int) -> None:
    body = b"1234" * (1 + (-(32 + 4 + padding) % 16) // 4)
    assert ours.open(seal(body, session_id=session_id, padding=padding)) is not None


@pytest.mark.parametrize("msg_id", [0, 2, ANSWER_ID - 1, ANSWER_ID + 1])
def test_a_clients_message_id_is_refused(ours: Envelope, session_id: int, msg_id: int) -> None:
    with pytest.raises(EnvelopeViolation, match="message id"):
        ours.open(seal(b"1234", session_id=session_id, msg_id=msg_id))


# -- once


def test_a_message_counts_once(ours: Envelope, session_id: int) -> None:
    packet = seal(b"1234", session_id=session_id)
    assert ours.open(bytearray(packet)) is not None
    assert ours.open(bytearray(packet)) is None
    assert ours.open(seal(b"5678", session_id=session_id)) is None, "the number decides"


def test_messages_may_come_in_any_order(ours: Envelope, session_id: int) -> None:
    for number in (4, 0, 8, 2, 6):
        assert ours.open(seal(b"1234", session_id=session_id, msg_id=ANSWER_ID + 2 * number)) is not None


def test_a_message_that_is_older_than_all_that_are_remembered_does_not_count(ours: Envelope, session_id: int) -> None:
    """Security guidelines, "Checking msg_id": nobody could tell whether it came before."""
    first = seal(b"1234", session_id=session_id)
    assert ours.open(bytearray(first)) is not None
    for number in range(1, REMEMBERED_MESSAGES + 1):
        assert ours.open(seal(b"1234", session_id=session_id, msg_id=ANSWER_ID + 4 * number)) is not None
    assert ours.open(bytearray(first)) is None
    assert ours.open(seal(b"1234", session_id=session_id, msg_id=ANSWER_ID + 6)) is not None


def test_a_message_that_was_refused_may_still_come(ours: Envelope, session_id: int) -> None:
    packet = seal(b"1234", session_id=session_id)
    touched = bytearray(packet)
    touched[-1] ^= 1
    with pytest.raises(EnvelopeViolation):
        ours.open(touched)
    assert ours.open(packet) is not None


# -- in time


@pytest.mark.parametrize("offset", [0, 5000, -5000])
def test_a_message_must_be_of_our_time(offset: int) -> None:
    ours = Envelope(KEY, time_offset=offset, clock=lambda: NOW)
    there = int(NOW) + offset
    for seconds, timely in (
        (0, True),
        (TOO_NEW_SECONDS, True),
        (TOO_NEW_SECONDS + 1, False),
        (-TOO_OLD_SECONDS, True),
        (-TOO_OLD_SECONDS - 1, False),
    ):
        assert ours.is_timely((there + seconds) << 32 | 1) is timely


@pytest.mark.parametrize("ahead", [-100_000, -31, 31, 100_000])
def test_the_servers_clock_is_learnt_from_its_messages(ours: Envelope, ahead: int) -> None:
    before, _ = ours.seal(b"1234", content_related=True)
    ours.learn_time((int(NOW) + ahead) << 32 | 1)
    assert ours.time_offset == ahead
    after, _ = ours.seal(b"1234", content_related=True)
    assert after >> 32 == int(NOW) + ahead
    assert (after > before) is (ahead > 0)
