"""file_unique_id and document id, by the examples of telegram.md and as a round trip."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.archive.identity import document_id, unique_id_of_document
from tests.unit.archive.samples import INT64

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
