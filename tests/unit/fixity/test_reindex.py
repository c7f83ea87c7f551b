"""`teltubby reindex`: the ledger made anew from the store is the ledger that was."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.adapters.sqlite_reindex import WrongBucket
from teltubby.errors import ConfigurationError
from teltubby.fixity.reindex import LedgerInUse, reindexed
from teltubby.messages.media import RawUpdate
from tests.unit.fixity.archives import CHAT, Bench, Sent, content, everything, tables

FATES = st.sampled_from(["now", "now", "now", "job", "queued", "failed", "skipped"])
FILES = st.builds(Sent, content=st.integers(0, 9), unique=st.integers(0, 99), fate=FATES)
CAPTIONS = st.none() | st.sampled_from(["a cat", "Ein Hund", "日本語 & more"])
ARCHIVES = st.lists(st.tuples(st.lists(FILES, min_size=1, max_size=4), CAPTIONS), min_size=1, max_size=12)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reindex(bench: Bench, *, dry_run: bool = False) -> dict[str, Any]:
    """Run it, and read what it printed."""
    said: list[str] = []

    async def run() -> None:
        await reindexed(bench.config, said.append, as_json=True, dry_run=dry_run, told=lambda *_: None)

    anyio.run(run)
    [printed] = said
    return dict(json.loads(printed))


def without_ledger(bench: Bench) -> None:
    """It is lost."""
    for path in bench.home.glob("ledger.db*"):
        path.unlink()


def one_content_each(submissions: list[tuple[list[Sent], str | None]]) -> Iterator[tuple[list[Sent], str | None]]:
    """As at Telegram: one id is always the same file."""
    first: dict[int, int] = {}
    for files, caption in submissions:
        yield (
            [
                Sent(content=first.setdefault(file.unique, file.content), unique=file.unique, fate=file.fate)
                for file in files
            ],
            caption,
        )


@settings(max_examples=20, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(ARCHIVES)
def test_the_bucket_alone_is_enough(submissions: list[tuple[list[Sent], str | None]]) -> None:
    """From nothing: equal. Once more: nothing changes. Into the ledger that it came from: nothing changes."""
    with TemporaryDirectory() as home:
        bench = Bench(Path(home) / "bench")
        bench.hand_in_many(list(one_content_each(submissions)))
        bench.counted()
        was, all_of_it = tables(bench.ledger_path), everything(bench.ledger_path)
        told = reindex(bench)
        assert everything(bench.ledger_path) == all_of_it
        assert (told["files_new"], told["ids_new"], told["submissions_new"]) == (0, 0, 0)
        without_ledger(bench)
        told = reindex(bench)
        assert tables(bench.ledger_path) == was
        assert told["submissions_new"] == len(submissions) and told["files_new"] == len(was["files"])
        anew = everything(bench.ledger_path)
        assert reindex(bench)["files_new"] == 0
        assert everything(bench.ledger_path) == anew
        assert [path.name for path in bench.home.glob("ledger.db.*")] == []


def test_what_comes_again_is_recognised_and_found(bench: Bench) -> None:
    bench.hand_in([Sent(content=1, unique=1)], caption="the red fox")
    bench.hand_in([Sent(content=2, unique=2, fate="queued")], caption="the grey fox")
    [key] = bench.keys
    without_ledger(bench)
    told = reindex(bench)
    assert told["lost_jobs"] == 1
    with bench.ledger() as ledger:
        known = ledger.files.find("unique-1")
        assert known is not None and known.s3_key == key
        assert known == ledger.files.find_content(known.sha256)
        assert ledger.files.find("unique-2") is None
        hits = ledger.search.find("fox", 5, 0)
        assert [hit.title for hit in hits] == ["the grey fox", "the red fox"], "the newest first"
        assert ledger.room.usage().used_bytes == sum(p.stat().st_size for p in bench.folder.rglob("*") if p.is_file())


def test_content_that_is_gone_is_forgotten_and_another_copy_is_taken(bench: Bench) -> None:
    """What the store has not must not count as archived: the next copy would be thrown away."""
    bench.hand_in([Sent(content=1, unique=1)])
    bench.hand_in([Sent(content=2, unique=2)])
    bench.hand_in([Sent(content=3, unique=3)])
    gone, cut, kept = bench.keys
    (bench.folder / gone).unlink()
    (bench.folder / cut).write_bytes(b"short")
    told = reindex(bench)
    assert (told["files_forgotten"], told["files_known"], told["missing"]) == (2, 1, 2)
    with bench.ledger() as ledger:
        assert [row["s3_key"] for row in ledger.file.read("SELECT s3_key FROM files")] == [kept]
        assert ledger.files.find("unique-1") is None and ledger.files.find("unique-3") is not None
    bench.hand_in([Sent(content=1, unique=4)])
    bench.put(gone, content(1))
    (bench.folder / bench.keys[-1]).unlink()
    assert reindex(bench)["files_moved"] == 1
    with bench.ledger() as ledger:
        known = ledger.files.find("unique-4")
        assert known is not None and known.s3_key == gone


def test_what_is_no_artifact_is_told_and_passed_over(bench: Bench) -> None:
    good = bench.hand_in([Sent(content=1, unique=1)])
    artifact = json.loads((bench.folder / good).read_bytes())
    folder = good.removesuffix("message.json")

    def changed(**fields: Any) -> bytes:
        return json.dumps(artifact | fields).encode()

    bad = {
        "teltubby/a/message.json": (b"\xff\xfe", "no JSON"),
        "teltubby/b/message.json": (b"[" * 100_000, "no JSON"),
        "teltubby/c/message.json": (b"[1]", "no artifact"),
        "teltubby/d/message.json": (b'{"telegram": {"items": [3]}}', "no artifact"),
        f"{folder}message-other.json": (changed(schema_version="2.0"), "'2.0'"),
        "teltubby/elsewhere/message.json": ((bench.folder / good).read_bytes(), "belongs elsewhere"),
        f"{folder}message-ids.json": (changed(telegram={"items": [], "message_id": "x", "chat_id": "1"}), "no id"),
        f"{folder}message-time.json": (changed(archive_timestamp_utc="yesterday"), "no time"),
        f"{folder}message-key.json": (
            changed(telegram=artifact["telegram"] | {"items": [{"status": "stored", "s3_key": "\ud800"}]}),
            "surrogate",
        ),
        f"{folder}message-status.json": (
            changed(telegram=artifact["telegram"] | {"items": [{"status": "eaten"}]}),
            "'eaten'",
        ),
    }
    for key, (body, _) in bad.items():
        bench.put(key, body)
    bench.put("teltubby/notes.txt", b"of somebody")
    without_ledger(bench)
    told = reindex(bench)
    assert (told["artifacts"], told["skipped_count"], told["submissions_new"]) == (1, len(bad), 1)
    reasons = {skipped["key"]: skipped["reason"] for skipped in told["skipped"]}
    assert set(reasons) == set(bad)
    for key, (_, why) in bad.items():
        assert why in reasons[key], key


def test_artifacts_that_contradict_each_other(bench: Bench) -> None:
    """One submission is told once; of an object that is said to be two contents none is taken for known."""
    key = bench.hand_in([Sent(content=1, unique=1)])
    artifact = json.loads((bench.folder / key).read_bytes())
    bench.put(key.replace("message.json", "message-twin.json"), json.dumps(artifact).encode())
    liar = json.loads(json.dumps(artifact))
    liar["telegram"]["message_id"] = liar["telegram"]["items"][0]["message_id"] = "999"
    liar["telegram"]["items"][0]["sha256"] = "f" * 64
    bench.put(key.replace("message.json", "message-liar.json"), json.dumps(liar).encode())
    without_ledger(bench)
    told = reindex(bench)
    assert (told["submissions_twice"], told["disputed"], told["files_new"]) == (1, 1, 0)
    with bench.ledger() as ledger:
        found = ledger.submissions.find(42, 1)
        assert found is not None and found.artifact_json == (bench.folder / key).read_text()


def test_the_newer_text_counts(bench: Bench) -> None:
    """The bucket's in a ledger that is older; the ledger's where the store does not have it yet."""
    one, two = bench.hand_in([Sent(content=1, unique=1)]), bench.hand_in([Sent(content=2, unique=2)])
    edited = (bench.folder / one).read_text().replace('"notes": null', '"notes": "edited"')
    bench.put(one, edited.encode())
    with bench.ledger() as ledger:
        newer = (bench.folder / two).read_text().replace('"notes": null', '"notes": "newer"')
        ledger.submissions.save_artifact(42, 2, newer)
    told = reindex(bench)
    assert (told["submissions_changed"], told["submissions_ahead"]) == (1, 1)
    with bench.ledger() as ledger:
        first, second = ledger.submissions.find(42, 1), ledger.submissions.find(42, 2)
        assert first is not None and second is not None
        assert (first.artifact_json, first.artifact_stored) == (edited, True)
        assert (second.artifact_json, second.artifact_stored) == (newer, False)


def test_a_purge_that_was_undone(bench: Bench) -> None:
    bench.hand_in([Sent(content=1, unique=1)], caption="fox")
    with bench.ledger() as ledger:
        ledger.files.forget(42)
        assert ledger.search.find("fox", 1, 0)[0].keys == ()
    assert reindex(bench)["files_new"] == 1
    with bench.ledger() as ledger:
        assert ledger.search.find("fox", 1, 0)[0].keys == tuple(bench.keys)


def test_a_dry_run_changes_nothing_and_works_beside_the_bot(bench: Bench) -> None:
    bench.hand_in([Sent(content=1, unique=1)])
    bench.hand_in([Sent(content=2, unique=2)])
    (bench.folder / bench.keys[0]).unlink()
    before = everything(bench.ledger_path)
    with bench.ledger() as running:
        told = reindex(bench, dry_run=True)
        assert told["dry_run"] and (told["files_forgotten"], told["missing"]) == (1, 1)
        assert len(running.file.read("SELECT * FROM files")) == 2
    assert everything(bench.ledger_path) == before
    assert reindex(bench)["files_forgotten"] == 1
    without_ledger(bench)
    for name in ("copy-4194305", "copy-4194305-wal", "dry-run-4194305"):  # of one that was killed
        (bench.home / f"ledger.db.{name}").write_bytes(b"left")
    (bench.home / f"ledger.db.copy-{os.getppid()}").write_bytes(b"of one that runs")
    assert reindex(bench, dry_run=True)["files_new"] == 1
    (bench.home / f"ledger.db.copy-{os.getppid()}").unlink()
    assert list(bench.home.glob("ledger.db*")) == []


def test_it_is_refused_while_somebody_has_the_ledger(bench: Bench) -> None:
    bench.hand_in([Sent(content=1, unique=1)])
    before = everything(bench.ledger_path)
    with bench.ledger(), pytest.raises(LedgerInUse, match="is in use: stop the bot"):
        reindex(bench)
    assert everything(bench.ledger_path) == before


def test_wrong_stores_and_wrong_bots(bench: Bench) -> None:
    """An empty store beside a ledger that knows files is a mistake, not an archive; and another bot's is not ours."""
    bench.hand_in([Sent(content=1, unique=1)])
    before = everything(bench.ledger_path)
    shutil.move(bench.folder, bench.home / "unmounted")
    bench.folder.mkdir()
    with pytest.raises(WrongBucket, match="nothing was changed"):
        reindex(bench)
    assert everything(bench.ledger_path) == before
    without_ledger(bench)
    with bench.ledger() as ledger:
        ledger.claim(8)
    with pytest.raises(ConfigurationError, match="belongs to bot 8"):
        reindex(bench)


