"""The demonstration's own judgement: it must find every way in which an archive can be wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from teltubby.adapters.base import Destination, Outgoing
from teltubby.adapters.embedded_store import EmbeddedStore, insert
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.demo.checking import ExpectedFile, Findings, Submission, check_archive
from teltubby.demo.left_behind import check_ledger, check_leftovers
from teltubby.demo.place import Place
from teltubby.messages.media import RawUpdate

MONTH = "teltubby/2026/11/ada"
PHOTO, CLIP = b"a photo", b"a clip of some length"


def _expected(content: bytes, kind: str, extension: str, name: str | None = None) -> ExpectedFile:
    return ExpectedFile(
        kind=kind,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        file_unique_id=f"unique-{kind}",
        file_name=name,
        extension=extension,
        route="bot_api",
    )


def _submission(title: str, *files: ExpectedFile, caption: str = "", duplicate: bool = False) -> Submission:
    return Submission(
        title=title,
        chat_slug="ada",
        sender_slug="ada",
        caption=caption or None,
        caption_slug=caption.lower(),
        forwarded_from=None,
        duplicate=duplicate,
        seconds=1.5,
        files=files,
    )


_PHOTO, _CLIP = _expected(PHOTO, "photo", "jpg"), _expected(CLIP, "video", "mp4", "clip.mp4")
HANDED_IN = (
    _submission("an album", _PHOTO, _CLIP, caption="Hello"),
    _submission("the photo again", _PHOTO, duplicate=True),
)
PHOTO_KEY = f"{MONTH}/3/20261120-101112_ada_ada_m3-g77_001_hello.jpg"
CLIP_KEY = f"{MONTH}/3/20261120-101112_ada_ada_m4-g77_002.mp4"
ALBUM, AGAIN = f"{MONTH}/3/message.json", f"{MONTH}/6/message.json"


def _item(file: ExpectedFile, ordinal: int, key: str, *, duplicate: bool = False) -> dict[str, Any]:
    return {
        "ordinal": ordinal,
        "type": file.kind,
        "size_bytes": file.size,
        "sha256": file.sha256,
        "file_unique_id": file.file_unique_id,
        "original_filename": file.file_name,
        "s3_key": key,
        "status": "duplicate" if duplicate else "stored",
        "duplicate_of": key if duplicate else None,
        "route": None if duplicate else file.route,
    }


def _artifact(message_id: int, items: list[dict[str, Any]], caption: str | None) -> dict[str, Any]:
    stored = [item for item in items if item["status"] == "stored"]
    return {
        "schema_version": "1.0",
        "base_path": f"{MONTH}/{message_id}/",
        "files_count": len(items),
        "total_bytes_uploaded": sum(item["size_bytes"] for item in stored),
        "keys": [item["s3_key"] for item in items],
        "duplicate_of": None if stored else items[0]["duplicate_of"],
        "telegram": {
            "message_id": str(message_id),
            "caption_plain": caption,
            "forward_origin": None,
            "items": items,
        },
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An archive in which all of HANDED_IN is right."""
    for number in (3, 6):
        (tmp_path / MONTH / str(number)).mkdir(parents=True)
    (tmp_path / PHOTO_KEY).write_bytes(PHOTO)
    (tmp_path / CLIP_KEY).write_bytes(CLIP)
    album = _artifact(3, [_item(_PHOTO, 1, PHOTO_KEY), _item(_CLIP, 2, CLIP_KEY)], "Hello")
    again = _artifact(6, [_item(_PHOTO, 1, PHOTO_KEY, duplicate=True)], None)
    (tmp_path / ALBUM).write_text(json.dumps(album))
    (tmp_path / AGAIN).write_text(json.dumps(again))
    return tmp_path


def _only_problem(findings: Findings) -> str:
    (problem,) = findings.problems
    return problem


