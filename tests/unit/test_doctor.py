"""What doctor is made of: sections that cannot harm each other, marks, what is printed, and the documented remedies."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.adapters import sqlite_inspection
from teltubby.adapters.sqlite_inspection import inspect_database
from teltubby.adapters.sqlite_ledger import SqliteLedger
from teltubby.doctor.clocks import DRIFT_SECONDS, OFF_SECONDS, compare_clocks
from teltubby.doctor.examination import Section, examine
from teltubby.doctor.findings import Finding, Findings, Verdict, verdict
from teltubby.doctor.report import WIDTH, Report
from teltubby.doctor.store_trial import StoreTrial
from teltubby.doctor.troubles import Mark, Trouble
from teltubby.doctor.words import listed, size
from teltubby.errors import DatabaseUnavailable
from teltubby.logs import Redaction
from tests.twins import MemoryStore
from tests.virtual_time import backend_in_virtual_time

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
CANARY = "canary-of-a-secret"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Both backends, on a clock that jumps."""
    return backend_in_virtual_time(request.param)


# -- what a store is tried with


@pytest.mark.anyio
@pytest.mark.parametrize("work", [StoreTrial.upload, StoreTrial.abort_and_list])
@pytest.mark.parametrize("moment", ["begin after", "put_part after", "complete after", "unfinished before"])
async def test_a_trial_that_is_cut_off_leaves_nothing(
    work: Callable[[StoreTrial], Awaitable[str]], moment: str
) -> None:
    """Also an upload that the store began and whose id was not told any more."""
    trying = anyio.CancelScope()

    async def watch(step: str) -> None:
        if step == moment and not trying.cancel_called:
            trying.cancel()
            await anyio.sleep_forever()

    store = MemoryStore(part_size=1 << 20, watch=watch)
    await store.open()
    trial = StoreTrial(store, "teltubby/doctor/1/")
    with trying:
        await work(trial)
    await trial.tidy_up()
    assert store.objects == {}
    assert store.uploads == {}


# -- the documentation


def test_every_trouble_is_documented_with_its_remedy_and_no_other() -> None:
    rows = OPERATIONS.partition("## teltubby doctor\n")[2].partition("\n## ")[0]
    documented = {
        name: (mark, remedy)
        for name, mark, remedy in re.findall(r"^\| `([a-z-]+)` \| (.) \| (.+) \|$", rows, re.MULTILINE)
    }
    assert documented == {trouble.title: (trouble.mark.value, trouble.remedy) for trouble in Trouble}


def test_troubles_are_told_apart() -> None:
    """Two members of an enumeration with the same value would be one."""
    assert len(Trouble.__members__) == len(list(Trouble))
    assert {trouble.mark for trouble in Trouble} == {Mark.FAILED, Mark.WARNING}
    assert [trouble.name for trouble in Trouble if not re.fullmatch(r"[A-Z].*[.]", trouble.remedy)] == []


# -- sections


class Told:
    """What is told, in its order."""

    def __init__(self) -> None:
        self.sections: list[tuple[str, list[Finding]]] = []

    def __call__(self, title: str, lines: Sequence[Finding]) -> None:
        self.sections.append((title, list(lines)))


async def hang(findings: Findings) -> None:
    findings.well("before", "this was looked at")
    await anyio.sleep_forever()


async def crash(findings: Findings) -> None:
    findings.well("before", "this was looked at")
    raise KeyError("a bug")


async def wait(findings: Findings) -> None:
    await anyio.sleep(10)
    findings.well("after", "all is well")


@pytest.mark.anyio
async def test_sections_run_side_by_side_and_none_harms_another() -> None:
    told, begun = Told(), anyio.current_time()
    looks = {"hangs": hang, "crashes": crash, "waits": wait}
    lines = await examine([Section(title=title, look=look, within=20) for title, look in looks.items()], told)
    assert anyio.current_time() - begun == pytest.approx(20, abs=1)
    assert [title for title, _ in told.sections] == list(looks)
    assert lines == [line for _, section in told.sections for line in section]
    troubles = {title: [line.trouble for line in section] for title, section in told.sections}
    assert troubles == {
        "hangs": [None, Trouble.TOOK_TOO_LONG],
        "crashes": [None, Trouble.DOCTOR_FAILED],
        "waits": [None],
    }
    assert "KeyError" in told.sections[1][1][1].found


