"""Sessions that lie in the clear: ours until session files were encrypted, and Telethon's, as the old bot kept it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from teltubby.adapters.session_text import KEY_BYTES, checked_text, session_text

SQLITE_MAGIC = b"SQLite format 3\0"
"""What an SQLite file begins with (https://www.sqlite.org/fileformat.html, 1.3)."""
_SIBLINGS = ("-journal", "-wal", "-shm", ".centres")


def old_siblings(path: Path) -> tuple[Path, ...]:
    """What old sessions have beside them: SQLite's journals, and the keys of foreign data centres."""
    return tuple(path.with_name(path.name + suffix) for suffix in _SIBLINGS)


def read_text(content: bytes) -> str:
    """The session in a file of one line. Raises ValueError when it is none."""
    try:
        return checked_text(content.decode("ascii").strip())
    except UnicodeDecodeError:
        raise ValueError("it is no session") from None


def read_sqlite(path: Path) -> str | None:
    """The session in a file of Telethon's SQLiteSession (versions 1 to 8); None when nobody signed in with it.

    Raises ValueError when it is damaged or no session, OSError when it cannot be read or another process uses it.
    """
    # Not read-only: what a crash left half written in a journal beside it can only be put right by writing.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as connection:
            connection.execute("BEGIN EXCLUSIVE")
            rows = connection.execute("SELECT dc_id, server_address, port, auth_key FROM sessions").fetchall()
            connection.rollback()
    except sqlite3.Error as error:
        raise _told(error, path) from error
    match rows:
        case [] | [(_, _, _, b"" | None)]:
            return None
        case [(int() as data_centre, str() as address, int() as port, bytes() as key)]:
            return session_text(data_centre, address, port, key)
        case _:
            raise ValueError("it is no session of one account")


def read_centres(path: Path) -> tuple[int | None, dict[int, bytes]]:
    """The account and its keys by data centre; nothing where there is no such file: keys can always be had anew."""
    try:
        content = json.loads(path.with_name(path.name + ".centres").read_text())
        keys = {int(number): bytes.fromhex(key) for number, key in content["keys"].items()}
        account = int(content["account"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None, {}
    return account, {number: key for number, key in keys.items() if len(key) == KEY_BYTES}


def _told(error: sqlite3.Error, path: Path) -> Exception:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return BlockingIOError(0, "another program has it open: is the old bot still running?", str(path))
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PERM):
        return OSError(0, f"SQLite says: {error}", str(path))
    return ValueError(f"SQLite says: {error}")
