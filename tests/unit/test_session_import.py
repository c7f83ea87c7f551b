"""Sessions that lie in the clear are taken over, and nothing of them stays in the clear."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from telethon.crypto import AuthKey
from telethon.sessions import SQLiteSession

from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.errors import SessionFileDamaged, SessionFileUnusable
from tests.unit.session_files import API_ID, AUTH_KEY, TEXT, held, vault_at

IMPORTED = SavedSession(api_id=API_ID, account_id=None, session=TEXT)

DIES_LOGGING = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("UPDATE sessions SET auth_key = ?", (bytes(range(256)),))
os.kill(os.getpid(), signal.SIGKILL)
"""
DIES_WRITING = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size=1")
connection.execute("BEGIN")
connection.execute("UPDATE sessions SET auth_key = zeroblob(256)")
connection.execute("CREATE TABLE filler (content BLOB)")
for _ in range(200):
    connection.execute("INSERT INTO filler VALUES (zeroblob(4000))")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the old bot kept it."""
    return tmp_path / "mtproto.session"


@pytest.fixture
def vault(path: Path) -> Iterator[SessionVault]:
    """One that has the file to itself."""
    with held(vault_at(path)) as vault:
        yield vault


def telethon_wrote(path: Path, key: bytes = AUTH_KEY) -> None:
    """A session file of the Telethon that is installed."""
    session = SQLiteSession(str(path))
    session.set_dc(2, "149.154.167.51", 443)
    session.auth_key = AuthKey(key) if key else None
    session.save()
    session.close()


def in_the_clear(folder: Path) -> list[str]:
    """The files that hold the key or the session's text as they are."""
    contents = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
    return [name for name, content in contents.items() if AUTH_KEY in content or TEXT.encode() in content]


def taken_over(vault: SessionVault, expected: SavedSession = IMPORTED) -> None:
    """It is read, is encrypted from then on, and lies nowhere in the clear."""
    assert vault.load() == expected
    assert in_the_clear(vault.path.parent) == []
    assert sorted(entry.name for entry in vault.path.parent.iterdir()) == [vault.path.name, f"{vault.path.name}.lock"]
    assert vault.unseal(vault.path.read_bytes()) == expected == vault.load()


@pytest.mark.parametrize("end", ["", "\n"])
def test_our_own_of_yesterday(vault: SessionVault, path: Path, end: str) -> None:
    path.write_text(TEXT + end)
    taken_over(vault)


def test_the_keys_of_foreign_data_centres_come_along(vault: SessionVault, path: Path) -> None:
    path.write_text(TEXT)
    keys = {"4": AUTH_KEY.hex(), "5": "abcd"}
    path.with_name(path.name + ".centres").write_text(json.dumps({"account": 7, "keys": keys}))
    taken_over(vault, SavedSession(api_id=API_ID, account_id=7, session=TEXT, centres={4: AUTH_KEY}))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"account": 7, "keys": 3}', '{"account": 7, "keys": {"4": "x"}}'])
def test_damaged_keys_of_foreign_data_centres_are_dropped(vault: SessionVault, path: Path, content: str) -> None:
    path.write_text(TEXT)
    path.with_name(path.name + ".centres").write_text(content)
    taken_over(vault)


def test_the_old_bots(vault: SessionVault, path: Path) -> None:
    telethon_wrote(path)
    assert in_the_clear(path.parent) == [path.name]
    taken_over(vault)


def test_one_of_an_older_telethon(vault: SessionVault, path: Path) -> None:
    """Version 4: no takeout id, no temporary key."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE version (version integer primary key)")
        connection.execute("INSERT INTO version VALUES (4)")
        connection.execute(
            "CREATE TABLE sessions (dc_id integer primary key, server_address text, port integer, auth_key blob)"
        )
        connection.execute("INSERT INTO sessions VALUES (2, '149.154.167.51', 443, ?)", (AUTH_KEY,))
    taken_over(vault)


def test_one_with_a_write_ahead_log(vault: SessionVault, path: Path) -> None:
    telethon_wrote(path, key=bytes(reversed(AUTH_KEY)))
    died = subprocess.run([sys.executable, "-c", DIES_LOGGING, str(path)], timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL and in_the_clear(path.parent) == [f"{path.name}-wal"]
    taken_over(vault)


def test_one_that_a_crash_left_half_written(vault: SessionVault, path: Path) -> None:
    telethon_wrote(path)
    died = subprocess.run([sys.executable, "-c", DIES_WRITING, str(path)], timeout=60, check=False)
    assert died.returncode == -signal.SIGKILL and in_the_clear(path.parent) == [f"{path.name}-journal"]
    taken_over(vault)


def test_one_that_the_old_bot_has_open(vault: SessionVault, path: Path) -> None:
    telethon_wrote(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as old_bot:
        old_bot.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionFileUnusable, match="is the old bot still running"):
            vault.load()
    taken_over(vault)


def test_one_in_which_nobody_signed_in(vault: SessionVault, path: Path) -> None:
    telethon_wrote(path, key=b"")
    assert vault.load() is None and vault.sealed() is None
    vault.store(IMPORTED)
    taken_over(vault)


def test_a_backup_can_be_made_while_it_lies_in_the_clear(vault: SessionVault, path: Path) -> None:
    vault.unlock()
    path.write_text(TEXT)
    sealed = vault.sealed()
    assert sealed is not None and vault.unseal(sealed) == IMPORTED
    assert path.read_text() == TEXT


def test_one_that_cannot_be_replaced_stays_as_it_is(
    vault: SessionVault, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(TEXT)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(SessionFileUnusable, match="No space left on device"):
            vault.load()
    taken_over(vault)


def test_what_a_crash_left_beside_it_goes_with_the_next_start(vault: SessionVault, path: Path) -> None:
    vault.store(IMPORTED)
    for suffix in ("-journal", "-wal", "-shm", ".centres"):
        path.with_name(path.name + suffix).write_text(TEXT)
    taken_over(vault)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("other (x)", ("1",)),
        ("sessions (dc_id, server_address, port, auth_key)", (2, "no address", 443, AUTH_KEY)),
        ("sessions (dc_id, server_address, port, auth_key)", (2, "149.154.167.51", 443, b"short")),
        ("sessions (dc_id, server_address, port, auth_key)", (2, "149.154.167.51", 99999, AUTH_KEY)),
        ("sessions (dc_id, server_address, port, auth_key)", ("two", "149.154.167.51", 443, AUTH_KEY)),
    ],
)
def test_a_database_that_is_no_session(vault: SessionVault, path: Path, table: str, row: tuple[object, ...]) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE {table}")
        connection.execute(f"INSERT INTO {table.split()[0]} VALUES ({', '.join('?' * len(row))})", row)
    before = path.read_bytes()
    with pytest.raises(SessionFileDamaged, match="remove the file to sign in anew"):
        vault.load()
    assert path.read_bytes() == before