def test_a_right_archive_has_no_problems(archive: Path) -> None:
    findings = check_archive(archive, HANDED_IN)
    assert findings.problems == ()
    assert [(found.key, found.ok, found.seconds) for found in findings.objects] == [
        (PHOTO_KEY, True, 1.5),
        (CLIP_KEY, True, 1.5),
    ]
    assert [artifact.duplicate_of for artifact in findings.artifacts] == [None, PHOTO_KEY]
    assert all(artifact.ok for artifact in findings.artifacts)


@pytest.mark.parametrize("content", [b"a phot0", b"a photo and more", b""])
def test_other_bytes_are_found(archive: Path, content: bytes) -> None:
    (archive / PHOTO_KEY).write_bytes(content)
    findings = check_archive(archive, HANDED_IN)
    assert _only_problem(findings).startswith(f"{PHOTO_KEY}: {len(content)} bytes with SHA-256 ")
    assert [found.ok for found in findings.objects] == [False, True]


def test_a_missing_object_is_found(archive: Path) -> None:
    (archive / CLIP_KEY).unlink()
    findings = check_archive(archive, HANDED_IN)
    assert _only_problem(findings) == f"{CLIP_KEY}: the object is missing."
    assert [(found.bytes, found.ok) for found in findings.objects] == [(7, True), (None, False)]


@pytest.mark.parametrize("key", [f"{MONTH}/3/extra.jpg", "teltubby/elsewhere", f"{MONTH}/6/second-copy.jpg"])
def test_an_extra_object_is_found(archive: Path, key: str) -> None:
    (archive / key).write_bytes(PHOTO)
    assert _only_problem(check_archive(archive, HANDED_IN)) == f"{key}: nobody handed this in."


def test_a_duplicate_that_was_stored_is_found(archive: Path) -> None:
    second = f"{MONTH}/6/20261120-101113_ada_ada_m6_001.jpg"
    (archive / second).write_bytes(PHOTO)
    _edit(archive / AGAIN, lambda artifact: _item_of(artifact).update(s3_key=second, status="stored"))
    problems = check_archive(archive, HANDED_IN).problems
    assert f"{second}: nobody handed this in." in problems
    assert any("status is 'stored', but should be 'duplicate'" in problem for problem in problems)


def test_missing_and_extra_artifacts_are_found(archive: Path) -> None:
    (archive / AGAIN).unlink()
    assert _only_problem(check_archive(archive, HANDED_IN)).startswith("There are 1 artifacts")
    assert any("nobody handed" in problem for problem in check_archive(archive, ()).problems)
    assert len(check_archive(archive / "nowhere", HANDED_IN).problems) == 1


def _edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    artifact = json.loads(path.read_text())
    change(artifact)
    path.write_text(json.dumps(artifact))


def _item_of(artifact: dict[str, Any], ordinal: int = 1) -> dict[str, Any]:
    item: dict[str, Any] = artifact["telegram"]["items"][ordinal - 1]
    return item


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda artifact: artifact.update(schema_version="2.0"), "schema_version is '2.0'"),
        (lambda artifact: artifact.update(base_path="teltubby/"), "base_path is 'teltubby/'"),
        (lambda artifact: artifact.update(total_bytes_uploaded=0), "total_bytes_uploaded is 0"),
        (lambda artifact: artifact["keys"].reverse(), "keys is ["),
        (lambda artifact: artifact["telegram"].update(caption_plain=None), "caption_plain is None"),
        (lambda artifact: artifact["telegram"].update(message_id="4"), "message_id is '4'"),
        (lambda artifact: _item_of(artifact).update(sha256="0" * 64), "sha256 is '000"),
        (lambda artifact: _item_of(artifact).update(status="queued"), "status is 'queued'"),
        (lambda artifact: _item_of(artifact).update(route="mtproto_bot"), "route is 'mtproto_bot'"),
        (lambda artifact: _item_of(artifact, 2).update(original_filename="clip"), "original_filename is 'clip'"),
        (lambda artifact: artifact["telegram"]["items"].pop(), "items is 1"),
        (lambda artifact: artifact.clear(), "schema_version is None"),
    ],
)
def test_a_wrong_artifact_is_found(archive: Path, change: Callable[[dict[str, Any]], object], complaint: str) -> None:
    _edit(archive / ALBUM, change)
    findings = check_archive(archive, HANDED_IN)
    assert any(complaint in problem and problem.startswith(ALBUM) for problem in findings.problems)
    assert findings.artifacts[0].ok is False


