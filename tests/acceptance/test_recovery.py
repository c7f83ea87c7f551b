"""The walkthrough of docs/recovery.md: everything local is lost, and comes back by the commands that stand there."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from teltubby.simulator.files import File, FileKind
from tests.acceptance.archives import sha256
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product, clean_environment

ROOT = Path(__file__).parents[2]
KEY = "a-key-for-backups-of-at-least-32-characters"
MIB = 1 << 20
COMMAND_WITHIN = 120.0


def commands() -> list[str]:
    """What an operator types after a loss, in this order."""
    walk = (ROOT / "docs/recovery.md").read_text().partition("## The machine is gone\n")[2].partition("\n## ")[0]
    return [
        line.strip()
        for block in re.findall(r"```sh\n(.*?)```", walk, re.DOTALL)
        for line in block.split("\n")
        if line.strip()
    ]


def run(house: Household, command: str, settings: Mapping[str, str]) -> str:
    """One of them, as it is typed; what it says."""
    log = house.home / f"{'-'.join(command.split())}.log".replace("/", "")
    process = house.begin(command.split()[1:], settings, house.home, log)
    code = process.wait(COMMAND_WITHIN)
    said = log.read_text()
    assert code == 0, f"{command} ended with {code}:\n{said}"
    return said


def tables(path: Path) -> dict[str, list[Any]]:
    """Every row of a database."""
    with closing(sqlite3.connect(path)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        return {name: sorted(connection.execute(f"SELECT * FROM {name}"), key=repr) for (name,) in names}


def bandwidth(house: Household, bytes_per_second: float | None) -> None:
    """Let all lines to Telegram together carry so much."""
    house.in_world(lambda: setattr(house.telegram.world.faults, "shared_bandwidth", bytes_per_second))


def sign_ins(house: Household) -> int:
    """How often the bot's account signed in over MTProto."""
    calls = house.telegram.mtproto_server.calls
    return int(house.in_world(lambda: sum(call.method == "auth.importBotAuthorization" for call in calls)))


@ON_ASYNCIO
@pytest.mark.timeout(300)
def test_everything_local_is_lost_and_comes_back(box: Household) -> None:
    """A file that was archived, one that is on its way, and one that is archived after the backup; then a fire."""
    box.settings |= {"MTPROTO_ROUTES": "bot", "BACKUP_KEY": KEY, "BOT_API_MAX_FILE_SIZE_BYTES": "100000"}
    product, ada = box.start("run"), box.ada
    photo, film = ada.new_file(FileKind.PHOTO, 70_000), ada.new_file(FileKind.VIDEO, 3 * MIB, name="film.mp4")
    first = ada.send_photo(photo)
    box.answer(first, "Archived 1 file")
    small = ada.new_file(FileKind.VIDEO, MIB, name="small.mp4")
    box.answer(ada.send_video(small), "Large file archived successfully")
    bandwidth(box, 200_000.0)
    on_its_way = ada.send_video(film)
    eventually(lambda: box.rows("SELECT 1 FROM jobs WHERE state = 'PROCESSING'"), what="the job to run")

    made = json.loads(run(box, "teltubby backup --json", box.settings))
    assert {"ledger.db", "queue.db", "bot.session", "session.key", "settings.env"} <= set(made["files"])
    late = ada.new_file(FileKind.PHOTO, 50_000)
    box.answer(ada.send_photo(late), "Archived 1 file")
    product.kill()
    bandwidth(box, None)
    before, signed_in = box.archive.stored(), sign_ins(box)
    for path in box.home.iterdir():
        if path.is_dir() and path != box.home / "archive":
            shutil.rmtree(path)
        elif path.is_file() and path.suffix not in (".pem", ".log"):
            path.unlink()

    walk = commands()
    after_loss = clean_environment(box.home) | {"STORAGE_FOLDER": box.settings["STORAGE_FOLDER"], "BACKUP_KEY": KEY}
    restored = walk.index("teltubby restore") + 1
    said = [run(box, command, after_loss) for command in walk[:restored]]
    assert made["name"] in said[0] and "complete, sealed" in said[0]
    into = run(box, "teltubby restore --into copies --json", after_loss)
    ledger = Path(box.settings["SQLITE_PATH"])
    back, backed_up = tables(ledger), tables(Path(json.loads(into)["files"]["ledger.db"]))
    trail = back.pop("commands")
    assert trail[:-2] == backed_up.pop("commands") and [line[3] for line in trail[-2:]] == ["restore", "restore"]
    for table in (back, backed_up):
        del table["sqlite_sequence"]
    assert back == backed_up, "equal to what was backed up, but for the audit trail that tells of it"
    assert {file.sha256() for file in (photo, small)} == digests(ledger) and late.sha256() not in digests(ledger)
    for command in walk[restored:-1]:
        run(box, command, after_loss)
    assert {file.sha256() for file in (photo, small, late)} <= digests(ledger), "the archive has told of the late one"

    let_leases_run_out(box)
    assert walk[-1] == "teltubby run"
    by_itself = {"BACKUP_INTERVAL_HOURS": "0.002"}
    again = Product(box.begin, "run", after_loss | by_itself, box.home, len(box.processes) + 1)
    box.processes.append(again)
    again.wait_ready()
    assert film.sha256() in box.answer(on_its_way, "Large file archived successfully")
    for known in (photo, late):
        box.answer(ada.send_photo(known), "is archived already")
    again.wait_logged("older ones gave way", within=60.0)
    assert_archived_once(box, [photo, small, late, film])
    assert set(before) <= set(box.archive.stored()) and sign_ins(box) == signed_in, "nobody signed in anew"


def let_leases_run_out(house: Household) -> None:
    """As time does: what the lost process held of the queue is free again."""
    with closing(sqlite3.connect(house.settings["EMBEDDED_QUEUE_PATH"])) as connection:
        connection.execute("UPDATE queue_messages SET leased_until = 0")
        connection.commit()


def digests(ledger: Path) -> set[str]:
    """The files that the ledger knows."""
    return {str(row[0]) for row in rows(ledger, "SELECT sha256 FROM files WHERE sha256 IS NOT NULL")}


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.execute(query))


def assert_archived_once(house: Household, files: list[File]) -> None:
    """The archive holds each file's bytes under exactly one key."""
    keys = [key for key in house.archive.stored() if key.startswith("teltubby/") and not key.endswith("/message.json")]
    assert sorted(sha256(house.archive, key) for key in keys) == sorted(file.sha256() for file in files)
