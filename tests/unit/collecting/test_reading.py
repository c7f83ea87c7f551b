"""`teltubby export` and `teltubby report`: what was collected, beside the one who collects."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyarrow import parquet  # type: ignore[import-untyped]
from typer.testing import CliRunner, Result

from teltubby.actors.collector_peers import known_channel
from teltubby.cli import app
from teltubby.collecting.outputs import NotWritten, written
from teltubby.collecting.peers import NoChannel
from teltubby.collecting.stored import stored_channels
from teltubby.collector.repositories import CollectorStore
from teltubby.messages.channels import ChannelRef
from tests.unit.collector.reporting import record
from tests.unit.collector.world import CHANNEL, NOON, channel, counted, hours, page, post, store_with

OTHER = 77
ID = f"-100{CHANNEL}"
MANY = 30_000
"""Posts: more than a pipe holds."""

FILLING = """
import os
from contextlib import suppress
from teltubby.collecting.outputs import piped

with suppress(KeyboardInterrupt), piped() as into:
    os.set_blocking(1, False)
    with suppress(BlockingIOError):
        while os.write(1, bytes(512)):
            pass
    os.set_blocking(1, True)
    into.write(b"the rest")
    raise KeyboardInterrupt
"""
"""A command that is interrupted when its pipe is full, and more is waiting."""

LEFT = """
import sys
from contextlib import suppress
from typer import Exit
from teltubby.collecting.outputs import piped

with suppress(Exit), piped() as into:
    into.write(b"few")
    sys.stdin.read()
"""
"""A command that ends when its reader is gone, with something that was not written yet."""

runner = CliRunner()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the collector's database is; nothing else is set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MTPROTO_DATABASE_PATH", str(tmp_path / "collector.db"))
    return tmp_path / "collector.db"


@pytest.fixture
def owner(path: Path) -> Iterator[CollectorStore]:
    """Two channels with a post each; their collector goes on holding the file."""
    with closing(CollectorStore.open(path)) as store:
        store.channels.record(channel())
        store.channels.record(channel(OTHER, username=None, title="Other"))
        record(store, 1, counted(1, NOON + hours(2), 40), text="=1+1", date=datetime.now(UTC) - timedelta(hours=30))
        store.channels.record(channel(seen_at=NOON + hours(3), username="renamed"))
        yield store


def run(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


def test_posts_go_to_stdout_and_their_number_to_stderr(owner: CollectorStore) -> None:
    done = run("export", "posts")
    assert (done.exit_code, done.stderr) == (0, "1 rows.\n")
    (row,) = csv.DictReader(io.StringIO(done.stdout, newline=""))
    assert (row["username"], row["text"], row["views"]) == ("renamed", "'=1+1", "40")
    (line,) = run("export", "metrics", "--format", "jsonl", "--channel", "@Renamed").stdout.splitlines()
    assert json.loads(line)["views"] == 40


@pytest.mark.parametrize(
    ("named", "rows"),
    [("@renamed", 1), ("https://t.me/Renamed", 1), (ID, 1), (str(-1_000_000_000_000 - OTHER), 0), ("@space", 1)],
)
def test_a_channel_is_named_as_everywhere(owner: CollectorStore, named: str, rows: int) -> None:
    owner.tracking.found("@space", ChannelRef(CHANNEL, 5), 1)
    assert run("export", "posts", "--channel", named).stderr == f"{rows} rows.\n"


@pytest.mark.parametrize("named", ["@nobody", "-1005", "https://t.me/+AAAAAAAAAAAAAAAA", "rubbish!"])
def test_a_channel_that_nothing_is_stored_of_is_an_error(owner: CollectorStore, named: str) -> None:
    for command in (("export", "posts", "--channel", named), ("report", named)):
        done = run(*command)
        assert done.exit_code == 1 and done.stderr and not done.stdout, command


def test_a_name_belongs_to_whom_it_belongs_to_now() -> None:
    """Of two channels that had a name in turn, it is the one's that has it."""
    with store_with(channel(), channel(OTHER, username="other")) as store:
        store.tracking.found("@other", ChannelRef(CHANNEL, 5), 1)
        assert [one.channel_id for one in stored_channels(store, ["@other"])] == [OTHER]
        assert len(stored_channels(store, [])) == len(stored_channels(store, ["@space", "@other", ID])) == 2
        with pytest.raises(NoChannel, match="@third"):
            stored_channels(store, ["@third"])
        store.channels.record(channel(OTHER, username="space", seen_at=NOON + timedelta(days=1)))
        assert [one.channel_id for one in stored_channels(store, ["@space"])] == [OTHER], (
            "who had it was not seen since"
        )
        assert known_channel(store, "@space") == OTHER


