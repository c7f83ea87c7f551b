"""`teltubby prune`: what nobody needs is told, and goes with --yes; what somebody needs stays."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.sqlite_prune import prune_ledger
from teltubby.backup.catalogue import catalogue
from teltubby.backup.making import keep_rule
from teltubby.cli import app
from teltubby.messages.transfer import PART_BYTES
from teltubby.recovery.leftovers import dead_uploads, spools_of, useless_backups, useless_spools
from teltubby.transfer.journal import Done, SpooledFile, first_line, line
from teltubby.transfer.spool_folder import SpoolFolder
from tests.unit.backup.installation import Installation, memory, rows

NOW = datetime.now(UTC)
LONG_AGO = (NOW - timedelta(days=400)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def command(installation: Installation, *arguments: str) -> Any:
    """What `teltubby prune --json` says."""
    environment = {name: str(value) for name, value in installation.settings.items()}
    done = CliRunner().invoke(app, ["prune", "--json", *arguments], env=environment)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def used(home: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Installation:
    """With old history beside new, and a store."""
    monkeypatch.chdir(tmp_path)
    (home.root / "archive").mkdir()
    with home.ledger.file.write() as connection:
        for number, at in enumerate((LONG_AGO, LONG_AGO, NOW.isoformat().replace("+00:00", "Z"))):
            connection.execute(
                "INSERT INTO commands (job_id, user_id, command, accepted, at) VALUES (?, 1, 'track', 1, ?)",
                (f"none-{number}", at),
            )
    return home


def test_old_history_goes_with_yes_and_not_before(used: Installation) -> None:
    count = "SELECT count(*) FROM commands WHERE kind = 'command'"
    told = command(used)
    assert (told["removed"], told["audit"]["lines"]) == (False, 2)
    assert rows(used.root / "ledger.db", count) == [(3,)], "a trial takes everything back"
    done = command(used, "--yes")
    assert (done["removed"], done["audit"]["lines"]) == (True, 2)
    assert rows(used.root / "ledger.db", count) == [(1,)]
    assert command(used)["audit"]["lines"] == 0


def test_history_is_kept_for_ever_where_it_shall_be(used: Installation) -> None:
    used.settings["JOB_HISTORY_RETENTION_DAYS"] = "0"
    assert command(used, "--yes")["history"] == {"before": None, "rows": 0}
    used.settings["AUDIT_RETENTION_DAYS"] = "0"
    assert command(used, "--yes")["audit"] == {"before": None, "lines": 0}


def test_spools_of_jobs_that_are_open_or_held_stay(tmp_path: Path) -> None:
    spools = SpoolFolder(tmp_path, keep_seconds=60)
    for job_id in ("open", "over"):
        file = SpooledFile(job_id=job_id, document_id=1, size=1000, key="teltubby/key", part_bytes=PART_BYTES)
        spools.acquire(file).close(keep=True)
    names = spools_of(tmp_path)
    assert names == ["open", "over"]
    found = list(useless_spools(tmp_path, names, {"open"}, keep_seconds=3600, really=False))
    assert [each.name for each in found] == ["over"] and len(list(tmp_path.iterdir())) == 4
    list(useless_spools(tmp_path, names, {"open"}, keep_seconds=3600, really=True))
    assert {path.stem for path in tmp_path.iterdir()} == {"open"}
    assert list(useless_spools(tmp_path, names, None, keep_seconds=3600, really=True)) == [], "where no ledger is: age"
    assert [each.name for each in useless_spools(tmp_path, names, None, keep_seconds=-1, really=True)] == ["open"]
    assert spools_of(tmp_path / "none") == ()
    assert list(tmp_path.iterdir()) == []


def test_a_spool_that_is_done_or_that_nobody_can_read_goes(tmp_path: Path) -> None:
    for job_id in ("done", "damaged"):
        file = SpooledFile(job_id=job_id, document_id=1, size=1000, key="teltubby/key", part_bytes=PART_BYTES)
        SpoolFolder(tmp_path, keep_seconds=60).acquire(file).close(keep=True)
    begin, checksum = first_line(replace(file, job_id="done"))
    (tmp_path / "done.journal").write_bytes(begin + line(Done(), checksum)[0])
    (tmp_path / "damaged.journal").write_bytes(b"00000000 {}\n")
    names = ("damaged", "done")
    found = list(useless_spools(tmp_path, names, names, keep_seconds=3600, really=True))
    assert [(each.name, each.why) for each in found] == [
        ("damaged", "the first line of its journal cannot be read"),
        ("done", "its job is done"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_it_says_what_goes_and_what_would(used: Installation) -> None:
    """With backups that newer ones outlived, and one of which only a claim is left."""
    settings = {**used.settings, "BACKUP_KEEP": "1", "BACKUP_KEEP_DAILY": "0", "BACKUP_KEEP_WEEKLY": "0"}
    claim = used.root / "archive/teltubby-backups/box/box/20200101-000000/begun.json"
    claim.parent.mkdir(parents=True)
    claim.write_bytes(b"[")

    def said(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["prune", *arguments], env=settings)
        assert done.exit_code == 0, done.output
        return done.stdout

    told = said()
    assert "2 rows of the history" in told or "2 lines of the audit trail" in told
    assert "backup box/box/20200101-000000 (1 bytes): it was not finished" in told
    assert told.endswith("Nothing is removed: --yes does that.\n") and claim.exists()
    assert said("--yes").endswith("It is removed.\n") and not claim.exists()
    assert said().endswith("There is nothing that nobody needs.\n")


def test_a_job_that_comes_while_it_looks_keeps_its_spool(used: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger is asked after the spools were listed."""
    folder = used.root / "spool/large"

    def slow(*arguments: Any, **options: Any) -> Any:
        found = prune_ledger(*arguments, **options)
        file = SpooledFile(job_id="new", document_id=1, size=1000, key="teltubby/key", part_bytes=PART_BYTES)
        SpoolFolder(folder, keep_seconds=60).acquire(file).close(keep=True)
        return found

    monkeypatch.setattr("teltubby.recovery.pruning.prune_ledger", slow)
    assert command(used, "--yes")["spools"] == []
    assert {path.stem for path in folder.iterdir()} == {"new"}
    monkeypatch.undo()
    monkeypatch.chdir(used.root)
    assert [spool["name"] for spool in command(used, "--yes")["spools"]] == ["new"]


