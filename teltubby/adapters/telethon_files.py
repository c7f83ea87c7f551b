"""The files of an MTProto session: the login, and the keys of foreign data centres. Only their owner may read them."""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from telethon.sessions import StringSession

from teltubby.errors import SessionFileUnusable, Unauthorised

KEY_BYTES = 256


def lock(path: Path) -> IO[str]:
    """Hold the session at `path` for this process, until the handle is closed. Raises SessionFileUnusable."""
    beside = path.with_name(path.name + ".lock")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        handle = beside.open("w")
    except OSError as error:
        raise SessionFileUnusable(f"the session's lock file {beside} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        handle.close()
        raise SessionFileUnusable(f"another process uses the session file {path}") from error
    return handle


def load_session(path: Path) -> StringSession:
    """The login, or an empty one. Raises SessionFileUnusable, Unauthorised."""
    try:
        return StringSession(path.read_text().strip() if path.exists() else "")
    except OSError as error:
        raise SessionFileUnusable(f"the session file {path} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error) as error:
        raise Unauthorised(f"the session file {path} is damaged; remove it to sign in anew") from error


def store(path: Path, text: str) -> None:
    """Replace the file in one step; it is a key to the account. Raises OSError."""
    draft = path.with_name(path.name + ".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    draft.replace(path)


def keys_path(session: Path) -> Path:
    """Where the keys of foreign data centres lie: beside the session file."""
    return session.with_name(session.name + ".centres")


def load_keys(path: Path, account_id: int) -> dict[int, bytes]:
    """The keys by data centre; none where there are none, or of another account: they can always be had anew."""
    try:
        content = json.loads(path.read_text())
        if content["account"] != account_id:
            return {}
        keys = {int(dc): bytes.fromhex(key) for dc, key in content["keys"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {dc: key for dc, key in keys.items() if len(key) == KEY_BYTES}


def keys_text(account_id: int, keys: Mapping[int, bytes]) -> str:
    """What `load_keys` reads."""
    return json.dumps({"account": account_id, "keys": {str(dc): key.hex() for dc, key in keys.items()}})
