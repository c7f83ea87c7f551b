"""Edits in an artifact: in any order, any number of times, newest last."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.edits import edited, knows_file, replaces_file
from teltubby.messages.chat import EditedMessage
from tests.unit.archive.samples import MOMENT, media, message
from tests.unit.archive.test_album import album, begun


def edit(second: int, caption: str | None = "new", message_id: int = 5, file: str = "AgAD") -> EditedMessage:
    return EditedMessage(
        message=message(message_id, caption=caption, media=media(file_unique_id=file)),
        edited_at=MOMENT + timedelta(seconds=second),
    )


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(["a", "b"])), max_size=8), st.randoms())
def test_the_order_in_which_edits_come_does_not_matter(made: list[tuple[int, str]], random: Any) -> None:
    shuffled = [*made, *made]
    random.shuffle(shuffled)
    artifact: Any = begun(album(5))
    for second, caption in shuffled:
        artifact = edited(artifact, edit(second, caption))
    entries = artifact["telegram"].get("edits", [])
    assert len(entries) == len(set(made)), "each once"
    assert [entry["edited_at"] for entry in entries] == sorted(entry["edited_at"] for entry in entries)
    assert {(entry["edited_at"][-3:-1], entry["caption_plain"]) for entry in entries} == {
        (f"{12 + second:02d}", caption) for second, caption in made
    }


def test_nothing_but_the_edits_changes() -> None:
    before: Any = begun(album(5, 6))
    after: Any = edited(before, edit(1))
    assert list(after["telegram"]) == [*before["telegram"], "edits"]
    del after["telegram"]["edits"]
    assert after == before


def test_another_file_is_noted_and_known_from_then_on() -> None:
    artifact: Any = begun(album(5, 6))
    other = edit(1, file="another")
    assert replaces_file(artifact, other) and not replaces_file(artifact, edit(1))
    assert not knows_file(artifact, other)
    artifact = edited(artifact, other)
    (entry,) = artifact["telegram"]["edits"]
    assert entry["file_unique_id"] == "another" and "not archived" in entry["note"]
    assert knows_file(artifact, edit(2, file="another"))
    assert not knows_file(artifact, edit(2, file="a third"))
    assert not knows_file(artifact, edit(2, file="another", message_id=6))


def test_a_file_that_was_taken_out_is_not_another_one() -> None:
    words = edit(1)
    without = replace(words, message=replace(words.message, media=None))
    assert not replaces_file(begun(album(5)), without)


def test_items_that_name_no_message_may_be_any_message_s() -> None:
    artifact: Any = begun(album(5))
    del artifact["telegram"]["items"][0]["message_id"]
    assert not replaces_file(artifact, edit(1))
    assert replaces_file(artifact, edit(1, file="another"))


def test_what_is_no_artifact_is_refused() -> None:
    with pytest.raises(ValueError, match="artifact"):
        edited({}, edit(1))
