"""Albums that grow: nothing that is there changes, and what follows from the items is recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.album import album_order, joined, late_messages, next_ordinal
from teltubby.archive.artifact import build, dumps, same_submission, totals
from teltubby.archive.keys import plan_layout
from teltubby.archive.recall import recall
from teltubby.messages.media import IncomingMessage, ItemOutcome, ItemStatus, Route
from tests.unit.archive.samples import message

NOW = datetime(2025, 1, 27, 10, 12, tzinfo=UTC)
NUMBERS = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=4), min_size=1, max_size=5)


def outcomes_of(messages: Sequence[IncomingMessage], first_ordinal: int, base_path: str | None) -> list[ItemOutcome]:
    layout = plan_layout(messages, base_path=base_path, first_ordinal=first_ordinal)
    return [
        ItemOutcome(
            ordinal=ordinal,
            message=one,
            status=ItemStatus.STORED,
            s3_key=key,
            sha256="ab" * 32,
            size_bytes=one.message_id,
            route=Route.BOT_API,
        )
        for ordinal, (one, key) in enumerate(zip(messages, layout.keys, strict=True), start=first_ordinal)
    ]


def begun(messages: list[IncomingMessage]) -> Any:
    return build(
        messages,
        outcomes_of(messages, 1, None),
        bucket="b",
        base_path=plan_layout(messages).base_path,
        archived_at=NOW,
        bot_api_max_file_size_bytes=1,
    )


def grown(artifact: Any, messages: list[IncomingMessage]) -> Any:
    return joined(artifact, messages, outcomes_of(messages, next_ordinal(artifact), artifact["base_path"]))


def album(*numbers: int, **fields: Any) -> list[IncomingMessage]:
    return [message(number, media_group_id="g", **fields) for number in sorted(set(numbers))]


@given(NUMBERS)
def test_an_album_in_any_pieces_has_every_item_once(pieces: list[list[int]]) -> None:
    seen: set[int] = set()
    artifact: Any = None
    for piece in pieces:
        new = [number for number in piece if number not in seen]
        seen.update(new)
        if not new:
            continue
        before = artifact
        artifact = begun(album(*new)) if artifact is None else grown(artifact, album(*new))
        if before is not None:
            assert artifact["telegram"]["items"][: len(before["telegram"]["items"])] == before["telegram"]["items"]
            assert same_submission(dumps(before), dumps(artifact)) and same_submission(dumps(artifact), dumps(before))
            assert late_messages(artifact) == late_messages(before) | set(new)
    items = artifact["telegram"]["items"]
    assert [item["ordinal"] for item in items] == list(range(1, len(seen) + 1))
    assert {int(item["message_id"]) for item in items} == seen
    assert len({item["s3_key"] for item in items}) == len(seen)
    assert all(item["s3_key"].startswith(artifact["base_path"]) for item in items)
    assert artifact | totals(items) == artifact
    assert [int(items[ordinal - 1]["message_id"]) for ordinal in album_order(artifact)] == sorted(seen)
    assert [one.ordinal for one in recall(dumps(artifact).decode(), album(*seen))] == list(album_order(artifact))


def test_to_join_twice_is_to_join_once() -> None:
    first = begun(album(5, 6))
    late = album(7)
    outcomes = outcomes_of(late, 3, first["base_path"])
    once = joined(first, late, outcomes)
    assert joined(once, late, outcomes) == once
    assert len(first["telegram"]["items"]) == 2, "the artifact that was given is left alone"


def test_captions_and_what_else_comes_late_is_added() -> None:
    artifact = begun(album(5))
    one = grown(artifact, album(6, caption="one", extras={"location": {"latitude": 1.5}}))
    assert (one["telegram"]["caption_plain"], one["telegram"]["caption_message_id"]) == ("one", "6")
    assert one["telegram"]["location"] == {"latitude": 1.5}
    two = grown(one, album(7, caption="two", extras={"location": {"latitude": 9.5}}))
    assert two["telegram"]["caption_plain"] == "one"
    assert two["telegram"]["location"] == {"latitude": 1.5}, "what is there is not changed"
    three = grown(two, album(8, caption="three"))
    assert [(one["message_id"], one["caption_plain"]) for one in three["telegram"]["captions"]] == [
        ("6", "one"),
        ("7", "two"),
        ("8", "three"),
    ]


def test_the_first_message_s_own_caption_keeps_its_owner() -> None:
    artifact = grown(begun(album(5, caption="mine")), album(6, caption="late"))
    assert [one["message_id"] for one in artifact["telegram"]["captions"]] == ["5", "6"]


@pytest.mark.parametrize("artifact", [{}, {"telegram": None}, {"telegram": {"items": "x"}}])
def test_what_is_no_artifact_is_refused(artifact: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="artifact"):
        joined(artifact, [], [])
    with pytest.raises(ValueError, match="artifact"):
        next_ordinal(artifact)


def test_another_album_is_another_submission() -> None:
    here, there = begun(album(5, 6)), begun(album(5, 7))
    there["telegram"]["items"][0]["file_unique_id"] = "another"
    assert not same_submission(dumps(here), dumps(there))
    assert not same_submission(dumps(here), b"{}")