@pytest.mark.anyio
async def test_uploads_that_may_go_on_stay(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, part_size=1 << 20)
    await store.open()
    await store.begin("teltubby/a", content_type="video/mp4")
    await store.begin("elsewhere/a", content_type="video/mp4")
    for later, keep, dead in ((20, 0, 0), (50, 72, 0), (50, 24, 1)):
        now, kept = datetime.now(UTC) + timedelta(hours=later), timedelta(hours=keep)
        assert len(await dead_uploads(store, now=now, keep=kept, really=False)) == dead
    await dead_uploads(store, now=now, keep=kept, really=True)
    assert [each.key async for each in store.unfinished("")] == ["elsewhere/a"]


@pytest.mark.anyio
async def test_a_damaged_backup_stays_until_there_is_a_good_newer_one(home: Installation) -> None:
    store, backups, rule = memory(), home.backups(), keep_rule(home.config())
    made = (await backups.make(store)).manifest
    store.objects[made.key_of(made.files[0])] += b"x"
    assert await useless_backups(store, await catalogue(store, home.key), rule, now=home.now) == []
    await backups.make(store)
    found = await useless_backups(store, await catalogue(store, home.key), rule, now=home.now)
    assert [entry.name for entry, _ in found] == [made.name]


@pytest.mark.anyio
async def test_what_the_rule_does_not_keep_goes(home: Installation) -> None:
    store, backups = memory(), home.backups()
    first, second = (await backups.make(store)).manifest, (await backups.make(store)).manifest
    entries = await catalogue(store, home.key)
    assert [entry.name for entry in entries] == [second.name, first.name]
    one = keep_rule(home.config(BACKUP_KEEP="1", BACKUP_KEEP_DAILY="0", BACKUP_KEEP_WEEKLY="0"))
    for rule, gone in ((keep_rule(home.config()), []), (one, [first.name])):
        assert [entry.name for entry, _ in await useless_backups(store, entries, rule, now=home.now)] == gone
