"""Bringing backups back: verified first, nothing overwritten, nobody using the files, and equal to what was."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.adapters.backup_key import BackupKey
from teltubby.adapters.session_vault import SessionVault
from teltubby.backup import restoring
from teltubby.backup.catalogue import Entry, State, catalogue
from teltubby.backup.errors import BackupDamaged, BackupImpossible
from teltubby.backup.manifest import Content, Manifest
from teltubby.backup.names import BackupName
from teltubby.backup.restoring import chosen, restore
from teltubby.config import Role
from tests.twins import MemoryStore
from tests.unit.backup.installation import NOON, SECRETS, Installation, memory, rows

pytestmark = pytest.mark.anyio

LATER = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
async def made(home: Installation) -> AsyncIterator[tuple[MemoryStore, Manifest]]:
    """A backup of a box, which is off by now."""
    store = memory()
    manifest = (await home.backups().make(store)).manifest
    home.ledger.close()
    yield store, manifest


async def test_everything_comes_back_equal_and_for_its_owner_only(
    home: Installation, made: tuple[MemoryStore, Manifest]
) -> None:
    store, manifest = made
    before = rows(home.root / "ledger.db", "SELECT bot_id FROM owner")
    restored = await restore(store, manifest, home.key, home.into("x"), force=False, now=LATER)
    assert restored.files == {file.content: home.root / "x" / file.content for file in manifest.files}
    assert restored.kept == []
    assert rows(home.root / "x/ledger.db", "SELECT bot_id FROM owner") == before == [(123,)]
    assert (home.root / "x/user.session").read_text() == SECRETS[2]
    assert {stat.S_IMODE(path.stat().st_mode) for path in restored.files.values()} == {0o600}
    assert not list(home.root.rglob("*.restoring"))


async def test_nothing_is_overwritten_without_force_and_with_it_the_old_is_kept(
    home: Installation, made: tuple[MemoryStore, Manifest]
) -> None:
    store, manifest = made
    target = {Content.LEDGER: home.root / "ledger.db", Content.USER_SESSION: home.root / "user.session"}
    target[Content.USER_SESSION].write_text("a newer session")
    with pytest.raises(BackupImpossible, match="--force"):
        await restore(store, manifest, home.key, target, force=False, now=LATER)
    assert target[Content.USER_SESSION].read_text() == "a newer session"
    restored = await restore(store, manifest, home.key, target, force=True, now=LATER)
    assert target[Content.USER_SESSION].read_text() == SECRETS[2]
    assert sorted(path.name for path in restored.kept) == [
        "ledger.db.before-20261121-093000",
        "user.session.before-20261121-093000",
    ]
    assert (home.root / "user.session.before-20261121-093000").read_text() == "a newer session"
    assert rows(home.root / "ledger.db.before-20261121-093000", "SELECT bot_id FROM owner") == [(123,)]


@pytest.mark.parametrize("is_there", [True, False], ids=["with its database", "alone"])
async def test_a_log_that_was_left_behind_is_not_replayed_into_what_comes_back(
    home: Installation, made: tuple[MemoryStore, Manifest], is_there: bool
) -> None:
    store, manifest = made
    ledger, other = home.root / "ledger.db", home.root / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as owner:
        owner.execute("PRAGMA journal_mode=WAL")
        owner.execute("CREATE TABLE another (x)")
        for suffix in ("-wal", "-shm"):
            Path(f"{ledger}{suffix}").write_bytes(Path(f"{other}{suffix}").read_bytes())
    if not is_there:
        ledger.unlink()
    await restore(store, manifest, home.key, {Content.LEDGER: ledger}, force=is_there, now=LATER)
    assert rows(ledger, "PRAGMA integrity_check") == [("ok",)]
    assert rows(ledger, "SELECT bot_id FROM owner") == [(123,)]
    assert Path(f"{ledger}.before-20261121-093000-wal").exists()


async def test_a_process_that_runs_is_not_robbed_of_its_files(
    home: Installation, made: tuple[MemoryStore, Manifest]
) -> None:
    store, manifest = made
    ledger = home.root / "ledger.db"
    before = ledger.read_bytes()
    with subprocess.Popen(  # noqa: ASYNC220 - it only waits
        [sys.executable, "-c", _HOLD, str(ledger)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None and owner.stdin is not None
        assert owner.stdout.readline() == b"open\n"
        with pytest.raises(BackupImpossible, match="stop it first"):
            await restore(store, manifest, home.key, {Content.LEDGER: ledger}, force=True, now=LATER)
        owner.stdin.close()
    assert ledger.read_bytes() == before
    await restore(store, manifest, home.key, {Content.LEDGER: ledger}, force=True, now=LATER)


async def test_a_session_in_use_is_not_replaced(home: Installation, made: tuple[MemoryStore, Manifest]) -> None:
    store, manifest = made
    path = home.root / "user.session"

    def no_key() -> None:
        raise AssertionError("nobody needs it")

    vault = SessionVault(path, key=no_key, api_id=1)  # type: ignore[arg-type]  # it is only locked
    await to_thread.run_sync(vault.lock)
    try:
        with pytest.raises(BackupImpossible, match="stop it first"):
            await restore(store, manifest, home.key, {Content.USER_SESSION: path}, force=True, now=LATER)
    finally:
        vault.unlock()


@pytest.mark.parametrize("content", [Content.LEDGER, Content.USER_SESSION, Content.SETTINGS])
@pytest.mark.parametrize(
    "how", ["first", "name of the key", "header", "middle", "last", "cut", "longer", "gone", "empty"]
)
async def test_a_damaged_backup_is_refused_and_nothing_is_touched(
    home: Installation, made: tuple[MemoryStore, Manifest], content: Content, how: str
) -> None:
    store, manifest = made
    file = next(file for file in manifest.files if file.content is content)
    key = manifest.key_of(file)
    body = bytearray(store.objects[key])
    places = {"first": 0, "name of the key": 40, "header": 60, "middle": len(body) // 2, "last": -1}
    if how in places:
        body[places[how]] ^= 1
    changed = {"cut": bytes(body[:-1]), "longer": bytes(body) + b"x", "empty": b""}.get(how, bytes(body))
    if how == "gone":
        del store.objects[key]
    else:
        store.objects[key] = changed
    targets = home.into("x")
    with pytest.raises(BackupDamaged):
        await restore(store, manifest, home.key, targets, force=False, now=LATER)
    assert not any(path.exists() for path in targets.values())
    assert not list(home.root.rglob("*.restoring"))
    (entry,) = await catalogue(store, home.key)
    assert (entry.state is State.DAMAGED) is (len(changed) != file.stored_size or how == "gone")


async def test_what_is_in_the_way_is_told_and_nothing_is_changed(
    home: Installation, made: tuple[MemoryStore, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, manifest = made
    (home.root / "x").write_bytes(b"a file where a folder should be")
    with pytest.raises(BackupImpossible, match="x cannot be written: "):
        await restore(store, manifest, home.key, home.into("x"), force=False, now=LATER)
    with pytest.raises(BackupImpossible, match="has nothing of what is wanted"):
        await restore(store, manifest, home.key, {}, force=False, now=LATER)
    monkeypatch.setattr(restoring, "SPARE_BYTES", 1 << 60)
    with pytest.raises(BackupImpossible, match="bytes are needed in"):
        await restore(store, manifest, home.key, home.into("y"), force=False, now=LATER)
    assert not any(path.exists() for path in home.into("y").values())


async def test_what_is_not_sealed_needs_no_key(home: Installation) -> None:
    store = memory()
    manifest = (await home.backups(BACKUP_KEY="").make(store)).manifest
    restored = await restore(store, manifest, None, home.into("x"), force=False, now=LATER)
    assert rows(restored.files[Content.LEDGER], "SELECT bot_id FROM owner") == [(123,)]


async def test_without_the_key_nothing_is_opened(home: Installation, made: tuple[MemoryStore, Manifest]) -> None:
    store, manifest = made
    for key, what in ((None, "set BACKUP_KEY"), (BackupKey("z" * 32), "is sealed with the key")):
        with pytest.raises(BackupImpossible, match=what):
            await restore(store, manifest, key, home.into("x"), force=False, now=LATER)


async def test_cut_off_while_it_fetches_nothing_is_changed(
    home: Installation, made: tuple[MemoryStore, Manifest]
) -> None:
    store, manifest = made
    reads = 0

    class Killed(BaseException):
        pass

    async def die(step: str) -> None:
        nonlocal reads
        reads += step == "read before"
        if reads == len(manifest.files):
            raise Killed

    store.script.watch = die
    targets = home.into("x")
    targets[Content.LEDGER] = home.root / "ledger.db"
    inode = targets[Content.LEDGER].stat().st_ino
    with pytest.raises(Killed):
        await restore(store, manifest, home.key, targets, force=True, now=LATER)
    assert targets[Content.LEDGER].stat().st_ino == inode
    assert not any(path.exists() for content, path in targets.items() if content is not Content.LEDGER)


# -- which one


def entry(host: str, role: Role, day: int, state: State = State.COMPLETE, *, bot: int | None = None) -> Entry:
    name = BackupName(host, role, NOON.replace(day=day))
    manifest = Manifest(name=name, version="1", bot=bot, sealed_with=None, files=(), left_out={})
    return Entry(name=name, state=state, objects={}, manifest=manifest, why="because")


async def test_the_newest_complete_one_of_this_role_and_host_is_chosen() -> None:
    entries = [
        entry("box", Role.BOT, 22),
        entry("other", Role.BOX, 21),
        entry("box", Role.BOX, 20, State.UNFINISHED),
        entry("box", Role.BOX, 19, State.DAMAGED),
        entry("box", Role.BOX, 18),
        entry("box", Role.BOX, 17),
    ]
    assert chosen(entries, None, role=Role.BOX, host="box", bot=None, now=LATER) is entries[4]
    assert chosen(entries, "other/box/20261121-120000", role=Role.BOX, host="box", bot=None, now=LATER) is entries[1]
    assert chosen(entries[:2], None, role=Role.BOX, host="new", bot=None, now=LATER) is entries[1]
    from_the_future = entry("box", Role.BOX, 25)
    assert chosen([from_the_future, *entries], None, role=Role.BOX, host="box", bot=None, now=LATER) is entries[4]
    assert chosen([from_the_future], None, role=Role.BOX, host="box", bot=None, now=LATER) is from_the_future
    with pytest.raises(BackupImpossible, match="several hosts"):
        chosen(entries, None, role=Role.BOX, host="new", bot=None, now=LATER)
    with pytest.raises(BackupImpossible, match="no complete backup of a worker"):
        chosen(entries, None, role=Role.WORKER, host="box", bot=None, now=LATER)
    with pytest.raises(BackupImpossible, match="no backup box/box/20200101-000000"):
        chosen(entries, "box/box/20200101-000000", role=Role.BOX, host="box", bot=None, now=LATER)
    for number in (2, 3):
        with pytest.raises(BackupDamaged, match="because"):
            chosen(entries, str(entries[number].name), role=Role.BOX, host="box", bot=None, now=LATER)


async def test_of_another_bots_backups_none_is_chosen() -> None:
    entries = [entry("box", Role.BOX, 21, bot=8), entry("box", Role.BOX, 20, bot=7), entry("box", Role.BOX, 19)]
    assert chosen(entries, None, role=Role.BOX, host="box", bot=7, now=LATER) is entries[1]
    with pytest.raises(BackupImpossible, match="several bots: name one, or set TELEGRAM_BOT_TOKEN"):
        chosen(entries, None, role=Role.BOX, host="box", bot=None, now=LATER)
    with pytest.raises(BackupImpossible, match="no complete backup of a box"):
        chosen(entries[:1], None, role=Role.BOX, host="box", bot=7, now=LATER)
