"""Files that a disk damaged or a stranger wrote: each is read, or refused by name, and never worse than lost."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import zlib
from base64 import b64encode
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.adapters.base import ObjectInfo
from teltubby.adapters.folder_store import FolderStore
from teltubby.adapters.session_key import SessionKey
from teltubby.archive.artifact import dumps
from teltubby.archive.claims import NoArtifact, read_artifact
from teltubby.archive.findable import findable
from teltubby.backup.catalogue import Entry, State, dead
from teltubby.backup.errors import BackupDamaged
from teltubby.backup.manifest import Manifest
from teltubby.backup.names import CLAIM, BackupName
from teltubby.config import Role
from teltubby.errors import SessionFileDamaged, UploadVanished
from teltubby.fixity.reindex import reindexed
from teltubby.transfer.journal import PartWritten, first_line, line, read_journal
from tests.fuzz.shapes import JSON, NUMBERS, TEXTS, damaged, examples, nearly
from tests.twins import MemoryStore
from tests.unit.archive.test_album import album
from tests.unit.archive.test_album import begun as artifact_of
from tests.unit.backup.test_manifest import manifests
from tests.unit.fixity.archives import Bench, Sent, content, tables
from tests.unit.session_files import AUTH_KEY, TEXT, held, vault_at
from tests.unit.transfer.spools import folder, put, spooled, verify

BODY = b"some bytes"
DIGEST = hashlib.sha256(BODY).hexdigest()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


# -- sessions of other programs


def session_at(path: Path, *values: object) -> None:
    """A session file as Telethon writes it, with this in its only row."""
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TABLE sessions (dc_id, server_address, port, auth_key, takeout_id)")
        file.execute("INSERT INTO sessions VALUES (?, ?, ?, ?, NULL)", values)


def assert_loaded_or_damaged(path: Path) -> None:
    with held(vault_at(path)) as vault:
        try:
            vault.load()
        except SessionFileDamaged as error:
            assert TEXT not in str(error) and path.name in str(error)


VALUE = st.none() | st.floats() | NUMBERS.filter(lambda number: abs(number) < 2**63) | TEXTS | st.binary(max_size=300)
STORABLE = VALUE.map(lambda value: value.encode(errors="replace").decode() if isinstance(value, str) else value)


@examples(30)
@given(st.just(2) | STORABLE, st.just("1.2.3.4") | STORABLE, st.just(443) | STORABLE, st.just(AUTH_KEY) | STORABLE)
@example(2**40, "1.2.3.4", 443, AUTH_KEY)
@example(2, "1.2.3.4", 2**40, AUTH_KEY)
def test_any_row_is_a_session_or_damaged(
    tmp_path_factory: pytest.TempPathFactory, centre: object, address: object, port: object, key: object
) -> None:
    path = tmp_path_factory.getbasetemp() / "row.session"
    session_at(path, centre, address, port, key)
    assert_loaded_or_damaged(path)


@examples(20)
@given(st.data())
def test_a_damaged_session_is_told_as_such(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    home = tmp_path_factory.mktemp("sessions")
    session_at(home / "whole", 2, "1.2.3.4", 443, AUTH_KEY)
    path = home / "damaged.session"
    path.write_bytes(data.draw(damaged((home / "whole").read_bytes())))
    path.with_name("damaged.session.centres").write_text(
        json.dumps(data.draw(nearly({"account": 1, "keys": {"2": AUTH_KEY.hex()}})))
    )
    assert_loaded_or_damaged(path)


def test_keys_that_are_nested_without_an_end_are_none(tmp_path: Path) -> None:
    """They can always be had anew: the session is good without them."""
    session_at(tmp_path / "a.session", 2, "149.154.167.51", 443, AUTH_KEY)
    (tmp_path / "a.session.centres").write_text("[" * 100_000)
    with held(vault_at(tmp_path / "a.session")) as vault:
        loaded = vault.load()
    assert loaded is not None and loaded.session == TEXT and loaded.centres == {}


def test_a_session_of_ours_that_is_nested_without_an_end_is_damaged(tmp_path: Path) -> None:
    """It is sealed as ours are: whoever has the key made it."""
    path = tmp_path / "a.session"
    session_at(path, 2, "149.154.167.51", 443, AUTH_KEY)
    with held(vault_at(path)) as vault:
        saved = vault.load()
        assert saved is not None
        *head, _ = vault.seal(saved).splitlines(keepends=True)
        sealed = SessionKey.load("a secret", path).seal(b"[" * 100_000)
        path.write_bytes(b"".join(head) + b64encode(sealed) + b"\n")
        with pytest.raises(SessionFileDamaged):
            vault.load()


# -- spools


@examples(30)
@given(st.data())
def test_a_spool_says_only_what_is_there(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    place, file = tmp_path_factory.mktemp("spool"), spooled()
    disk = folder(place).acquire(file)
    put(disk, 0, 1, 3)
    disk.close(keep=True)
    (journal,) = place.glob("*.journal")
    journal.write_bytes(data.draw(damaged(journal.read_bytes())))
    again = folder(place).acquire(file)
    assert verify(again) <= {0, 1, 3}
    put(again, 2)
    again.close(keep=True)
    folder(place).sweep()


@pytest.mark.parametrize(
    "text", [b"[" * 100_000, b"{", b"[]", b"3", b'{"part": 10}', b'{"stored": 7}', b'{"synced": {}}']
)
def test_a_line_that_says_nothing_ends_what_holds(text: bytes) -> None:
    """Its checksum fits: whoever can write there can make one that does."""
    begin, checksum = first_line(spooled())
    second, checksum = line(PartWritten(2), checksum)
    forged = b"%08x %b\n" % (zlib.crc32(text, checksum), text)
    history = read_journal(begin + second + forged, boot_id=None)
    assert (history.file, history.end) == (spooled(), len(begin + second))


# -- uploads in a folder


@examples(15)
@given(st.data())
def test_an_upload_whose_record_is_damaged_is_begun_again(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("store")

    async def run() -> None:
        store = FolderStore(root, part_size=64)
        await store.open()
        upload = await store.begin("teltubby/a", content_type="a/b")
        other = await store.begin("teltubby/b", content_type="a/b")
        (record,) = root.glob(f"*/{upload}/upload")
        whole = json.loads(record.read_bytes())
        wrong = nearly(whole).map(lambda value: json.dumps(value).encode())
        record.write_bytes(data.draw(wrong | damaged(record.read_bytes())))
        await store.aclose()
        store = FolderStore(root, part_size=64)
        await store.open()
        assert other in [unfinished.upload_id async for unfinished in store.unfinished("teltubby/")]
        with suppress(UploadVanished):
            await store.put_part("teltubby/a", upload, 1, BODY, sha256=DIGEST)
        await store.abort("teltubby/a", upload)
        await store.put("teltubby/a", BODY, content_type="a/b", sha256=DIGEST)
        assert await store.head("teltubby/a") == ObjectInfo(key="teltubby/a", size=len(BODY))
        await store.aclose()

    anyio.run(run)


@pytest.mark.anyio
async def test_an_upload_whose_record_is_nested_without_an_end_is_begun_again(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, part_size=64)
    await store.open()
    upload = await store.begin("teltubby/a", content_type="a/b")
    (record,) = tmp_path.glob(f"*/{upload}/upload")
    record.write_bytes(b"[" * 100_000)
    with pytest.raises(UploadVanished):
        await store.put_part("teltubby/a", upload, 1, BODY, sha256=DIGEST)
    await store.aclose()


# -- artifacts


@examples(40)
@given(st.data())
def test_an_artifact_is_read_or_none(data: st.DataObject) -> None:
    artifact = artifact_of(album(5, 6, caption="c"))
    body, key = dumps(artifact), artifact["base_path"] + "message.json"
    hostile = data.draw(nearly(json.loads(body)).map(lambda value: json.dumps(value).encode()) | damaged(body))
    with suppress(NoArtifact):
        read_artifact(key, hostile)
    findable(hostile.decode(errors="surrogateescape"))


@examples(3)
@given(st.data())
def test_reindex_passes_over_what_is_none(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    wrong = bench.hand_in([Sent(content=1, unique=1), Sent(content=2, unique=2, fate="queued")], caption="one")
    bench.hand_in([Sent(content=3, unique=3)], caption="two")
    place = bench.folder / wrong
    body = place.read_bytes()
    place.write_bytes(data.draw(nearly(json.loads(body)).map(lambda value: json.dumps(value).encode()) | damaged(body)))
    bench.ledger_path.unlink()
    said: list[str] = []

    async def run() -> None:
        await reindexed(bench.config, said.append, as_json=True, dry_run=False, told=lambda *_: None)

    anyio.run(run)
    (printed,) = said
    assert json.loads(printed)
    assert hashlib.sha256(content(3)).hexdigest() in [row[0] for row in tables(bench.ledger_path)["files"]]
    shutil.rmtree(bench.home)


# -- backups


@examples(30)
@given(manifests(is_sealed=False), st.data())
def test_a_forged_manifest_is_read_or_refused(manifest: Manifest, data: st.DataObject) -> None:
    """Its digest fits: whoever can write there can make one that does, without a key."""
    forged: Any = data.draw(nearly(json.loads(manifest.write(None))) | JSON)
    if isinstance(forged, dict) and "digest" in forged:
        rest = {name: value for name, value in forged.items() if name != "digest"}
        forged["digest"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
    with suppress(BackupDamaged):
        Manifest.read(json.dumps(forged).encode(), manifest.name, None)


PLACE = "/var/lib/teltubby"
CLAIMED = {"place": PLACE, "pid": 7, "teltubby": "1.0"}


@examples(60)
@given(
    nearly(CLAIMED).map(lambda claim: json.dumps(claim).encode())
    | JSON.map(lambda claim: json.dumps(claim).encode())
    | damaged(json.dumps(CLAIMED).encode())
)
@example(json.dumps(CLAIMED).encode())
@example(b"[" * 100_000)
def test_only_a_claim_of_this_place_gives_its_backup_up(claim: bytes) -> None:
    name = BackupName.new("box", Role.BOX, NOON)
    key = name.folder + CLAIM
    entry = Entry(name=name, state=State.UNFINISHED, objects={key: len(claim)})

    async def is_dead() -> bool:
        store = MemoryStore(part_size=64)
        await store.open()
        store.objects[key] = claim
        return await dead(store, entry, place=PLACE, now=NOON)

    assert not anyio.run(is_dead) or json.loads(claim)["place"] == PLACE