@pytest.mark.anyio
async def test_what_is_known_is_told_at_once_in_the_order_of_the_sections() -> None:
    told = Told()
    sections = [Section(title="slow", look=wait), Section(title="fast", look=crash), Section(title="slower", look=hang)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(examine, sections, told)
        await anyio.sleep(5)
        assert told.sections == []
        await anyio.sleep(10)
        assert [title for title, _ in told.sections] == ["slow", "fast"]


# -- marks and words

ANY_LINE = st.one_of(
    st.builds(Finding, subject=st.text(min_size=1), mark=st.sampled_from([Mark.WELL, Mark.SKIPPED]), found=st.text()),
    st.sampled_from(Trouble).map(lambda each: Finding(subject="x", mark=each.mark, found="y", trouble=each)),
)


@given(st.lists(ANY_LINE))
def test_the_worst_line_decides(lines: list[Finding]) -> None:
    failed = any(line.mark is Mark.FAILED for line in lines)
    warned = any(line.mark is Mark.WARNING for line in lines)
    assert verdict(lines) is (Verdict.FAILED if failed else Verdict.WARNED if warned else Verdict.WELL)


@pytest.mark.parametrize(
    ("ahead", "trouble"),
    [
        (0.0, None),
        (-DRIFT_SECONDS + 1, None),
        (DRIFT_SECONDS, Trouble.CLOCK_DRIFTS),
        (-OFF_SECONDS, Trouble.CLOCK_OFF),
        (3600.0, Trouble.CLOCK_OFF),
    ],
)
def test_clocks(ahead: float, trouble: Trouble | None) -> None:
    findings = Findings()
    compare_clocks(findings, "clock", NOON, NOON + timedelta(seconds=ahead))
    assert findings.lines[0].trouble is trouble
    assert trouble is None or ("ahead" if ahead > 0 else "behind") in findings.lines[0].found


def test_numbers_and_names() -> None:
    assert (size(26_214_400), size(4_294_967_296)) == ("26.2 MB", "4.3 GB")
    assert (listed(["a", "b"]), listed(list("abcde"))) == ("a, b", "a, b, c and 2 more")


# -- what is printed


def printed(lines: Sequence[Finding], *, as_json: bool) -> str:
    """All of it."""
    written: list[str] = []
    report = Report(written.append, Redaction([CANARY]), as_json=as_json)
    report.told("A section", lines)
    report.end()
    return "\n".join(written)


def test_a_line_has_its_mark_and_its_remedy() -> None:
    lines = [
        Finding(subject="token", mark=Mark.WELL, found="@bot"),
        Finding(subject="bucket", mark=Mark.FAILED, found="there is none", trouble=Trouble.STORE_BUCKET),
    ]
    text = printed(lines, as_json=False)
    assert re.search(r"^  ✓ token +@bot$", text, re.MULTILINE)
    assert re.search(r"^  ✗ bucket +there is none$", text, re.MULTILINE)
    assert f"[{Trouble.STORE_BUCKET.title}]" in text and text.endswith(Verdict.FAILED)
    assert " ".join(text.split()).count(Trouble.STORE_BUCKET.remedy) == 1
    report = json.loads(printed(lines, as_json=True))
    assert report["well"] is False
    assert report["sections"][0]["findings"][1] == {
        "subject": "bucket",
        "state": "failed",
        "found": "there is none",
        "trouble": "store-bucket",
        "remedy": Trouble.STORE_BUCKET.remedy,
    }


@given(before=st.text(alphabet="ab ", max_size=2 * WIDTH), as_json=st.booleans())
def test_no_secret_is_printed_wherever_it_stands_in_a_line(before: str, *, as_json: bool) -> None:
    """It must not get through in two halves, either, at the end of a line."""
    line = Finding(subject="x", mark=Mark.WELL, found=f"{before}{CANARY}{before}")
    text = printed([line], as_json=as_json)
    assert CANARY not in "".join(text.split()) and "canary" not in text


# -- databases


def test_a_database_is_looked_at_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "teltubby.db"
    assert inspect_database(path, check_seconds=5) is None and not path.exists()
    ledger = SqliteLedger.open(path)
    ledger.claim(4711)
    beside = inspect_database(path, check_seconds=5)  # while the bot has it open
    ledger.close()
    assert beside is not None and (beside.owner, beside.damage, beside.checked) == (4711, None, True)
    assert beside.used_bytes == 0
    before = path.read_bytes()
    assert inspect_database(path, check_seconds=5) is not None
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_check_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    SqliteLedger.open(tmp_path / "teltubby.db").close()
    monkeypatch.setattr(sqlite_inspection, "PROGRESS_STEPS", 1)
    facts = inspect_database(tmp_path / "teltubby.db", check_seconds=0)
    assert facts is not None and (facts.checked, facts.damage) == (False, None)


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "teltubby.db"
    SqliteLedger.open(path).close()
    body = bytearray(path.read_bytes())
    body[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    path.write_bytes(body)
    try:
        facts = inspect_database(path, check_seconds=5)
    except DatabaseUnavailable as error:
        assert "damaged" in str(error)
    else:
        assert facts is not None and facts.damage is not None
