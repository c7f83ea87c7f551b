"""Secrets that cross the broker: only the owner of the key reads them, and errors do not tell them."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from teltubby.adapters.sealed_boxes import SealedBoxes, seal
from teltubby.errors import MalformedMessage

BOXES = SealedBoxes()
texts = st.text(max_size=200)


@given(texts)
def test_the_owner_reads_what_was_sealed(text: str) -> None:
    assert BOXES.open(seal(BOXES.public_key, text)) == text


@given(texts)
def test_nobody_else_does(text: str) -> None:
    with pytest.raises(MalformedMessage):
        SealedBoxes().open(seal(BOXES.public_key, text))


def test_the_same_text_is_never_sealed_alike() -> None:
    assert seal(BOXES.public_key, "12345") != seal(BOXES.public_key, "12345")


def test_what_is_sealed_shows_nothing_of_it() -> None:
    assert b"canary" not in urlsafe_b64decode(seal(BOXES.public_key, "canary"))


@given(st.data())
def test_what_was_changed_or_cut_on_the_way_is_refused(data: st.DataObject) -> None:
    sealed = bytearray(urlsafe_b64decode(seal(BOXES.public_key, "canary")))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    cut = sealed[: data.draw(st.integers(0, len(sealed)))]
    with pytest.raises(MalformedMessage) as caught:
        BOXES.open(urlsafe_b64encode(cut).decode())
    assert "canary" not in str(caught.value)


@given(st.text() | st.binary().map(lambda content: urlsafe_b64encode(content).decode()))
def test_anything_else_is_refused(sealed: str) -> None:
    with pytest.raises(MalformedMessage):
        BOXES.open(sealed)


def test_what_is_no_text_is_refused() -> None:
    box = SealedBox(PublicKey(urlsafe_b64decode(BOXES.public_key)))
    with pytest.raises(MalformedMessage):
        BOXES.open(urlsafe_b64encode(box.encrypt(b"\xff\xfe")).decode())


@given(
    st.text() | st.binary(max_size=64).filter(lambda key: len(key) != 32).map(lambda k: urlsafe_b64encode(k).decode())
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(MalformedMessage) as caught:
        seal(key, "canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("number", [0, 1])
def test_a_key_that_anybody_could_open_is_refused(number: int) -> None:
    """Points of small order (RFC 7748, 6.1): what is sealed to them is sealed to a key that everybody knows."""
    key = urlsafe_b64encode(number.to_bytes(32, "little")).decode()
    with pytest.raises(MalformedMessage):
        seal(key, "canary")


def test_what_json_can_bring_and_utf8_cannot_say_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        seal(BOXES.public_key, json.loads('"canary \\ud800"'))


def test_the_key_pair_shows_nothing_but_its_public_half() -> None:
    assert len(BOXES.public_key) == 44 and BOXES.public_key not in repr(BOXES)
