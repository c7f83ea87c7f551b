"""What an artifact says of a queued file: which settlement is true of which state, cancelled and queued again."""

from __future__ import annotations

from typing import Any

import pytest

from teltubby.archive.settlement import (
    DuplicateItem,
    FailedItem,
    QueuedItem,
    Settlement,
    SkippedItem,
    StoredItem,
    is_true,
    settle,
    status_of,
)
from teltubby.messages.jobs import JobState
from teltubby.messages.media import ItemStatus, Route

STORED = StoredItem(s3_key="teltubby/k", size_bytes=5, sha256="0" * 64, route=Route.MTPROTO_BOT)
DUPLICATE = DuplicateItem(duplicate_of="teltubby/first", size_bytes=5, sha256="0" * 64, route=Route.MTPROTO_BOT)
QUEUED = QueuedItem(s3_key="teltubby/k")
OPEN = {JobState.PENDING, JobState.PROCESSING, JobState.RETRYING}


def artifact(*job_ids: str) -> dict[str, Any]:
    """Of an album whose files are all queued."""
    items = [
        {"ordinal": number, "job_id": job_id, "status": "queued", "s3_key": f"teltubby/{job_id}", "size_bytes": 9}
        for number, job_id in enumerate(job_ids, 1)
    ]
    return {"telegram": {"items": items}, "keys": [], "files_count": 0, "total_bytes_uploaded": 0}


@pytest.mark.parametrize(
    ("settlement", "states"),
    [
        (STORED, {JobState.COMPLETED}),
        (DUPLICATE, {JobState.COMPLETED}),
        (FailedItem(reason="gone"), {JobState.FAILED}),
        (SkippedItem(), {JobState.CANCELLED}),
        (QUEUED, OPEN),
    ],
)
def test_each_settlement_is_true_of_its_states_alone(settlement: Settlement, states: set[JobState]) -> None:
    assert {state for state in JobState if is_true(settlement, state)} == states


def test_a_cancelled_file_is_skipped_and_a_retry_queues_it_again() -> None:
    before = artifact("one", "two")
    skipped: Any = settle(before, "two", SkippedItem())
    item = skipped["telegram"]["items"][1]
    assert (item["status"], item["reason"], item["s3_key"], item["job_id"]) == ("skipped", "cancelled", None, "two")
    assert skipped["telegram"]["items"][0] == before["telegram"]["items"][0]
    assert settle(skipped, "two", SkippedItem()) == skipped
    again: Any = settle(skipped, "two", QueuedItem(s3_key="teltubby/two"))
    assert (again["telegram"]["items"][1]["status"], again["telegram"]["items"][1]["reason"]) == ("queued", None)


def test_the_status_of_a_file_is_found_by_its_job() -> None:
    settled = settle(artifact("one", "two"), "two", STORED)
    assert status_of(settled, "one") is ItemStatus.QUEUED
    assert status_of(settled, "two") is ItemStatus.STORED
    assert status_of(settled, "three") is None
    assert status_of({}, "one") is None
    assert status_of({"telegram": {"items": "none"}}, "one") is None
