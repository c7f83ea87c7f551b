"""What an artifact says after `/purge`."""

from __future__ import annotations

from typing import Any

from teltubby.archive.purged import without


def artifact(*items: dict[str, Any]) -> dict[str, Any]:
    return {"telegram": {"items": list(items)}, "keys": [], "files_count": 0, "total_bytes_uploaded": 0}


def item(status: str, key: str | None, **more: Any) -> dict[str, Any]:
    return {"status": status, "reason": None, "s3_key": key, "size_bytes": 5, "sha256": "0" * 64, **more}


def test_what_is_gone_is_skipped_and_what_is_there_stays() -> None:
    before = artifact(
        item("stored", "teltubby/a", preview_key="teltubby/previews/a.jpg"),
        item("duplicate", "teltubby/first", duplicate_of="teltubby/first", dedup_reason="sha256"),
        item("stored", "teltubby/late"),
        item("queued", "teltubby/job", job_id="j"),
    )
    after: Any = without(before, ["teltubby/a", "teltubby/first"])
    first, second, late, queued = after["telegram"]["items"]
    for one in (first, second):
        assert (one["status"], one["reason"], one["s3_key"]) == ("skipped", "purged", None)
        assert one["sha256"] == "0" * 64 and one.get("duplicate_of") is None and "preview_key" not in one
    assert [late, queued] == before["telegram"]["items"][2:]
    assert (after["keys"], after["files_count"], after["total_bytes_uploaded"]) == (["teltubby/late"], 1, 5)
    assert without(after, ["teltubby/a", "teltubby/first"]) == after, "said twice, it is said once"
    assert before["telegram"]["items"][0]["status"] == "stored", "the ledger's text is not touched"


def test_where_nothing_is_gone_nothing_changes() -> None:
    before = artifact(item("stored", "teltubby/a"))
    assert without(before, []) == before == without(before, ["teltubby/b"])
    assert without({"telegram": None}, ["teltubby/a"]) == {"telegram": None}
