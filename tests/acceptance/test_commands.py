"""The commands as operators use them: what they print, and the codes they end with."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from teltubby.simulator.files import FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO, ON_TRIO
from tests.acceptance.household import Household
from tests.acceptance.nursery import ROOT, Nursery, Process, complete_command, run_command
from tests.acceptance.polling import eventually
from tests.acceptance.product import Begin

MIB = 1 << 20


class Command(Protocol):
    """Runs a command in the household to its end."""

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture
def teltubby(box: Household, nursery: Nursery) -> Command:
    """Commands out of the nursery."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return nursery.complete(arguments, box.settings | settings, box.home)

    return run


def from_command_line(house: Household, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as an operator starts it."""
    return complete_command(arguments, house.settings | settings, house.home)


def test_tree_shows_the_running_tree(box: Household, teltubby: Command) -> None:
    """As text for people, as JSON for programs; and says so when nobody answers."""
    product = box.start("run")
    shown = teltubby("tree", "--port", str(product.port))
    assert shown.returncode == 0, shown.stderr
    for name in ("box", "health", "bot", "ledger", "upload", "download", "queue", "worker", "relay", "user_session"):
        assert name in shown.stdout
    assert shown.stdout.count("ready") == 17 and "rest_for_one" in shown.stdout
    snapshot = json.loads(teltubby("tree", "--json", "--port", str(product.port)).stdout)
    assert snapshot["name"] == "box" and [child["name"] for child in snapshot["children"]] == [
        "health",
        "bot",
        "worker",
    ]
    by_setting = teltubby("tree", HEALTH_PORT=str(product.port))
    assert by_setting.returncode == 0 and by_setting.stdout.startswith("box")
    port = product.port
    product.stop()
    nobody = teltubby("tree", "--port", str(port))
    assert nobody.returncode == 1 and f"127.0.0.1:{port}" in nobody.stderr and not nobody.stdout


@ON_TRIO
def test_health_is_503_until_every_actor_is_ready(box: Household) -> None:
    """The ledger waits for a lock at its start: alive, but not well."""
    with closing(sqlite3.connect(box.settings["SQLITE_PATH"], isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        product = box.launch("run")
        status, body = eventually(lambda: product.get("/healthz"), what="an answer")
        assert status == 503 and json.loads(body)["healthy"] is False
        assert "box/bot/ledger" in json.loads(body)["unwell"]
        assert product.get("/status")[0] == product.get("/metrics")[0] == 200
        connection.execute("ROLLBACK")
    product.wait_ready()
    assert json.loads(product.get("/healthz")[1]) == {"healthy": True, "unwell": [], "troubles": {}}
    assert product.get("/nothing")[0] == 404


@ON_ASYNCIO
@pytest.mark.parametrize("role", ["run", "bot", "worker"])
def test_a_wrong_configuration_names_every_mistake(box: Household, role: str) -> None:
    """At once, with 78, and without the secrets."""
    wrong = {
        "CONCURRENCY": "99",
        "LOG_LEVEL": "LOUD",
        "TELTUBBY_BACKEND": "curio",
        "S3_SECRET_ACCESS_KEY": "hush-hush-hush",
        "TELTUBBY_TYPO": "1",
        "HEALTH_PORT": "70000",
    }
    ended = from_command_line(box, role, **wrong)
    assert ended.returncode == 78 and "Traceback" not in ended.stderr
    assert all(name in ended.stderr for name in (*wrong, "S3_BUCKET"))
    assert "hush-hush-hush" not in ended.stderr


@ON_ASYNCIO
def test_check_config_prints_what_holds_with_secrets_masked(box: Household) -> None:
    """And ends with 78 where `run` would."""
    printed = from_command_line(box, "check-config")
    assert printed.returncode == 0 and "SPOOL_DIR" in printed.stdout and box.settings["SPOOL_DIR"] in printed.stdout
    for secret in ("TELEGRAM_BOT_TOKEN", "MTPROTO_API_HASH"):
        assert secret in printed.stdout and box.settings[secret] not in printed.stdout
    assert from_command_line(box, "check-config", TELEGRAM_BOT_TOKEN="nonsense").returncode == 78
    wrong = from_command_line(box, "check-config", "--role", "worker", QUEUE_BACKEND="embedded")
    assert wrong.returncode == 78


def test_a_port_that_is_taken(teltubby: Command) -> None:
    """A wrong configuration, found at the start: 78, one sentence, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = teltubby("run", HEALTH_PORT=str(port))
    assert ended.returncode == 78, ended.stderr[-2000:]
    said = [line for line in ended.stderr.splitlines() if "HEALTH_PORT" in line and not line.startswith("{")]
    assert len(said) == 1 and str(port) in said[0]


@ON_ASYNCIO
def test_a_ledger_of_a_newer_teltubby(box: Household, teltubby: Command) -> None:
    """It is left alone: 78."""
    with closing(sqlite3.connect(box.settings["SQLITE_PATH"])) as connection:
        connection.execute("PRAGMA user_version = 1000000")
        connection.commit()
    ended = teltubby("run")
    assert ended.returncode == 78 and "newer" in ended.stderr, ended.stderr[-2000:]


@ON_TRIO
def test_giving_up(box: Household) -> None:
    """A database that can never be opened: 70 after the restarts that its supervisor allows."""
    Path(box.settings["SQLITE_PATH"]).mkdir()
    product = box.launch("run")
    product.alarms_expected = True
    assert product.wait(within=90) == 70
    assert "gave up" in product.log and box.settings["SQLITE_PATH"] in product.log


def without_extras(place: Path) -> Begin:
    """Start processes in an environment that has everything but the MTProto packages."""
    [packages] = [Path(path) for path in sys.path if path.endswith("site-packages")]
    place.mkdir()
    for entry in packages.iterdir():
        if not entry.name.lower().startswith(("telethon", "cryptg")):
            (place / entry.name).symlink_to(entry)

    def begin(arguments: Sequence[str], environment: Mapping[str, str], directory: Path, log: Path) -> Process:
        path = os.pathsep.join((str(place), str(ROOT)))
        with log.open("wb") as stream:
            return subprocess.Popen(
                [sys.executable, "-S", "-m", "teltubby", *arguments],  # -S: no site-packages but ours
                env={**environment, "PYTHONPATH": path},
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )

    return begin


@ON_ASYNCIO
def test_without_the_mtproto_packages(box: Household, tmp_path: Path) -> None:
    """The bot runs and says so; a large file waits in the queue for a process that has them."""
    whole, box.begin = box.begin, without_extras(tmp_path / "packages")
    product, ada = box.start("run"), box.ada
    photo, video = ada.new_file(FileKind.PHOTO, 50_000), ada.new_file(FileKind.VIDEO, 21 * MIB)
    first, second = ada.send_photo(photo), ada.send_video(video)
    box.answer(first, "Archived 1 file")
    box.answer(second, "queued for processing")
    box.answer(ada.send_text("/status"), "telethon and cryptg not installed")
    box.answer(ada.send_text("/mtstatus"), "large files wait in the queue")
    assert product.get("/healthz")[0] == 200
    product.stop()
    refused = box.launch("worker", QUEUE_BACKEND="rabbitmq")
    assert refused.wait(within=60) == 78 and "telethon" in refused.log
    box.begin = whole
    box.start("run")
    box.answer(second, "archived successfully")
    assert sha256(box.archive, box.items(second)[0]["s3_key"]) == video.sha256()


@ON_ASYNCIO
def test_without_an_api_id(box: Household) -> None:
    """A bot token is enough for what the Bot API serves."""
    for name in ("MTPROTO_API_ID", "MTPROTO_API_HASH"):
        del box.settings[name]
    box.begin = run_command
    box.start("run")
    box.answer(box.ada.send_photo(box.ada.new_file(FileKind.PHOTO, 50_000)), "Archived 1 file")
    box.answer(box.ada.send_text("/status"), "MTPROTO_API_ID and MTPROTO_API_HASH are not set")
