"""Making backups: consistent copies beside a running owner, and nothing that a kill at any step could spoil."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from anyio import to_thread

from teltubby.backup import making
from teltubby.backup.catalogue import Entry, State, catalogue
from teltubby.backup.contents import NO_KEY, NOT_THERE
from teltubby.backup.errors import BackupDamaged, BackupImpossible
from teltubby.backup.making import Backups
from teltubby.backup.manifest import Content
from teltubby.backup.names import CLAIM, MANIFEST, PREFIX
from teltubby.backup.restoring import restore
from teltubby.errors import SpoolFull, StoreUnavailable
from tests.twins import MemoryStore
from tests.unit.backup.installation import KEY, NOON, SECRETS, Installation, memory, rows

pytestmark = pytest.mark.anyio

CONTENTS = {Content.LEDGER, Content.USER_SESSION, Content.SETTINGS}


async def listed(store: MemoryStore, home: Installation) -> list[Entry]:
    return list(await catalogue(store, home.key))


async def test_a_backup_holds_what_the_process_owns_and_no_secret_can_be_read_in_it(home: Installation) -> None:
    store = memory()
    made = await home.backups().make(store)
    assert {file.content for file in made.manifest.files} == CONTENTS
    assert set(made.manifest.left_out.values()) == {NOT_THERE}
    (entry,) = await listed(store, home)
    assert (entry.state, entry.manifest) == (State.COMPLETE, made.manifest)
    everything = b"".join(store.objects.values())
    assert not any(secret.encode() in everything for secret in (*SECRETS, KEY))
    assert all(key.startswith(PREFIX) for key in store.objects) and store.uploads == {}
    assert home.spooled() == []


async def test_without_a_key_databases_only_and_it_says_so(home: Installation) -> None:
    store = memory()
    made = await home.backups(BACKUP_KEY="").make(store)
    assert [file.content for file in made.manifest.files] == [Content.LEDGER]
    assert made.manifest.left_out[Content.USER_SESSION] == made.manifest.left_out[Content.SETTINGS] == NO_KEY
    assert not any(secret.encode() in b"".join(store.objects.values()) for secret in SECRETS)


async def test_a_copy_is_of_one_moment_while_the_owner_writes(home: Installation) -> None:
    """Each transaction writes two tables; the copy has both of it or none."""
    database = home.root / "collector.db"
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as owner:
        owner.execute("PRAGMA journal_mode=WAL")
        owner.executescript("CREATE TABLE a(x); CREATE TABLE b(x)")
        written = 0
        transaction = "BEGIN; INSERT INTO a VALUES (randomblob(2000)); INSERT INTO b VALUES (1); COMMIT"

        async def write(step: str) -> None:
            nonlocal written
            written += 1
            await to_thread.run_sync(owner.executescript, transaction)

        store = memory(watch=write)
        made = await home.backups().make(store)
        assert Content.COLLECTOR in {file.content for file in made.manifest.files}
        await restore(store, made.manifest, home.key, home.into("x"), force=False, now=NOON)
    ((first,), (second,)) = rows(
        home.root / "x/collector.db", "SELECT count(*) FROM a UNION ALL SELECT count(*) FROM b"
    )
    assert 0 < first == second < written


class Killed(BaseException):
    """The process is gone."""


class Death:
    """Kills the process at its n-th step in the store: nothing it does afterwards reaches the store."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.steps = 0

    async def __call__(self, step: str) -> None:
        self.steps += 1
        if self.steps >= self.at:
            raise Killed


async def test_killed_at_any_step_it_is_told_as_unfinished_and_the_next_one_cleans_up(home: Installation) -> None:
    living = Death(1 << 30)
    await home.backups().make(memory(watch=living))
    told = set()
    for at in range(1, living.steps + 1):
        store = memory(watch=Death(at))
        with pytest.raises(Killed):
            await home.backups().make(store)
        store.script.watch = Death(1 << 30)
        before = await listed(store, home)
        told |= {entry.state for entry in before}
        assert len(before) <= 1 and State.DAMAGED not in told
        made = await home.backups().make(store)
        after = await listed(store, home)
        assert [entry.state for entry in after] == [State.COMPLETE] * len(after)
        assert after[0].manifest == made.manifest
        assert len(after) == 1 + sum(entry.state is State.COMPLETE for entry in before)
        assert store.uploads == {} and home.spooled() == []
    assert told == {State.UNFINISHED, State.COMPLETE}, "also one that was killed just after its manifest"


