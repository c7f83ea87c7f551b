"""JSON columns of the ledger that somebody edited by hand: the rest of the row is told, and reports go on."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.adapters.sqlite_file import SqliteFile
from teltubby.messages.jobs import JobState
from teltubby.messages.ledger_jobs import JobView
from tests.fuzz.shapes import JSON, TEXTS, damaged, examples, nearly
from tests.unit.ledger_samples import ID, a_job, apply, completed, ledger_with, retrying, started

WHOLE: dict[str, Any] = {
    "routes_json": [{"route": "relay", "reason": "not a member"}, {"route": "bot", "reason": None}],
    "details_json": {"duration": 2.5, "width": 640, "codec": "avc1", "taken_at": "2025-01-27T10:11:12Z"},
    "stages_json": {"turn": 0.5, "fetch_large": 2.25},
}
KEYS = ["teltubby/2026/11/anna/11/a.mp4"]
ARTIFACT = {"telegram": {"items": [{"s3_key": KEYS[0], "original_filename": "a.mp4"}]}, "keys": KEYS}


def hostile(whole: Any) -> st.SearchStrategy[str]:
    """A column that holds nearly this, something else, or no JSON at all."""
    text = json.dumps(whole)
    torn = damaged(text.encode()).map(lambda body: body.decode(errors="replace"))
    return (
        nearly(whole).map(json.dumps) | JSON.map(json.dumps) | torn | TEXTS.filter(lambda found: "\ud83d" not in found)
    )


def write(file: SqliteFile, table: str, column: str, value: str) -> None:
    with file.write() as connection:
        connection.execute(f"UPDATE {table} SET {column} = ?", (value,))


@examples(8)
@given(st.fixed_dictionaries({column: hostile(whole) for column, whole in WHOLE.items()}))
@example(dict.fromkeys(WHOLE, "{"))
@example(dict.fromkeys(WHOLE, "[" * 100_000))
@example(dict.fromkeys(WHOLE, '[{"route": "by pigeon", "reason": 3}]'))
def test_of_an_attempt_the_rest_is_told_and_the_next_report_counts(columns: dict[str, str]) -> None:
    with ledger_with(a_job()) as ledger:
        apply(ledger, started(), retrying())
        for column, value in columns.items():
            write(ledger.file, "job_attempts", column, value)
        history = ledger.history.read(ID)
        assert history is not None and [attempt.error for attempt in history.attempts] == ["a timeout"]
        view: JobView = apply(ledger, started(2), completed(2))
        assert view.state is JobState.COMPLETED


@examples(8)
@given(hostile(KEYS), hostile(ARTIFACT))
@example("{", "[" * 5000)
def test_a_submission_is_found_and_told(purged: str, artifact: str) -> None:
    with ledger_with(a_job()) as ledger:
        write(ledger.file, "messages", "artifact_json", artifact)
        write(ledger.file, "messages", "purged_keys", purged)
        known = ledger.submissions.find(7, 11)
        assert known is not None and known.artifact_json == artifact
        assert all(isinstance(key, str) for key in known.purged_keys)
        ledger.search.find("a", 10, 0)
        ledger.submissions.save_artifact(7, 11, artifact)
        view = ledger.jobs.find(ID)
        assert view is not None and view.job == a_job()


@examples(8)
@given(hostile({"job_id": ID}))
def test_a_job_that_cannot_be_read_is_left_alone(payload: str) -> None:
    with ledger_with(a_job()) as ledger:
        write(ledger.file, "jobs", "payload_json", payload)
        assert ledger.jobs.find(ID) is None
        assert ledger.jobs.list((JobState.PENDING,), 10) == ()
        ledger.history.read(ID)
        assert ledger.reports.apply(started()) is None