def test_an_artifact_that_is_no_json_is_found(archive: Path) -> None:
    (archive / ALBUM).write_bytes(b"{\xff")
    assert any("it is not JSON" in problem for problem in check_archive(archive, HANDED_IN).problems)


def test_a_key_that_breaks_the_layout_is_found(archive: Path) -> None:
    odd = CLIP_KEY.replace("_002", "_2")
    (archive / CLIP_KEY).rename(archive / odd)
    _edit(archive / ALBUM, lambda artifact: _item_of(artifact, 2).update(s3_key=odd))
    _edit(archive / ALBUM, lambda artifact: artifact.update(keys=[PHOTO_KEY, odd]))
    assert "is not as the layout wants it" in _only_problem(check_archive(archive, HANDED_IN))


def test_a_lost_forward_origin_is_found(archive: Path) -> None:
    forwarded = (replace(HANDED_IN[0], forwarded_from="A channel"), HANDED_IN[1])
    assert "forwarded_from is None" in _only_problem(check_archive(archive, forwarded))


# -- what is left behind


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A place where a product ran that had nothing to do."""
    found = Place(root=tmp_path, kept=True)
    found.archive.mkdir()
    found.spool.mkdir()
    EmbeddedStore(found.queue, busy_seconds=1.0).close()
    SqliteLedger.open(found.ledger).close()
    return found


def test_nothing_left_behind_is_no_problem(place: Place) -> None:
    finished = place.archive / ".uploads" / "finished"
    finished.mkdir(parents=True)
    (finished / "upload").write_text("{}")
    assert check_leftovers(place) == []
    assert check_ledger(place, keys_of_jobs=[]) == ((), [])


def test_spool_files_and_unfinished_uploads_are_found(place: Place) -> None:
    (place.spool / "large").mkdir()
    (place.spool / "large" / "a-job").write_bytes(b"half")
    upload = place.archive / ".uploads" / "abc"
    upload.mkdir(parents=True)
    (upload / "data").write_bytes(b"half")
    assert check_leftovers(place) == [
        "spool/large/a-job was left in the spool.",
        "archive/.uploads/abc/data is an unfinished upload.",
    ]


def test_messages_in_the_queue_are_found(place: Place) -> None:
    queue = EmbeddedStore(place.queue, busy_seconds=1.0)
    with queue.transaction() as connection:
        insert(
            connection, Destination.DEAD, Outgoing(body=b"{}", type="job", message_id="1"), delayed_at=0.0, delay=0.0
        )
    queue.close()
    (problem,) = check_leftovers(place)
    assert problem == f"1 message(s) wait in the queue {Destination.DEAD}."


def test_open_updates_and_missing_jobs_are_found(place: Place) -> None:
    ledger = SqliteLedger.open(place.ledger)
    ledger.inbox.record((RawUpdate(update_id=1, payload="{}"),))
    ledger.close()
    jobs, problems = check_ledger(place, keys_of_jobs=["a/key"])
    assert jobs == ()
    assert problems == [
        "There are jobs for nothing, but should be for a/key.",
        "1 update(s) in the inbox are not dealt with.",
    ]


def test_missing_databases_are_found(tmp_path: Path) -> None:
    nowhere = Place(root=tmp_path, kept=True)
    assert "there is no ledger" in check_ledger(nowhere, keys_of_jobs=[])[1][0]
    assert "there is no queue" in check_leftovers(nowhere)[0]
