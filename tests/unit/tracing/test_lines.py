"""The lines of a log that are about one job, whatever else is in it."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby import logs
from teltubby.config import LogFormat, LogSettings
from teltubby.supervision import tracing
from teltubby.tracing import lines
from teltubby.tracing.lines import LogLine, lines_about

ID = "3f2a9c1e-0000-4000-8000-000000000001"
OTHER = "3f2a9c1e-0000-4000-8000-000000000002"
AT = datetime(2026, 11, 22, 4, 20, 4, 123456, tzinfo=UTC)


def about(text: str | bytes) -> list[LogLine]:
    return list(lines_about(BytesIO(text if isinstance(text, bytes) else text.encode()), ID))


def line(message: str, job_id: str = ID, **more: object) -> str:
    told = {"actor": "bot/ledger", "job_id": job_id, "level": "info", "message": message}
    return json.dumps({**told, "timestamp": "2026-11-22T04:20:04.123456Z", **more}, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("chosen", [LogFormat.JSON, LogFormat.CONSOLE])
def test_what_the_house_logs_is_read_as_it_was_meant(chosen: LogFormat) -> None:
    stream = io.StringIO()
    logs.configure(LogSettings(format=chosen), stream=stream)
    log = logging.getLogger("teltubby.somewhere")
    with tracing(OTHER):
        log.info("another job")
    with tracing(ID):
        log.info("found “by way of” %s", "relay")
        try:
            raise ValueError("of this\nkind")
        except ValueError:
            log.exception("it met a bug")
    log.warning("nobody's")
    first, second = about(stream.getvalue())
    assert first.text.startswith("found “by way of” relay") and first.level == "info" and first.at is not None
    assert second.text.startswith("it met a bug") and second.level == "error"
    assert any("Traceback" in each for each in second.more) and any(
        "ValueError: of this" in each for each in second.more
    )
    assert (datetime.now(UTC) - first.at).total_seconds() < 600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (line("handed in"), LogLine(at=AT, text="handed in", level="info", actor="bot/ledger")),
        ("bot-1  | " + line("handed in"), LogLine(at=AT, text="handed in", level="info", actor="bot/ledger")),
        (line("x", timestamp="yesterday", level=3, actor=None), LogLine(at=None, text="x")),
        (line("x\x1b[31m\u202e"), LogLine(at=AT, text="x\ufffd[31m\ufffd", level="info", actor="bot/ledger")),
        (f"{ID} alone\n", LogLine(at=None, text=f"{ID} alone")),
        (f'{{"message": "cut off {ID}', LogLine(at=None, text=f'{{"message": "cut off {ID}')),
        (f"[[[{'{' * 5000}{ID}", LogLine(at=None, text=f"[[[{'{' * 3996}…")),
        (
            f"2026-11-22 04:20:04,123456 [warning  ] slow {ID}",
            LogLine(at=AT, text=f"slow {ID}", level="warning"),
        ),
        (f"2026-99-99T04:20:04Z x {ID}", LogLine(at=None, text=f"x {ID}")),
    ],
    ids=["json", "of a container", "odd values", "escapes", "no time", "cut off", "nested", "text", "no such day"],
)
def test_a_line_of_any_kind(text: str, expected: LogLine) -> None:
    assert about(line("before", OTHER) + text) == [expected]


def test_a_line_that_is_longer_than_anybody_writes_is_cut_into_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "BLOCK_BYTES", 1000)
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    (found,) = about(b"x" * 7000 + ID.encode() + b"y" * 5000 + b"\n" + line("another", OTHER).encode())
    assert ID in found.text
    assert [each.text for each in about("z" * 5000 + "\n" + line("found"))] == ["found"]


def test_a_traceback_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"2026-11-22T04:20:04Z [error] bug {ID}\n" + "  File x\n" * 5000 + line("next", OTHER)
    (found,) = about(text)
    assert found.more == ("  File x",) * lines.MOST_MORE
    monkeypatch.setattr(lines, "BLOCK_BYTES", 10)
    text = f"2026-11-22T04:20:04Z [error] bug {ID}\n" + "  File x\n" * 5 + line("next", OTHER)
    assert [each.more for each in about(text)] == [("  File x",) * 5], "it goes on in blocks of its own"
    two = f"2026-11-22T04:20:04Z [error] bug {ID}\n  File x\n2026-11-22T04:20:05Z [info] other\n  of the other\n"
    assert [each.more for each in about(two)] == [("  File x",)]


@settings(max_examples=60)
@given(
    st.lists(st.one_of(st.binary(max_size=40), st.just(ID.encode()), st.just(b"\n"), st.just(b"\xff\x00")), max_size=60)
)
def test_nothing_that_can_be_in_a_file_is_an_error(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    found = about(body)
    assert len(found) == sum(ID.encode() in each for each in body.split(b"\n"))
    assert not any(char in each.text for each in found for char in "\x00\x1b\r\x85")
