"""`teltubby trace`, as it is typed, beside the ledger's owner and the logs of both processes."""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.cli import app
from teltubby.messages.jobs import JobCommand
from teltubby.messages.ledger_jobs import NoteStages
from teltubby.messages.media import RawUpdate
from teltubby.messages.stages import Stage
from tests.unit.ledger_samples import ID, NOON, Clock, a_job, apply, completed, order, retrying, started, submit

SIBLING = "3f2a9c1e-0000-4000-8000-000000000002"
ELSEWHERE = "4f2a9c1e-0000-4000-8000-000000000003"


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A ledger that its owner has open: an album of two, and a job that a second worker finished."""
    clock = Clock()
    with closing(SqliteLedger.open(tmp_path / "ledger.db", clock=clock)) as ledger:
        ledger.inbox.record([RawUpdate(update_id=900, payload="{}", chat_id=7, message_id=11)])
        jobs = (a_job(), a_job(SIBLING, 12))
        ledger.submissions.submit(replace(submit(jobs[0]), jobs=jobs, member_message_ids=(11, 12)))
        ledger.submissions.submit(submit(a_job(ELSEWHERE, 30)))
        ledger.inbox.close([900])
        ledger.outbox.mark_published([(ID, 0)])
        clock.now = NOON + timedelta(seconds=60)
        apply(
            ledger,
            replace(started(worker="ada"), at=NOON + timedelta(seconds=50), stages={Stage.TURN: 2.0}),
            replace(retrying(worker="ada", delay=5), at=NOON + timedelta(days=3), reason="a \x1b[2Jtimeout"),
        )
        clock.now = NOON + timedelta(seconds=90)
        began = NOON - timedelta(days=1)
        apply(ledger, replace(started(2, worker="ben"), at=began))
        done = replace(completed(2, worker="ben"), at=began + timedelta(seconds=8), stages={Stage.STORE: 7.25})
        clock.now = NOON + timedelta(seconds=100)
        apply(ledger, done)
        ledger.reports.note(NoteStages(job_id=ID, attempt=2, worker="ben", stages={Stage.TELL: 0.5}))
        order(ledger, JobCommand.CANCEL, user_id=8)
        ledger.jobs.set_notice(ID, 77)
        yield tmp_path / "ledger.db"


def trace(path: Path, *arguments: str, stdin: bytes = b"") -> Result:
    environment = {"SQLITE_PATH": str(path), "TELTUBBY_ENV_FILE": ""}
    return CliRunner().invoke(app, ["trace", *arguments], env=environment, input=stdin)


def told(path: Path, *arguments: str, stdin: bytes = b"") -> Any:
    found = trace(path, "--json", *arguments, stdin=stdin)
    assert found.exit_code == 0, found.stderr
    return json.loads(found.stdout)


def logged(seconds: float, message: str, job_id: str = ID) -> str:
    at = (NOON + timedelta(seconds=seconds)).isoformat()
    return json.dumps({"actor": "a", "job_id": job_id, "level": "info", "message": message, "timestamp": at}) + "\n"


def test_the_whole_way_of_a_job(path: Path) -> None:
    before = path.read_bytes()
    found = trace(path, ID)
    assert found.exit_code == 0, found.stderr
    head, _, timeline = found.stdout.partition("\n\n")
    for part in (
        f"job {ID}: COMPLETED, priority normal",
        "file: Ёлка.mp4, 1000000000 bytes, goes to teltubby/x.mp4",
        "handed in by user 7 with message 11 of chat 7, submission 11 in teltubby/2026/11/anna/11/",
        "line of this job is message 77",
        f"handed in together with: job {SIBLING} (PENDING)",
        "attempt 1 of ada: outbox ",
        "turn 2.0 s",
        "attempt 2 of ben: parked 5.0 s, queue ",
        "store 7.2 s, tell 0.5 s",
    ):
        assert part in head, part
    happened = [
        "update 900 came, with the message",
        "PENDING: handed in by user 7 with message 11 of chat 7",
        "update 900 was dealt with",
        "the broker has its message 0",
        "PENDING → PROCESSING, attempt 1 of ada (at 2026-11-20 12:00:50 by its own clock)",
        "attempt 1 of ada begins (at 2026-11-20 12:00:50 by its own clock)",
        "PROCESSING → RETRYING, attempt 1 of ada (at 2026-11-23 12:00:00 by its own clock): a \ufffd[2Jtimeout",
        "attempt 1 of ada fails: 5 bytes in 2.0 s; a \ufffd[2Jtimeout",
        "RETRYING → PROCESSING, attempt 2 of ben (at 2026-11-19 12:00:00 by its own clock)",
        "attempt 2 of ben begins (at 2026-11-19 12:00:00 by its own clock)",
        "attempt 2 of ben succeeds: 1000000000 bytes in 10.0 s",
        "PROCESSING → COMPLETED, attempt 2 of ben (at 2026-11-19 12:00:08 by its own clock)",
        "user 8: cancel, refused: the job is COMPLETED",
    ]
    assert [line.split("  ledger  ")[1] for line in timeline.splitlines()] == happened
    assert path.read_bytes() == before


def test_by_its_beginning(path: Path) -> None:
    assert trace(path, ELSEWHERE[:4]).stdout == trace(path, ELSEWHERE).stdout
    assert trace(path, f" {ELSEWHERE.upper()[:8]} ").stdout == trace(path, ELSEWHERE).stdout
    several = trace(path, ID[:8])
    assert several.exit_code == 1 and several.stdout == ""
    assert several.stderr == f"Several ids begin with {ID[:8]}: {ID}, {SIBLING}.\n"
    unknown = trace(path, "5555")
    assert (unknown.exit_code, unknown.stdout) == (1, "") and "no job whose id begins with 5555" in unknown.stderr
    assert trace(path, "3f2").exit_code == 2


@pytest.mark.parametrize("wanted", ["____", "%%%%", "' OR 1=1 --", "\x00\x00\x00\x00", "€€€€"])
def test_what_is_no_id_is_no_job(path: Path, wanted: str) -> None:
    assert trace(path, wanted).exit_code == 1


def test_logs_of_both_processes_and_the_ledger_in_one_order(path: Path, tmp_path: Path) -> None:
    bot, worker = tmp_path / "bot.log", tmp_path / "worker.log"
    (tmp_path / "bot.log.10").write_text(logged(-9, "of long ago"))
    with gzip.open(tmp_path / "bot.log.2.gz", "wt") as packed:
        packed.write(logged(-9, "packed"))
    (tmp_path / "bot.log.3").hardlink_to(tmp_path / "bot.log.10")
    (tmp_path / "bot.log.1").write_text(logged(70, "rotated") + "\0garbage " + ID + "\n")
    (tmp_path / "bot.log.bak").write_text(logged(71, "somebody's copy"))
    bot.write_text(logged(200, "at the end") + logged(201, "of another", SIBLING))
    worker.write_text(logged(65.5, "between the attempts"))
    entries = told(path, ID, "--log", str(bot), "--log", str(worker), str(bot))["timeline"]
    said = [(entry["source"], entry["what"]) for entry in entries if entry["source"] != "ledger"]
    assert said == [
        ("bot.log.10", "of long ago"),
        ("bot.log.2.gz", "packed"),
        ("worker.log", "between the attempts"),
        ("bot.log.1", "rotated"),
        ("bot.log.1", f"\ufffdgarbage {ID}"),
        ("bot.log", "at the end"),
    ]
    times = [entry["at"] for entry in entries if entry["at"] is not None]
    assert times == sorted(times)
    text = trace(path, ID, str(worker)).stdout
    assert "2026-11-20 12:01:05.500  worker.log  between the attempts  (a)" in text


def test_a_log_from_a_pipe_is_read_once(path: Path) -> None:
    entries = told(path, ID, "--log", "-", "-", stdin=logged(1, "piped").encode())["timeline"]
    assert [entry["what"] for entry in entries if entry["source"] == "stdin"] == ["piped"]


def test_one_object_has_all_of_it(path: Path) -> None:
    found = told(path, ID)
    assert found["job_id"] == ID and found["job"]["state"] == "COMPLETED" and found["left_out"] == 0
    assert found["job"]["submission"]["jobs"] == [{"job_id": SIBLING, "state": "PENDING"}]
    first, second = found["attempts"]
    assert first["stages"]["turn"] == 2.0 and second["stages"]["store"] == 7.25
    assert (first["success"], second["success"]) == (False, True)
    for attempt in found["attempts"]:
        assert attempt["began_at"] <= attempt["ended_at"] < "2026-11-20T12:02", "by the ledger's clock"
        assert all(seconds >= 0 for seconds in attempt["stages"].values())


def test_without_a_ledger_the_logs_tell_what_they_know(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text(logged(1, "taken up"))
    nowhere = tmp_path / "nothing.db"
    alone = trace(nowhere, ID, "--log", str(log))
    assert alone.exit_code == 0 and "taken up" in alone.stdout and "no ledger" in alone.stderr
    assert told(nowhere, ID, str(log))["job"] is None
    for arguments in ((ID,), (ID[:8], str(log)), (ELSEWHERE, str(log))):
        assert trace(nowhere, *arguments).exit_code == 1
    assert not nowhere.exists()


def test_logs_that_cannot_be_read(path: Path, tmp_path: Path) -> None:
    missing = trace(path, ID, "--log", str(tmp_path / "none.log"))
    assert missing.exit_code == 1 and "none.log cannot be read: No such file" in missing.stderr
    folder = trace(path, ID, "--log", str(tmp_path))
    assert folder.exit_code == 1 and "cannot be read: Is a directory" in folder.stderr
    broken = tmp_path / "bot.log.1.gz"
    broken.write_bytes(gzip.compress(logged(1, "packed").encode() * 9999)[:300])
    (tmp_path / "bot.log").write_text(logged(2, "whole"))
    damaged = trace(path, ID, "--log", str(tmp_path / "bot.log"))
    assert damaged.exit_code == 0 and "whole" in damaged.stdout and "bot.log.1.gz is damaged" in damaged.stderr


def test_more_than_anybody_reads_is_counted(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teltubby.tracing.commands.MOST_LOG_LINES", 3)
    log = tmp_path / "bot.log"
    log.write_text(logged(1, "again and again") * 10)
    assert told(path, ID, str(log))["left_out"] == 7
    assert "7 more lines of the logs are left out" in trace(path, ID, str(log)).stderr


def test_a_ledger_of_another_program(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with closing(sqlite3.connect(path)) as mine, closing(sqlite3.connect(copy)) as other:
        mine.backup(other)
        other.execute("PRAGMA user_version = 900")
    assert trace(copy, ID).exit_code == 78
    copy.write_bytes(b"no database at all, but long enough to be taken for one" * 40)
    found = trace(copy, ID)
    assert found.exit_code == 1 and "is not an SQLite database" in found.stderr


def test_what_a_user_ordered_and_what_is_not_over(tmp_path: Path) -> None:
    """Nobody knows which update brought it, it lies in the relay channel, runs, and was published twice."""
    clock = Clock()
    with closing(SqliteLedger.open(tmp_path / "ledger.db", clock=clock)) as ledger:
        ledger.submissions.submit(submit(a_job()))
        ledger.relay.begin(ID, -100)
        order(ledger, JobCommand.CANCEL, user_id=8)
        clock.now = NOON + timedelta(seconds=40)
        order(ledger, JobCommand.RETRY, user_id=8)
        apply(ledger, started(2, worker="ada"))
        ledger.relay.note(ID, -100, 5)
        said = "\n".join(entry["what"] for entry in told(tmp_path / "ledger.db", ID)["timeline"])
    assert "PENDING → CANCELLED, by user 8" in said
    assert "its message was copied into the relay channel -100 as message 5" in said
    assert "a new message of it is to be published" in said
    assert "attempt 2 of ada begins" in said and "attempt 2 of ada stops" not in said


def test_a_job_of_an_older_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("UPDATE jobs SET payload_json = '{}' WHERE job_id = ?", (ID,))
    found = trace(path, ID)
    assert found.exit_code == 1 and "an older program wrote it" in found.stderr