def test_the_ledger_is_kept_from_a_bot_that_starts_meanwhile(bench: Bench) -> None:
    with bench.ledger(exclusive=True) as owned:
        owned.claim(7)
        with pytest.raises(Exception, match="is locked by another"):
            SqliteLedger.open(bench.ledger_path, busy_timeout=0.05)
    SqliteLedger.open(bench.ledger_path).close()


def test_a_message_that_still_waits_is_not_taken_for_done(bench: Bench) -> None:
    """The ledger is older than the archive: in its inbox is what was queued since, by a job that is lost."""
    large, small = [Sent(content=n, unique=n, fate=fate) for n, fate in ((1, "queued"), (2, "now"))]
    lost, edited = bench.hand_in([large, small], group="g"), bench.hand_in([Sent(content=3, unique=3, fate="queued")])
    without_ledger(bench)
    with bench.ledger() as ledger:
        for number, message_id, kind in ((7, 2, "message"), (8, 3, "edited_message")):
            update = json.dumps({"update_id": number, kind: {"message_id": message_id}})
            ledger.inbox.record([RawUpdate(update_id=number, chat_id=CHAT, message_id=message_id, payload=update)])
    told = reindex(bench)
    assert (told["submissions_waiting"], told["submissions_new"], told["lost_jobs"]) == (1, 1, 1)
    with bench.ledger() as ledger:
        assert ledger.submissions.find(CHAT, 1) is None and ledger.submissions.find(CHAT, 2) is None, lost
        assert ledger.submissions.find(CHAT, 3) is not None, edited
        known = ledger.files.find("unique-2")
        assert known is not None and known.s3_key == bench.keys[0], "done anew, it is the same object"
        ledger.inbox.close([7])
    told = reindex(bench)
    assert (told["submissions_waiting"], told["submissions_new"], told["lost_jobs"]) == (0, 1, 2)


def test_what_the_bucket_says_is_stored_is_doubtful_no_more(bench: Bench) -> None:
    """A backup of before it was archived came back; what is claimed stays so, and what nothing names is looked at."""
    bench.hand_in([Sent(content=1, unique=1)])
    bench.hand_in([Sent(content=2, unique=2)])
    doubtful = {bench.keys[0]: None, bench.keys[1]: "claimed", "teltubby/other": None}
    with bench.ledger() as ledger, ledger.file.write() as connection:
        connection.executemany(
            "INSERT INTO doubtful_keys (key, why, since, look_at, claimed_at) VALUES (?, 'CANCELLED', 'x', 'x', ?)",
            list(doubtful.items()),
        )
    reindex(bench)
    with bench.ledger() as ledger:
        rows = ledger.file.read("SELECT key FROM doubtful_keys ORDER BY key")
        assert [row["key"] for row in rows] == sorted([bench.keys[1], "teltubby/other"])
