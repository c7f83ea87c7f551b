"""A restore that was cut off: it is finished by asking again, and nobody takes half of it for a whole installation."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from anyio import to_thread
from typer.testing import CliRunner

from teltubby.backup import replacing
from teltubby.backup.errors import BackupImpossible
from teltubby.backup.manifest import Content, Manifest
from teltubby.backup.restoring import restore
from teltubby.cli import app
from teltubby.errors import StoreUnavailable
from tests.twins import MemoryStore
from tests.unit.backup.installation import Installation, memory, rows

pytestmark = pytest.mark.anyio

LATER = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@pytest.fixture
async def made(home: Installation) -> tuple[MemoryStore, Manifest]:
    """A backup of a box, which is off by now."""
    store = memory()
    manifest = (await home.backups().make(store)).manifest
    home.ledger.close()
    return store, manifest


def contents(targets: Mapping[Content, Path]) -> dict[Content, bytes]:
    return {content: path.read_bytes() for content, path in targets.items() if path.exists()}


async def drafts(targets: Mapping[Content, Path]) -> Sequence[Path]:
    """What tells that a restore of these was cut off."""
    return await to_thread.run_sync(lambda: replacing.cut_off(targets.values()))


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number in it is how many files are still replaced before the process is gone; empty: it lives."""
    left: list[int] = []
    replace = Path.replace

    def counted(source: Path, target: Path) -> Path:
        if source.suffix == replacing.DRAFT and left:
            if left[0] == 0:
                raise OSError(errno.EIO, "gone", str(source))
            left[0] -= 1
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", counted)
    return left


@pytest.mark.parametrize("done", range(3))
@pytest.mark.parametrize("force", [False, True], ids=["onto nothing", "onto something"])
async def test_cut_off_between_two_files_it_is_finished_by_asking_again(
    home: Installation, made: tuple[MemoryStore, Manifest], killed: list[int], done: int, force: bool
) -> None:
    store, manifest = made
    targets = home.into("x")
    (home.root / "x").mkdir()
    if force:
        for path in targets.values():
            path.write_text(f"what was {path.name}")
    old = contents(targets)
    killed.append(done)
    with pytest.raises(BackupImpossible, match="half done"):
        await restore(store, manifest, home.key, targets, force=force, now=LATER)
    assert await drafts(targets), "what is there by now is told from a whole installation"
    killed.clear()
    store.script.break_down("read", StoreUnavailable("the store is away"))
    with pytest.raises(StoreUnavailable):
        await restore(store, manifest, home.key, targets, force=force, now=LATER)
    assert await drafts(targets), "also after a second run that came to nothing"
    store.script.repair("read")
    restored = await restore(store, manifest, home.key, targets, force=force, now=LATER + timedelta(seconds=5))
    assert set(restored.files) == {file.content for file in manifest.files}
    assert rows(targets[Content.LEDGER], "SELECT bot_id FROM owner") == [(123,)]
    assert await drafts(targets) == ()
    for file in manifest.files if force else ():
        kept = {each.read_bytes() for each in (home.root / "x").glob(f"{file.content}.before-*")}
        assert kept == {old[file.content]}, "what was there is kept, and nothing that a restore put there"


async def test_asked_twice_it_changes_nothing(home: Installation, made: tuple[MemoryStore, Manifest]) -> None:
    store, manifest = made
    targets = home.into("x")
    first = await restore(store, manifest, home.key, targets, force=False, now=LATER)
    inodes = {path: path.stat().st_ino for path in first.files.values()}
    for force in (False, True):
        again = await restore(store, manifest, home.key, targets, force=force, now=LATER)
        assert (again.files, again.kept) == (first.files, [])
        assert {path: path.stat().st_ino for path in again.files.values()} == inodes
    Path(f"{targets[Content.LEDGER]}-wal").write_bytes(b"of a process that wrote since")
    with pytest.raises(BackupImpossible, match=re.escape(str(targets[Content.LEDGER]))):
        await restore(store, manifest, home.key, targets, force=False, now=LATER)


async def test_what_appears_meanwhile_is_not_replaced(home: Installation, made: tuple[MemoryStore, Manifest]) -> None:
    """A supervisor starts the process again while the backup is fetched, and it makes itself a ledger."""
    store, manifest = made
    targets = home.into("x")

    async def start(step: str) -> None:
        if step == "read before":
            await to_thread.run_sync(targets[Content.LEDGER].write_text, "a new ledger")

    store.script.watch = start
    with pytest.raises(BackupImpossible, match="there is something already"):
        await restore(store, manifest, home.key, targets, force=False, now=LATER)
    assert contents(targets) == {Content.LEDGER: b"a new ledger"}
    assert await drafts(targets) == ()


async def test_where_a_file_can_have_one_name_only_it_is_moved_aside(
    home: Installation, made: tuple[MemoryStore, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, manifest = made
    path = home.root / "user.session"
    path.write_text("older")

    def refused(source: str, target: str, **options: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", target)

    monkeypatch.setattr(os, "link", refused)
    for seconds, text in enumerate(("older", "older still")):
        path.write_text(text)
        restored = await restore(store, manifest, home.key, {Content.USER_SESSION: path}, force=True, now=LATER)
        assert [kept.read_text() for kept in restored.kept] == [text], f"also the {seconds + 1}. time in one second"


async def test_a_name_that_leads_elsewhere_goes_on_leading_there(
    home: Installation, made: tuple[MemoryStore, Manifest]
) -> None:
    store, manifest = made
    (home.root / "disk").mkdir()
    link = home.root / "link.db"
    link.symlink_to(home.root / "disk/ledger.db")
    await restore(store, manifest, home.key, {Content.LEDGER: link}, force=False, now=LATER)
    assert link.is_symlink() and rows(home.root / "disk/ledger.db", "SELECT bot_id FROM owner") == [(123,)]


_RESTORE = """
import os, signal, sys
from pathlib import Path
from teltubby.cli import app
real, left = Path.replace, int(sys.argv[1])

def counted(source, target):
    global left
    if source.suffix == ".restoring":
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
    return real(source, target)

Path.replace = counted
app(["restore"])
"""


def test_no_process_starts_with_half_of_a_backup(home: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between two files: starting, rebuilding and backing up are refused until it is finished."""
    monkeypatch.chdir(home.root)
    (home.root / "archive").mkdir()
    settings = home.settings | {"MTPROTO_ROUTES": "bot", "BACKUP_FOLDER": str(home.root / "kept")}
    (home.root / "kept").mkdir()
    runner = CliRunner()
    assert runner.invoke(app, ["backup"], env=settings).exit_code == 0
    home.close()
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "user.session", "user.session.lock"):
        (home.root / name).unlink(missing_ok=True)
    killed = subprocess.run([sys.executable, "-c", _RESTORE, "1"], env=os.environ | settings, check=False)
    assert killed.returncode == -9
    assert (home.root / "ledger.db").exists() and not (home.root / "user.session").exists()
    for command in ("run", "reindex", "backup"):
        refused = runner.invoke(app, [command], env=settings)
        assert refused.exit_code == 78 and "a restore was cut off" in refused.stderr, (command, refused.output)
    finished = runner.invoke(app, ["restore"], env=settings)
    assert finished.exit_code == 0, finished.output
    assert (home.root / "user.session").exists()
    assert runner.invoke(app, ["reindex", "--dry-run"], env=settings).exit_code == 0
