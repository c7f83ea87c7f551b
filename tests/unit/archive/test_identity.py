"""file_unique_id and the ids of documents and photos, by examples and as a round trip."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.archive.identity import (
    document_id,
    letter_of_size,
    photo_id,
    unique_id_of_document,
    unique_id_of_photo,
)
from tests.unit.archive.samples import INT64

LETTERS = st.sampled_from("abcdimsuvwxy")
KNOWN = {"AgADuwgAAj0d4FE": 5899747659685562555, "AgADBAsAAgKLowAB": 46033261910035204}


@pytest.mark.parametrize(("unique_id", "document"), KNOWN.items())
def test_known_ids(unique_id: str, document: int) -> None:
    assert document_id(unique_id) == document
    assert unique_id_of_document(document) == unique_id


@given(INT64)
@example(0)
@example(-1)
@example(1 << 56)
def test_round_trip(document: int) -> None:
    assert document_id(unique_id_of_document(document)) == document


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "AQADuwgAAj0d4FE",  # type 1: a photo
        "AgADuwgAAj0d4F",  # cut off
        "AgADuwgAAj0d4FF",  # the same bytes, written otherwise
        "AgADuwgAAj0d4FE=",
        "AgADuwgAAj0d4FEA",
        "AgADuwgAAj0d4F+",
        "AgAD😀",
        "\ud83d",
        "AgAD\0",
        "AP8A" * 100,
        "AA",
    ],
)
def test_what_is_no_document_has_no_id(text: str) -> None:
    assert document_id(text) is None


@given(st.text(st.characters(), max_size=40))
def test_any_text_is_answered(text: str) -> None:
    found = document_id(text)
    assert found is None or unique_id_of_document(found) == text


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=10, max_size=20))
def test_any_base64_is_answered(text: str) -> None:
    found = document_id("AgAD" + text)
    assert found is None or unique_id_of_document(found) == "AgAD" + text


# -- photos


@given(INT64, LETTERS)
@example(0, "y")
@example(-1, "s")
@example(1 << 56, "w")
def test_round_trip_of_photos(photo: int, letter: str) -> None:
    unique_id = unique_id_of_photo(photo, letter)
    assert photo_id(unique_id) == photo
    assert document_id(unique_id) is None
    assert photo_id(unique_id_of_document(photo)) is None


@given(INT64)
def test_sizes_of_a_photo_are_called_differently(photo: int) -> None:
    assert len({unique_id_of_photo(photo, letter) for letter in "smxyw"}) == 5


def test_photos_are_called_as_in_the_wild() -> None:
    """Twelve bytes of which the last is the size: ids of today's photos end in `9` (x), `-` (y) or `8` (w)."""
    assert [unique_id_of_photo(0x7A5B4C3D2E1F0A0B, letter)[-1] for letter in "xyw"] == ["9", "-", "8"]
    assert unique_id_of_photo(0x7A5B4C3D2E1F0A0B, "y").startswith("AQAD")
    assert len(unique_id_of_photo(0x7A5B4C3D2E1F0A0B, "y")) == 16


@pytest.mark.parametrize(
    "text", ["", "A", "AgADuwgAAj0d4FE", "AQADuwgAAj0d4FE", "AQAD😀", "AQAD\0", "AQADAAAAAAAAAAAA"]
)
def test_what_is_no_photo_has_no_id(text: str) -> None:
    assert photo_id(text) is None


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=8, max_size=20))
def test_any_base64_is_a_photo_or_none(text: str) -> None:
    found = photo_id("AQAD" + text)
    assert found is None or "AQAD" + text in {unique_id_of_photo(found, chr(code)) for code in range(65, 123)}


@pytest.mark.parametrize(
    ("width", "height", "letter"),
    [
        (None, None, "y"),
        (0, 0, "y"),
        (90, 100, "s"),
        (320, 200, "m"),
        (600, 800, "x"),
        (1280, 960, "y"),
        (1281, 2, "w"),
        (None, 2560, "w"),
    ],
)
def test_sizes_are_called_by_their_longer_side(width: int | None, height: int | None, letter: str) -> None:
    assert letter_of_size(width, height) == letter
