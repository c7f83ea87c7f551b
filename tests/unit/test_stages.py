"""Stages across the wire and in the ledger: what cannot be true, or is not known here, is left out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from teltubby.errors import MalformedMessage
from teltubby.messages.jobs import JobStarted
from teltubby.messages.ledger_jobs import NoteStages
from teltubby.messages.stages import Stage, Stages, known_stages
from teltubby.messages.wire import decode_event
from tests.unit.ledger_samples import ID, a_job, apply, completed, ledger_with, retrying, started
from tests.unit.wire_samples import GOLDEN_START


def test_every_stage_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
    table = page.partition("| stage | what")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", "\n".join(row.split("|")[1] for row in table.splitlines()[2:]))) == set(Stage)


@pytest.mark.parametrize(
    "value", [-1, "1", None, True, [], 1e10, float("nan"), float("inf"), 10**400], ids=lambda value: str(value)[:10]
)
def test_what_cannot_be_true_is_left_out(value: object) -> None:
    assert known_stages({"turn": value, "way": 2, "yodelling": 3}) == {Stage.WAY: 2.0}


def test_a_report_is_not_refused_for_what_a_newer_worker_measures() -> None:
    body = GOLDEN_START + b',"stages":{"turn":-1,"yodelling":3,"way":0.25,"hash":"x"}}'
    event = decode_event(body, "teltubby.job.started")
    assert isinstance(event, JobStarted) and event.stages == {Stage.WAY: 0.25}


def test_a_report_of_an_older_worker_has_none() -> None:
    event = decode_event(GOLDEN_START + b"}", "teltubby.job.started")
    assert isinstance(event, JobStarted) and event.stages == {}


@pytest.mark.parametrize("value", ["[]", "3", '"turn"'])
def test_what_is_no_object_is_refused(value: str) -> None:
    with pytest.raises(MalformedMessage, match="stages"):
        decode_event(GOLDEN_START + b',"stages":' + value.encode() + b"}", "teltubby.job.started")


def test_each_attempt_and_each_worker_has_its_own() -> None:
    def stages(attempt: int, worker: str) -> Stages:
        history = ledger.history.read(ID)
        assert history is not None
        (found,) = [each for each in history.attempts if (each.attempt, each.worker) == (attempt, worker)]
        return found.stages

    def note(attempt: int, worker: str, seconds: float) -> None:
        ledger.reports.note(NoteStages(job_id=ID, attempt=attempt, worker=worker, stages={Stage.TELL: seconds}))

    with ledger_with(a_job()) as ledger:
        apply(ledger, started(worker="ada"), started(worker="ben"), completed(worker="ben"))
        note(1, "ben", 0.12345)
        note(1, "nobody", 3.0)
        note(2, "ben", 3.0)
        assert stages(1, "ben") == {Stage.TELL: 0.123}, (
            "it took over a job that ran: nobody knows for how long it waited"
        )
        assert set(stages(1, "ada")) == {Stage.OUTBOX, Stage.QUEUE}
        apply(ledger, completed(worker="ada"))
        assert set(stages(1, "ada")) == {Stage.OUTBOX, Stage.QUEUE}, "an end that tells none takes none away"


def test_an_attempt_of_an_older_program_has_none() -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, started())
        with ledger.file.write() as connection:
            connection.execute("UPDATE job_attempts SET stages_json = NULL, heard_at = NULL")
        history = ledger.history.read(ID)
        assert history is not None and history.attempts[0].stages == {} and history.attempts[0].heard_at is None


def test_a_start_that_is_told_again_when_the_job_is_parked_has_waited_for_nothing() -> None:
    with ledger_with(a_job()) as ledger:
        assert set(apply(ledger, started()).waited) == {Stage.OUTBOX, Stage.QUEUE}
        assert apply(ledger, retrying(), started()).waited == {}
        assert set(apply(ledger, started(2)).waited) == {Stage.PARKED, Stage.QUEUE}
