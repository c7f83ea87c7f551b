"""Session files for tests: a login that was never used, and vaults that hold it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_text import session_text
from teltubby.adapters.session_vault import SessionVault

API_ID = 17
AUTH_KEY = bytes(range(256))
TEXT = session_text(2, "149.154.167.51", 443, AUTH_KEY)


def vault_at(path: Path, *, api_id: int = API_ID, secret: str = "a secret") -> SessionVault:
    """One that does not have the file yet."""
    return SessionVault(path, key=partial(SessionKey.load, secret, path), api_id=api_id)


@contextmanager
def held(vault: SessionVault) -> Iterator[SessionVault]:
    """It has the file meanwhile."""
    vault.lock()
    try:
        yield vault
    finally:
        vault.unlock()
