"""`teltubby demo` as people start it: a process of its own, judged by its output, exit code and what it leaves."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)

MARKER = "TELLTALE_OF_A_DEMO"
MIB = 1024 * 1024
HOSTILE = {
    "TELEGRAM_BOT_TOKEN": "not-a-token",
    "TELEGRAM_API_ID": "0",
    "CONCURRENCY": "none",
    "S3_BUCKET": "a-bucket-of-mine",
    "RABBITMQ_HOST": "broker.example",
    "QUEUE_BACKEND": "rabbitmq",
    "TELTUBBY_NO_SUCH_SETTING": "1",
}
"""Settings of the user's own; any of them would spoil the demonstration, or be spoilt by it."""


class Started:
    """A running demonstration, with a mark in its environment that its children inherit."""

    def __init__(self, home: Path, *options: str, in_background: bool = False, **variables: str) -> None:
        """`in_background` as scripts start their jobs: with SIGINT ignored."""
        self.mark = uuid.uuid4().hex
        self.temporary = home / "tmp"
        self.temporary.mkdir()
        (home / ".env").write_text("LOG_LEVEL=LOUD\n")
        environment = {name: value for name, value in os.environ.items() if name != "TELTUBBY_BACKEND"}
        ignoring = ("sh", "-c", "trap '' INT; exec \"$@\"", "sh") if in_background else ()
        self.process = subprocess.Popen(
            [*ignoring, sys.executable, "-m", "teltubby", "demo", *options],
            env=environment | HOSTILE | {MARKER: self.mark, "TMPDIR": str(self.temporary)} | variables,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def finish(self) -> tuple[int, str, str]:
        """Exit code, stdout and stderr, once it ends by itself."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err

    def read_until(self, words: str, *, err: bool = False) -> str:
        """What it prints, up to the line with `words`."""
        stream = self.process.stderr if err else self.process.stdout
        assert stream is not None
        seen = []
        for line in stream:
            seen.append(line)
            if words in line:
                return "".join(seen)
        pytest.fail(f"it ended without saying {words!r}:\n{''.join(seen)}")

    def relatives(self) -> list[int]:
        """The processes that are alive and belong to it, itself included."""
        mark = f"{MARKER}={self.mark}".encode()
        return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _has(entry, mark)]

    @property
    def product(self) -> int:
        """The process id of the product."""
        (product,) = (pid for pid in self.relatives() if pid != self.process.pid)
        return product


def _has(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes()
    except OSError:  # it ended, or is not ours to read
        return False


@contextmanager
def demo(home: Path, *options: str, in_background: bool = False, **variables: str) -> Iterator[Started]:
    """Start it; afterwards nothing of it may run, and nothing may be left where temporary files go."""
    started = Started(home, *options, in_background=in_background, **variables)
    try:
        yield started
        assert started.process.poll() is not None
        assert started.relatives() == []
        assert list(started.temporary.iterdir()) == []
    finally:
        for pid in started.relatives():
            os.kill(pid, signal.SIGKILL)
        started.process.communicate()


def test_everything_is_archived_and_checked(tmp_path: Path) -> None:
    """On trio; the other demonstrations run on the backend that there is unless another is asked for."""
    out = tmp_path / "made" / "for it"
    with demo(tmp_path, "--json", "--out", str(out), TELTUBBY_BACKEND="trio") as started:
        code, stdout, stderr = started.finish()
    assert code == 0, stdout + stderr
    report = json.loads(stdout)
    assert stdout.count("\n") == 1
    assert report["ok"] is True and report["problems"] == []
    assert report["backend"] == "trio"
    assert 20 * MIB < report["peak_rss_bytes"] < 1024 * MIB
    assert 0 < report["seconds"] < 240
    _check_objects(report, out / "archive")
    _check_jobs(report)
    assert {artifact["duplicate_of"] for artifact in report["artifacts"]} == {None, report["objects"][0]["key"]}
    assert report["folder"] == str(out) and report["health_url"] is None
    assert {"archive", "teltubby.db", "queue.db", "teltubby.log"} <= {entry.name for entry in out.iterdir()}
    assert "SIGTERM: stopping in order" in (out / "teltubby.log").read_text()
    assert "Отчёт за ноябрь.pdf" in stderr and "[6/6]" in stderr


def _check_objects(report: dict[str, Any], archive: Path) -> None:
    objects = report["objects"]
    kinds = [(found["kind"], found["route"]) for found in objects]
    assert kinds == [
        ("photo", "bot_api"),
        ("document", "bot_api"),
        ("photo", "bot_api"),
        ("photo", "bot_api"),
        ("video", "bot_api"),
        ("video", "mtproto_bot"),
        ("video", "mtproto_bot"),
    ]
    assert [found["bytes"] for found in objects[-2:]] == [30 * MIB, 300 * MIB]
    for found in objects:
        with (archive / found["key"]).open("rb") as stored:
            assert hashlib.file_digest(stored, "sha256").hexdigest() == found["sha256"] == found["source_sha256"]
        assert (archive / found["key"]).stat().st_size == found["bytes"] and found["ok"] is True
    files = {path.relative_to(archive).as_posix() for path in (archive / "teltubby").rglob("*") if path.is_file()}
    artifacts = {key for key in files if key.endswith("/message.json")}
    assert files - artifacts == {found["key"] for found in objects}
    assert artifacts == {artifact["key"] for artifact in report["artifacts"]} and len(artifacts) == 6


def _check_jobs(report: dict[str, Any]) -> None:
    jobs = report["jobs"]
    assert [(job["state"], job["bytes"]) for job in jobs] == [("COMPLETED", 30 * MIB), ("COMPLETED", 300 * MIB)]
    assert [job["key"] for job in jobs] == [found["key"] for found in report["objects"][-2:]]
    assert all(job["job_id"] and job["seconds"] > 0 for job in jobs)


def test_it_stays_up_when_asked_and_then_stops_in_order(tmp_path: Path) -> None:
    with demo(tmp_path, "--keep-running", in_background=True) as started:
        seen = started.read_until("teltubby tree --port")
        assert "What was archived where" in seen and "✓ 7 files" in seen
        port = int(seen.rsplit("--port", 1)[1])
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            assert json.load(answer)["healthy"] is True
        (folder,) = started.temporary.iterdir()
        assert str(folder / "archive") in seen
        started.process.send_signal(signal.SIGINT)
        code, stdout, _ = started.finish()
    assert code == 0 and "Stopping in order." in stdout


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_it_and_the_product(number: signal.Signals, code: int, tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as started:
        started.read_until("[1/6]", err=True)
        assert len(started.relatives()) == 2
        started.process.send_signal(number)
        returned, stdout, stderr = started.finish()
    assert (returned, stdout) == (code, ""), stderr


def test_it_says_when_the_product_dies(tmp_path: Path) -> None:
    with demo(tmp_path, "--json") as started:
        started.read_until("[1/6]", err=True)
        os.kill(started.product, signal.SIGKILL)
        code, stdout, stderr = started.finish()
    report = json.loads(stdout)
    assert code == 1 and report["ok"] is False
    assert report["problems"] == ["The product (teltubby run) was killed by signal 9 before its time."]
    assert "health, status and metrics on port" in stderr


def test_it_shows_why_the_product_does_not_start(tmp_path: Path) -> None:
    with demo(tmp_path, TELTUBBY_BACKEND="curio") as started:
        code, stdout, _ = started.finish()
    assert code == 1
    assert "ended with code 78" in stdout and "TELTUBBY_BACKEND" in stdout


def test_the_folder_of_an_earlier_demo_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "teltubby.db").write_bytes(b"precious")
    with demo(tmp_path, "--json", "--out", "out") as started:
        code, stdout, stderr = started.finish()
    assert code == 1 and "is not empty" in stderr
    (problem,) = json.loads(stdout)["problems"]
    assert str(out) in problem
    assert [entry.name for entry in out.iterdir()] == ["teltubby.db"]
