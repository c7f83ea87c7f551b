"""The bucket alone is enough: the bot archives, its ledger is lost, and is made anew from what the store holds."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from teltubby.simulator.files import FileKind
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually

MIB = 1 << 20
WITHIN = 120.0
CLOCKS = 120.0
"""Seconds between what the ledger noted and what the artifact says, at most."""

TABLES = {
    "files": "SELECT sha256, s3_key, size_bytes, mime FROM files ORDER BY sha256",
    "ids": "SELECT file_unique_id, sha256 FROM tg_map ORDER BY file_unique_id",
    "messages": "SELECT message_id, chat_id, media_group_id, submission_message_id, base_path, artifact_json,"
    " artifact_stored FROM messages ORDER BY chat_id, message_id",
    "texts": "SELECT chat_id, message_id, caption, names, chats FROM archive_text ORDER BY chat_id, message_id",
    "seen": "SELECT message_at, chat, sender, caption, file_name, kind, size_bytes, sha256, s3_key, status FROM archive"
    " ORDER BY message_id, ordinal",
    "owner": "SELECT * FROM owner",
}
TIMES = "SELECT sha256, created_at FROM files ORDER BY sha256"


def command(house: Household, *arguments: str) -> tuple[int, str]:
    """Run it to its end: exit code, and what it printed."""
    log = house.home / f"{arguments[0]}.log"
    log.unlink(missing_ok=True)
    code = house.begin(arguments, house.settings, house.home, log).wait(WITHIN)
    return code, log.read_text()


def report(printed: str) -> dict[str, Any]:
    return dict(json.loads(printed[printed.index("{\n") :]))


def known(house: Household) -> dict[str, list[tuple[Any, ...]]]:
    return {name: house.rows(query) for name, query in TABLES.items()}


@ON_ASYNCIO
def test_the_ledger_is_made_anew_from_the_bucket(box: Household) -> None:
    box.without_flood_control()
    product, ada = box.start("run"), box.ada
    photo = ada.new_file(FileKind.PHOTO, 40_000, seed=1)
    text = ada.new_file(FileKind.DOCUMENT, 100_000, seed=2, name="a.txt")
    large = ada.new_file(FileKind.VIDEO, 21 * MIB, seed=3, name="film.mp4")
    captioned = ada.send_photo(photo, caption="the red fox")
    box.settled(captioned, "stored")
    job = ada.send_video(large)
    album = ada.send_album([text, photo, ada.new_file(FileKind.DOCUMENT, 5_000, seed=4, name="b.txt")])[0]
    box.settled(album, "stored", "duplicate", "stored")
    again = ada.send_document(text)
    box.settled(again, "duplicate")
    [film] = box.settled(job, "stored")
    unstored = "SELECT count(*) FROM messages WHERE artifact_json IS NOT NULL AND artifact_stored = 0"
    eventually(lambda: box.rows(unstored) == [(0,)], within=60, what="the artifacts in the store")

    # beside the bot: checked, and not rebuilt
    code, printed = command(box, "verify", "--json")
    assert (code, report(printed)["counts"]["orphan"], report(printed)["read_objects"]) == (0, 0, 4), printed
    code, printed = command(box, "reindex")
    assert code == 1 and "is in use: stop the bot" in printed
    product.stop()

    was, times = known(box), box.rows(TIMES)
    ledger = Path(box.settings["SQLITE_PATH"])
    for path in ledger.parent.glob(ledger.name + "*"):
        path.unlink()
    code, printed = command(box, "reindex", "--json")
    told = report(printed)
    assert code == 0, printed
    assert (told["artifacts"], told["submissions_new"], told["files_new"], told["skipped_count"]) == (4, 4, 4, 0)
    assert known(box) == was
    for (sha256, then), (same, now) in zip(times, box.rows(TIMES), strict=True):
        apart = datetime.fromisoformat(then) - datetime.fromisoformat(now)
        assert sha256 == same and abs(apart.total_seconds()) < CLOCKS
    sizes = [path.stat().st_size for path in Path(box.archive.location("teltubby")).rglob("*") if path.is_file()]
    assert box.rows("SELECT used_bytes, objects FROM room") == [(sum(sizes), len(sizes))]

    # and the bot goes on with it
    box.start("run")
    downloads = box.calls("getFile")
    for file in (photo, text, large):
        [item] = box.settled(ada.send_media(file), "duplicate")
        assert item["dedup_reason"] == "file_unique_id"
    assert item["duplicate_of"] == film["s3_key"] and box.calls("getFile") == downloads
    anew = ada.send_document(ada.new_file(FileKind.DOCUMENT, 100_000, seed=2, name="other.txt"))
    [item] = box.settled(anew, "duplicate")
    assert item["dedup_reason"] == "sha256"
    [key] = box.artifact(captioned)["keys"]
    box.answer(ada.send_text("/find red fox"), key)

    # what a disk does to it is found
    damaged = Path(box.archive.location(film["s3_key"]))
    with damaged.open("r+b") as file_on_disk:
        file_on_disk.seek(20 * MIB)
        file_on_disk.write(b"\0flipped\0")
    eventually(partial(_is_at_rest, box, unstored), within=60, what="the artifacts in the store")
    code, printed = command(box, "verify", "--json")
    findings = [(finding["kind"], finding["key"]) for finding in report(printed)["findings"]]
    assert (code, findings) == (1, [("changed", film["s3_key"])]), printed


def _is_at_rest(house: Household, unstored: str) -> bool:
    return house.rows(unstored) == [(0,)]