async def test_an_unfinished_one_never_pushes_out_a_good_one(home: Installation) -> None:
    store = memory()
    good = await home.backups(BACKUP_KEEP="1", BACKUP_KEEP_DAILY="0", BACKUP_KEEP_WEEKLY="0").make(store)

    async def away(step: str) -> None:
        if step == "complete before":
            raise StoreUnavailable("the store is away")

    store.script.watch = away
    backups = home.backups(BACKUP_KEEP="1", BACKUP_KEEP_DAILY="0", BACKUP_KEEP_WEEKLY="0")
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            await backups.make(store)
    states = {entry.name: entry.state for entry in await listed(store, home)}
    assert states.pop(good.manifest.name) is State.COMPLETE
    assert list(states.values()) == [State.UNFINISHED], "each removes what the one before it left"
    store.script.watch = Death(1 << 30)
    newest = await backups.make(store)
    assert newest.removed == (good.manifest.name,)
    assert [entry.name for entry in await listed(store, home)] == [newest.manifest.name]


async def test_a_backup_of_another_place_that_is_being_made_is_left_alone_for_a_day(home: Installation) -> None:
    store = memory(watch=Death(8))
    with pytest.raises(Killed):
        await home.backups(SPOOL_DIR=str(home.root / "another")).make(store)
    store.script.watch = Death(1 << 30)
    for age, left in ((0, 1), (23, 1), (25, 0)):
        home.now = NOON.replace(hour=12 + age) if age < 12 else NOON.replace(day=21, hour=12 + age - 24)
        await home.backups().make(store)
        assert sum(entry.state is State.UNFINISHED for entry in await listed(store, home)) == left


async def test_a_store_that_keeps_other_bytes_is_found_out(home: Installation) -> None:
    """Every object is read back; the manifest would be last, and is not written."""
    store = memory()

    async def spoil(step: str) -> None:
        for key in store.objects:
            if key.endswith("ledger.db.gz.sealed"):
                store.objects[key] = store.objects[key][:-1] + b"x"

    store.script.watch = spoil
    with pytest.raises(BackupDamaged, match="not what was written"):
        await home.backups().make(store)
    assert not any(key.endswith("manifest.json") for key in store.objects)


async def test_a_manifest_that_reads_back_as_another_is_no_backup(home: Installation) -> None:
    store, other = memory(), memory()
    await home.backups().make(other)
    (wrong,) = [body for key, body in other.objects.items() if key.endswith("manifest.json")]

    async def spoil(step: str) -> None:
        for key in store.objects:
            if key.endswith("manifest.json"):
                store.objects[key] = wrong

    store.script.watch = spoil
    with pytest.raises(BackupDamaged):
        await home.backups().make(store)
    assert [entry.state for entry in await listed(store, home)] == [State.DAMAGED]


async def test_without_anything_to_keep_there_is_no_backup(home: Installation) -> None:
    config = home.config()
    with pytest.raises(BackupImpossible, match="nothing to back up"):
        await home.backups(BACKUP_KEY="", SQLITE_PATH=f"{home.root}/not-there.db").make(memory())
    assert config.backup.key is not None, "with its key there would be sessions and settings"


async def test_what_is_in_the_way_of_its_folder_is_told(home: Installation) -> None:
    (home.root / "spool").write_bytes(b"a file")
    with pytest.raises(SpoolFull, match="cannot be used: Not a directory"):
        await home.backups().make(memory())