def test_a_span_of_time(owner: CollectorStore) -> None:
    tomorrow = f"{datetime.now(UTC) + timedelta(days=1):%Y-%m-%d}"
    assert run("export", "posts", "--since", "2020-01-01", "--until", tomorrow).stderr == "1 rows.\n"
    assert run("export", "posts", "--since", tomorrow).stderr == "0 rows.\n"
    assert run("export", "posts", "--until", "2020-01-01T05:00:00").stderr == "0 rows.\n"
    assert run("export", "posts", "--since", "yesterday").exit_code == 2


def test_a_file_is_replaced_whole_and_for_its_owner_only(owner: CollectorStore, tmp_path: Path) -> None:
    target = tmp_path / "posts.parquet"
    target.write_text("what was there")
    done = run("export", "posts", "--format", "parquet", "--output", str(target))
    assert (done.exit_code, done.stdout) == (0, "")
    assert parquet.read_table(target).num_rows == 1
    assert target.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir() if found.name.startswith(".")] == []


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError()])
def test_of_a_file_that_could_not_be_written_nothing_is_left(tmp_path: Path, failure: BaseException) -> None:
    target = tmp_path / "posts.csv"
    target.write_text("what was there")
    with pytest.raises((NotWritten, KeyboardInterrupt, ValueError)), written(target) as into:
        into.write(b"half of it")
        raise failure
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("posts.csv", "what was there")]


def test_a_folder_that_is_not_there_is_said(owner: CollectorStore, tmp_path: Path) -> None:
    done = run("export", "posts", "--output", str(tmp_path / "nowhere" / "posts.csv"))
    assert done.exit_code == 1 and "cannot be written: No such file" in done.stderr


def test_without_a_database_it_says_so(path: Path) -> None:
    for command in (("export", "posts"), ("report", "@space")):
        done = run(*command)
        assert done.exit_code == 1 and "Nothing was collected yet" in done.stderr
    assert not path.exists(), "looking makes nothing"


def test_a_report_is_a_page_beside_and_its_figures_on_stdout(owner: CollectorStore, tmp_path: Path) -> None:
    done = run("report", ID, "--days", "7")
    assert done.exit_code == 0, done.stderr
    name = done.stdout.splitlines()[-1]
    assert name.startswith("report-renamed-") and name.endswith(".html")
    assert (tmp_path / name).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "Космос (@renamed), the 7 days until" in done.stdout
    assert run("report", "@renamed", "--output", str(tmp_path / "a.html")).exit_code == 0
    assert (tmp_path / "a.html").exists()
    for days in ("0", "3661", "many"):
        assert run("report", "@renamed", "--days", days).exit_code == 2


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of many posts, made once."""
    path = tmp_path_factory.mktemp("large") / "collector.db"
    with closing(CollectorStore.open(path)) as store:
        store.file.db.conn.execute("PRAGMA synchronous = OFF")
        store.channels.record(channel())
        for first in range(0, MANY, 5000):
            posts = (post(number, date=NOON + timedelta(seconds=number)) for number in range(first, first + 5000))
            store.record(page(*posts))
    return path


@pytest.fixture
def much(path: Path, large: Path) -> None:
    shutil.copyfile(large, path)


def python(*arguments: str) -> subprocess.Popen[bytes]:
    """As it is started where nobody asked for output without a buffer."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], env=environment, stdin=pipe, stdout=pipe, stderr=pipe)


def begin(*arguments: str) -> subprocess.Popen[bytes]:
    return python("-m", "teltubby", *arguments)


@pytest.mark.usefixtures("much")
def test_a_reader_that_has_enough_ends_it_without_a_word() -> None:
    with begin("export", "posts", "--format", "jsonl") as process:
        assert process.stdout is not None and process.stderr is not None
        assert json.loads(process.stdout.readline())["msg_id"] == 0
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 1


@pytest.mark.usefixtures("much")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_though_nobody_reads_the_rest(number: signal.Signals) -> None:
    with begin("export", "posts", "--format", "jsonl") as process:
        assert process.stdout is not None
        assert process.stdout.read(10)  # more than the pipe holds is to come
        process.send_signal(number)
        assert process.wait(30) == 130


def test_what_is_buffered_for_a_reader_that_reads_nothing_does_not_keep_the_process() -> None:
    with python("-c", FILLING) as process:
        try:
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_what_is_buffered_for_a_reader_that_left_is_forgotten() -> None:
    with python("-c", LEFT) as process:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 0


@pytest.mark.usefixtures("much")
def test_parquet_goes_through_a_pipe(tmp_path: Path) -> None:
    with begin("export", "posts", "--format", "parquet") as process:
        body, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, f"{MANY} rows.\n".encode())
    assert parquet.read_table(io.BytesIO(body)).num_rows == MANY


def test_a_pipe_is_written_and_stays_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with written(pipe) as into:
            into.write(b"rows")
        assert os.read(reader, 100) == b"rows" and pipe.is_fifo()
    finally:
        os.close(reader)
