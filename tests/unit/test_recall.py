"""What an artifact says became of the files is what was decided."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.archive.artifact import build, dumps
from teltubby.archive.recall import recall
from teltubby.messages.media import (
    DedupReason,
    IncomingMessage,
    ItemOutcome,
    ItemStatus,
    Media,
    MediaKind,
    Route,
    SkipReason,
)

DAY = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def message(message_id: int, *, caption: str | None = None) -> IncomingMessage:
    media = Media(kind=MediaKind.PHOTO, file_id=f"f{message_id}", file_unique_id=f"u{message_id}", size_bytes=100)
    return IncomingMessage(
        message_id=message_id, chat_id=7, chat_type="private", date=DAY, media=media, caption=caption
    )


def artifact_of(outcomes: list[ItemOutcome]) -> str:
    made = build(
        [outcome.message for outcome in outcomes],
        outcomes,
        bucket="b",
        base_path="teltubby/x/",
        archived_at=DAY,
        bot_api_max_file_size_bytes=1,
    )
    return dumps(made).decode()


DETAILS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries(
        {
            "status": st.just(ItemStatus.STORED),
            "s3_key": st.just("teltubby/x/a.jpg"),
            "sha256": st.just("ab" * 32),
            "size_bytes": st.integers(0, 2**33),
            "route": st.sampled_from(Route),
        }
    ),
    st.fixed_dictionaries(
        {
            "status": st.just(ItemStatus.DUPLICATE),
            "s3_key": st.just("teltubby/first.jpg"),
            "duplicate_of": st.just("teltubby/first.jpg"),
            "dedup_reason": st.sampled_from(DedupReason),
            "sha256": st.just("ab" * 32),
            "size_bytes": st.integers(0, 2**33),
            "route": st.just(Route.BOT_API),
        }
    ),
    st.fixed_dictionaries(
        {
            "status": st.just(ItemStatus.QUEUED),
            "s3_key": st.just("teltubby/x/film.mp4"),
            "job_id": st.uuids().map(str),
            "size_bytes": st.integers(0, 2**33),
        }
    ),
    st.fixed_dictionaries(
        {
            "status": st.sampled_from([ItemStatus.SKIPPED, ItemStatus.FAILED]),
            "reason": st.sampled_from([*SkipReason, "Превышен \ud800 <b>"]),
            "size_bytes": st.integers(0, 2**33),
        }
    ),
)


@given(details=st.lists(DETAILS, min_size=1, max_size=10), caption=st.text(max_size=20))
def test_outcomes_survive_the_way_through_the_artifact(details: list[dict[str, Any]], caption: str) -> None:
    outcomes = [
        ItemOutcome(ordinal=ordinal, message=message(10 + ordinal, caption=caption), **detail)
        for ordinal, detail in enumerate(details, start=1)
    ]
    messages = [outcome.message for outcome in outcomes]
    assert recall(artifact_of(outcomes), messages) == tuple(outcomes)
    assert recall(artifact_of(outcomes), messages[::-1]) == tuple(outcomes), "in the order of message ids"


def test_messages_without_a_file_have_no_item() -> None:
    outcome = ItemOutcome(ordinal=1, message=message(11), status=ItemStatus.SKIPPED, reason=SkipReason.NO_MEDIA)
    text = IncomingMessage(message_id=10, chat_id=7, chat_type="private", date=DAY, text="look")
    (found,) = recall(artifact_of([outcome]), [text, outcome.message])
    assert (found.message, found.status, found.reason) == (outcome.message, ItemStatus.SKIPPED, SkipReason.NO_MEDIA)


def skipped(*message_ids: int) -> list[ItemOutcome]:
    return [
        ItemOutcome(ordinal=n, message=message(number), status=ItemStatus.SKIPPED, reason="x", size_bytes=1)
        for n, number in enumerate(message_ids, start=1)
    ]


def test_some_of_an_albums_messages_have_their_own_outcomes() -> None:
    outcomes = skipped(11, 12, 13)
    assert recall(artifact_of(outcomes), [message(13), message(12)]) == tuple(outcomes[1:])


def test_a_message_that_has_no_file_there_is_refused() -> None:
    with pytest.raises(KeyError):
        recall(artifact_of(skipped(11, 12)), [message(11), message(12), message(13)])


def without_messages(text: str, *, but: int = 0) -> str:
    """As artifacts were before they named the message of each item; the last `but` items joined since."""
    artifact = json.loads(text)
    for item in artifact["telegram"]["items"][: len(artifact["telegram"]["items"]) - but]:
        del item["message_id"]
    return json.dumps(artifact)


def test_items_that_name_no_message_are_those_of_all_messages_in_order() -> None:
    outcomes = skipped(11, 12)
    text = without_messages(artifact_of(outcomes))
    assert recall(text, [message(12), message(11)]) == tuple(outcomes)
    for messages in ([message(11)], [message(11), message(12), message(13)]):
        with pytest.raises(ValueError):
            recall(text, messages)


def test_what_joined_an_older_album_is_found_alone_and_with_the_others() -> None:
    outcomes = skipped(11, 12, 13)
    text = without_messages(artifact_of(outcomes), but=1)
    assert recall(text, [message(13)]) == tuple(outcomes[2:])
    assert recall(text, [message(11), message(12), message(13)]) == tuple(outcomes)
    assert recall(text, [message(11), message(12)]) == tuple(outcomes[:2])


@pytest.mark.parametrize("text", ["", "{}", json.dumps({"telegram": {"items": [{"ordinal": 1}]}})])
def test_what_is_no_artifact_is_refused(text: str) -> None:
    with pytest.raises((KeyError, ValueError)):
        recall(text, [message(11)])
