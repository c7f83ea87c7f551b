"""Session files: encrypted, whole or not there, for one process, one key and one api id."""

from __future__ import annotations

import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telethon.crypto import AuthKey
from telethon.sessions import StringSession

from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_text import checked_text, session_text
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.errors import SessionFileDamaged, SessionFileUnusable
from tests.unit.session_files import API_ID, AUTH_KEY, TEXT, held, vault_at

SAVED = SavedSession(api_id=API_ID, account_id=7, session=TEXT, centres={4: bytes(reversed(AUTH_KEY))})
SEALING = vault_at(Path("mtproto.session"))

HOLDS = """
import sys
from pathlib import Path
from teltubby.adapters.session_vault import SessionVault
vault = SessionVault(Path(sys.argv[1]), key=lambda: None, api_id=1)
vault.lock()
print("held", flush=True)
sys.stdin.readline()
"""

keys = st.binary(min_size=256, max_size=256).filter(any)
centre_numbers = st.integers(1, 5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the session is kept, in a folder that is not there yet."""
    return tmp_path / "data" / "mtproto.session"


@pytest.fixture
def vault(path: Path) -> Iterator[SessionVault]:
    """One that has the file to itself."""
    with held(vault_at(path)) as vault:
        yield vault


# -- the text of a session


@given(centre_numbers, st.ip_addresses(), st.integers(1, 65535), keys)
def test_the_text_is_what_telethon_writes(number: int, address: object, port: int, key: bytes) -> None:
    session = StringSession()
    session.set_dc(number, str(address), port)
    session.auth_key = AuthKey(key)
    assert session_text(number, str(address), port, key) == session.save()
    assert checked_text(session.save()) == session.save()


@given(st.text() | st.integers(0, len(TEXT) - 1).map(TEXT.__getitem__) | st.just(StringSession().save()))
def test_no_other_text_is_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"it is no session|it is a session that was cut off|there is no key"):
        checked_text(text)


# -- what was stored is loaded


@given(st.none() | st.integers(1, 2**62), st.dictionaries(centre_numbers, keys))
def test_what_was_sealed_is_unsealed(account_id: int | None, centres: dict[int, bytes]) -> None:
    saved = SavedSession(api_id=API_ID, account_id=account_id, session=TEXT, centres=centres)
    vault = vault_at(Path("unused"))
    assert vault.unseal(vault.seal(saved)) == saved


def test_it_outlasts_the_process(vault: SessionVault, path: Path) -> None:
    assert vault.load() is None and not vault.exists()
    vault.store(SAVED)
    vault.unlock()
    with held(vault_at(path)) as other:
        assert other.load() == SAVED and other.exists()


def test_it_is_for_its_owner_alone_and_shows_nothing(vault: SessionVault, path: Path) -> None:
    draft = path.with_name(path.name + ".new")
    draft.write_text("of a process that died")
    draft.chmod(0o666)
    vault.store(SAVED)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and not draft.exists()
    written = path.read_bytes()
    assert TEXT.encode() not in written and AUTH_KEY not in written and b'session"' not in written
    assert TEXT not in repr(SAVED) and repr(AUTH_KEY) not in repr(SAVED)
    assert vault.sealed() != written  # a fresh nonce each time


def test_removing_leaves_nothing(vault: SessionVault, path: Path) -> None:
    vault.remove()
    vault.store(SAVED)
    for suffix in (".new", ".centres", "-journal"):
        path.with_name(path.name + suffix).write_text("left behind")
    vault.remove()
    vault.remove()
    assert vault.load() is None
    assert [entry.name for entry in path.parent.iterdir()] == ["mtproto.session.lock"]


def test_a_store_that_fails_leaves_the_old_one(vault: SessionVault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.store(SAVED)

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(SessionFileUnusable, match=r"mtproto\.session cannot be written: No space left on device"):
        vault.store(SavedSession(api_id=API_ID, account_id=8, session=TEXT))
    assert vault.load() == SAVED


# -- one process at a time


def test_one_process_has_it(vault: SessionVault, path: Path) -> None:
    vault.unlock()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(SessionFileUnusable, match=f"another process uses the session file {path}: .*/mtlogin"):
            vault.lock()
        holder.communicate("go\n", timeout=30)
    finally:
        holder.kill()
        holder.communicate(timeout=30)
    vault.lock()
    vault.lock()
    vault.unlock()
    vault.unlock()


def test_it_is_not_used_without_the_lock(vault: SessionVault) -> None:
    vault.unlock()
    for use in (vault.load, vault.remove, partial(vault.store, SAVED), partial(vault.store_sealed, b"")):
        with pytest.raises(AssertionError):
            use()


def test_a_place_that_cannot_be_used_is_told(path: Path) -> None:
    path.parent.write_text("a file, not a folder")
    with pytest.raises(SessionFileUnusable, match=r"lock file .* cannot be written"):
        vault_at(path).lock()


def test_a_folder_in_its_place_is_told(vault: SessionVault, path: Path) -> None:
    path.mkdir()
    for use in (vault.load, vault.sealed, vault.remove):
        with pytest.raises(SessionFileUnusable, match="Is a directory"):
            use()


# -- what an operator has to act on


def test_a_key_that_does_not_fit(vault: SessionVault, path: Path) -> None:
    vault.store(SAVED)
    vault.unlock()
    before = path.read_bytes()
    with (
        held(vault_at(path, secret="another secret")) as other,
        pytest.raises(SessionFileDamaged, match="encrypted with another key than TELTUBBY_SECRET_KEY holds"),
    ):
        other.load()
    assert path.read_bytes() == before


def test_a_key_that_was_replaced_meanwhile(path: Path, tmp_path: Path) -> None:
    """What a process writes that runs on can be read after its restart."""
    key_file = tmp_path / "key"

    def vault() -> SessionVault:
        return SessionVault(path, key=partial(SessionKey.load, None, key_file), api_id=API_ID)

    saved = SavedSession(api_id=API_ID, account_id=7, session=TEXT)
    with held(vault()) as running:
        running.store(saved)
        key_file.unlink()
        with pytest.raises(SessionFileDamaged, match="another key"):
            running.load()
        running.store(saved)
    with held(vault()) as restarted:
        assert restarted.load() == saved


def test_another_api_id(vault: SessionVault, path: Path) -> None:
    vault.store(SAVED)
    vault.unlock()
    with (
        held(vault_at(path, api_id=18)) as other,
        pytest.raises(SessionFileDamaged, match="api id 17, but MTPROTO_API_ID is 18"),
    ):
        other.load()


@given(st.data())
def test_what_was_cut_is_never_taken_for_a_session(data: st.DataObject) -> None:
    whole = SEALING.seal(SAVED).rstrip()
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(SessionFileDamaged, match=r"the session file mtproto\.session ") as caught:
        SEALING.unseal(cut)
    assert TEXT not in str(caught.value)


@given(st.data())
def test_what_was_changed_is_never_taken_for_another_session(data: st.DataObject) -> None:
    content = bytearray(SEALING.seal(SAVED))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert SEALING.unseal(bytes(content)) == SAVED  # of base64's last letter not every bit counts
    except SessionFileDamaged as error:
        assert TEXT not in str(error)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"garbage", b"\xff\xfe", TEXT[:-9].encode(), b"1" + b"A" * 352, b"SQLite format 3\0cut"]
)
def test_a_file_that_is_no_session_is_told_and_kept(vault: SessionVault, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    for use in (vault.load, vault.sealed):
        with pytest.raises(SessionFileDamaged, match=f"{path} is damaged .*remove the file to sign in anew"):
            use()
    assert path.read_bytes() == content


def test_a_wrong_key_is_told_before_anybody_signs_in(path: Path, tmp_path: Path) -> None:
    key_path = tmp_path / "key"
    key_path.write_text("no key")
    vault = SessionVault(path, key=partial(SessionKey.load, None, key_path), api_id=API_ID)
    with held(vault), pytest.raises(SessionFileDamaged):
        vault.load()
