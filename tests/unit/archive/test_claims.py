"""What an artifact claims to have in the store, read back from any that a teltubby wrote."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teltubby.archive.artifact import dumps
from teltubby.archive.claims import Claim, NoArtifact, ReadArtifact, read_artifact
from teltubby.messages.media import ItemStatus
from tests.unit.archive.test_album import album, begun


def claimed(items: list[dict[str, Any]], **more: Any) -> ReadArtifact:
    """An album's artifact with these items."""
    artifact: dict[str, Any] = json.loads(dumps(begun(album(5, 6))))
    artifact["telegram"]["items"] = items
    return read_artifact(f"{artifact['base_path']}message.json", json.dumps(artifact | more).encode())


def test_what_was_not_stored_claims_nothing() -> None:
    for status in ("skipped", "failed"):
        assert claimed([{"status": status, "s3_key": "teltubby/a", "message_id": "5"}]).claims == ()
        assert claimed([{"status": status, "s3_key": None, "message_id": "5"}]).claims == ()


def test_sums_that_are_none_are_not_known() -> None:
    (claim,) = claimed([{"status": "stored", "s3_key": "teltubby/a", "sha256": "x", "size_bytes": -1}]).claims
    assert claim == Claim(key="teltubby/a", status=ItemStatus.STORED)


def test_older_artifacts_name_no_messages_of_their_items() -> None:
    assert claimed([{"status": "skipped"}, {"status": "skipped"}]).members == (5,)
    assert claimed([{"status": "skipped"}, {"status": "skipped", "message_id": "6"}]).members == (5, 6)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"schema_version": "9.0"}, "schema_version"),
        ({"base_path": "teltubby/elsewhere/"}, "belongs elsewhere"),
        ({"telegram": {"items": [3]}}, "no `items`"),
        ({"telegram": None}, "no `telegram`"),
        ({"archive_timestamp_utc": "yesterday"}, "which is no time"),
    ],
)
def test_what_no_teltubby_wrote_there_is_told_as_such(more: dict[str, Any], why: str) -> None:
    with pytest.raises(NoArtifact, match=why):
        claimed([{"status": "skipped"}], **more)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"status": "lost"}, "status is 'lost'"),
        ({"status": "skipped", "message_id": "five"}, "message_id is 'five', which is no id"),
        ({"status": "stored", "s3_key": "\ud83d"}, "half of a surrogate pair"),
    ],
)
def test_items_that_make_no_sense_are_told_as_such(item: dict[str, Any], why: str) -> None:
    with pytest.raises(NoArtifact, match=why):
        claimed([item])
