"""The key that encrypts session files, and what can be said of a session file without opening the session."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path

from anyio import to_thread

from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.config import Config
from teltubby.doctor.findings import Findings
from teltubby.doctor.troubles import Trouble
from teltubby.errors import SessionFileDamaged, SessionFileUnusable, TeltubbyError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


async def look_at_key(config: Config, findings: Findings) -> bool:
    """Whether there is a key that session files can be opened with; none is made."""
    settings = config.mtproto
    if settings.secret_key is not None:
        findings.well("key", "TELTUBBY_SECRET_KEY is set")
        return True
    return await to_thread.run_sync(partial(_look_at_file, settings.key_path, findings), abandon_on_cancel=True)


def _look_at_file(path: Path, findings: Findings) -> bool:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        findings.well("key", f"{path} is not there yet, and will be made at the first start")
        return False
    except OSError as error:
        findings.trouble("key", Trouble.KEY_FILE_UNUSABLE, f"{path}: {error.strerror}")
        return False
    if mode & _OTHERS:
        found = f"{path} has mode {stat.S_IMODE(mode):04o}: others than its owner may use it"
        findings.trouble("key", Trouble.KEY_FILE_OPEN, found)
        return False
    try:
        SessionKey.load(None, path)
    except (SessionFileDamaged, SessionFileUnusable) as error:
        findings.trouble("key", Trouble.KEY_FILE_UNUSABLE, error)
        return False
    findings.well("key", f"{path}, for its owner alone")
    return True


class Unreadable(Exception):
    """There is a session file, and it cannot be used; `trouble` says which way."""

    def __init__(self, trouble: Trouble, found: object) -> None:
        super().__init__(str(found))
        self.trouble = trouble


def read_session(vault: SessionVault, *, has_key: bool) -> SavedSession | None:
    """What the file holds, None where there is none. Blocking; changes nothing. Raises Unreadable."""
    try:
        if not vault.exists():
            return None
        if not has_key:
            raise Unreadable(
                Trouble.SESSION_OTHER_KEY, f"{vault.path} is there, but the key to it is not, or cannot be used"
            )
        sealed = vault.sealed()
        return None if sealed is None else vault.unseal(sealed)
    except (SessionFileDamaged, SessionFileUnusable) as error:
        raise Unreadable(trouble_of_file(error), error) from error


def is_in_use(vault: SessionVault) -> bool:
    """Whether another process has it. Blocking. Raises Unreadable where it cannot be locked at all."""
    try:
        vault.lock()
    except SessionFileUnusable as error:
        if isinstance(error.__cause__, BlockingIOError):
            return True
        raise Unreadable(Trouble.SESSION_UNUSABLE, error) from error
    vault.unlock()
    return False


def trouble_of_file(error: TeltubbyError) -> Trouble:
    """Which trouble an error of the vault is; they differ in words only."""
    if isinstance(error, SessionFileUnusable):
        return Trouble.SESSION_UNUSABLE
    if error.says("with another key"):
        return Trouble.SESSION_OTHER_KEY
    if error.says("with api id"):
        return Trouble.SESSION_OTHER_API_ID
    return Trouble.SESSION_DAMAGED