async def test_two_of_one_second_are_not_mixed(home: Installation) -> None:
    store, later = memory(), NOON.replace(hour=13)

    def backups(role_folder: str) -> Backups:
        return Backups(home.config(SPOOL_DIR=str(home.root / role_folder)), host="box", clock=lambda: later)

    await backups("one").make(store)
    with pytest.raises(BackupImpossible, match="this very second"):
        await backups("two").make(store)
    assert [entry.state for entry in await listed(store, home)] == [State.COMPLETE]


async def test_the_rest_of_a_removal_that_was_cut_off_goes(home: Installation) -> None:
    store = memory()
    old = (await home.backups().make(store)).manifest
    for name in (MANIFEST, CLAIM):
        store.objects.pop(old.name.folder + name, None)
    await home.backups().make(store)
    assert not any(key.startswith(old.name.folder) for key in store.objects)


@pytest.mark.parametrize("claim", [b"", b"[]", b"{}", b"[" * 100_000, b'{"place": 3}'])
async def test_a_claim_that_says_nothing_is_left_alone(home: Installation, claim: bytes) -> None:
    store = memory(watch=Death(8))
    with pytest.raises(Killed):
        await home.backups().make(store)
    store.script.watch = Death(1 << 30)
    (key,) = store.objects
    store.objects[key] = claim
    await home.backups().make(store)
    assert sum(entry.state is State.UNFINISHED for entry in await listed(store, home)) == 1


async def test_a_damaged_database_is_no_backup(home: Installation) -> None:
    home.ledger.file.db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    body = bytearray((home.root / "ledger.db").read_bytes())
    body[4096 * 2 : 4096 * 6] = bytes(4096 * 4)
    (home.root / "queue.db").write_bytes(body)
    with pytest.raises(BackupImpossible, match="damaged, so no backup"):
        await home.backups().make(memory())
    assert home.spooled() == []


async def test_room_is_looked_for_before_anything_is_copied(
    home: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SPARE_BYTES", 1 << 60)
    with pytest.raises(SpoolFull, match=r"a copy of .*ledger\.db needs"):
        await home.backups().make(memory())


async def test_two_at_once_are_one(home: Installation) -> None:
    backups = home.backups()

    async def another(step: str) -> None:
        with pytest.raises(BackupImpossible, match="another backup"):
            await home.backups().make(memory())

    await backups.make(memory(watch=another))


async def test_copies_of_a_killed_run_are_removed(home: Installation) -> None:
    left = home.root / "spool/backup/box"
    left.mkdir(parents=True)
    Path(left / "ledger.db").write_bytes(b"half a copy")
    await home.backups().make(memory())
    assert home.spooled() == []


async def test_two_installations_of_one_name_take_nothing_from_each_other(home: Installation) -> None:
    """Containers of two machines: host and paths are the same, the bots are not."""
    store = memory(watch=Death(8))
    with pytest.raises(Killed):
        await home.backups().make(store)
    store.script.watch = Death(1 << 30)
    (begun,) = await listed(store, home)
    (home.root / "spool/backup/box/lock").unlink()
    few = {"BACKUP_KEEP": "1", "BACKUP_KEEP_DAILY": "0", "BACKUP_KEEP_WEEKLY": "0"}
    made = [await home.backups(**few, TELEGRAM_BOT_TOKEN=f"{bot}:token").make(store) for bot in (123, 456, 456)]
    assert [each.removed for each in made] == [(), (), (made[1].manifest.name,)]
    states = {entry.name: entry.state for entry in await listed(store, home)}
    assert states.pop(begun.name) is State.UNFINISHED, "the other machine makes it"
    assert set(states) == {made[0].manifest.name, made[2].manifest.name}


async def test_a_clock_that_is_set_back_does_not_cost_the_backup_that_was_just_made(home: Installation) -> None:
    store, backups = memory(), home.backups(BACKUP_KEEP="1", BACKUP_KEEP_DAILY="0", BACKUP_KEEP_WEEKLY="0")
    for back in (timedelta(0), timedelta(minutes=30), timedelta(days=3)):
        home.now -= back
        made = await backups.make(store)
        assert made.manifest.name in [entry.name for entry in await listed(store, home)], back
