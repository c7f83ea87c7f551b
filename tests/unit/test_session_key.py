"""The key of session files: given or made, never one that others can read."""

from __future__ import annotations

import stat
import subprocess
import sys
from base64 import b64decode, b64encode
from functools import partial
from pathlib import Path

import pytest

from teltubby.adapters.session_key import SessionKey
from teltubby.errors import SessionFileDamaged, SessionFileUnusable

SECRET = "0123456789abcdefghijklmnopqrstuv"

AT_ONCE = """
import sys
from pathlib import Path
from teltubby.adapters.session_key import SessionKey
print("up", flush=True)
sys.stdin.readline()
print(SessionKey.load(None, Path(sys.argv[1])).name)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the key is kept, in a folder that is not there yet."""
    return tmp_path / "data" / "teltubby.key"


def test_it_is_made_once_for_its_owner_alone(path: Path) -> None:
    key = SessionKey.load(None, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(b64decode(path.read_bytes(), validate=False)) == 32
    assert [entry.name for entry in path.parent.iterdir()] == ["teltubby.key"]
    again = SessionKey.load(None, path)
    assert again.unseal(key.seal(b"a login")) == b"a login" and again.name == key.name


def test_processes_that_start_at_once_agree_on_one(path: Path) -> None:
    make = partial(subprocess.Popen, [sys.executable, "-c", AT_ONCE, str(path)], text=True)
    processes = [make(stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    try:
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "up\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        names = [process.communicate(timeout=30)[0].strip() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate(timeout=30)
    assert names == [SessionKey.load(None, path).name] * 4
    assert [entry.name for entry in path.parent.iterdir()] == ["teltubby.key"]


def test_one_that_another_process_made_in_the_meantime_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = b64encode(bytes(range(32)))
    link = Path.hardlink_to

    def late(self: Path, target: Path) -> None:
        path.write_bytes(ours)
        path.chmod(0o600)
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", late)
    SessionKey.load(None, path)
    assert path.read_bytes() == ours


def test_a_given_one_needs_no_file(path: Path) -> None:
    key = SessionKey.load(SECRET, path)
    assert SessionKey.load(SECRET, path).unseal(key.seal(b"a login")) == b"a login"
    assert SessionKey.load(SECRET + "x", path).unseal(key.seal(b"a login")) is None
    assert SessionKey.load(SECRET + "x", path).name != key.name
    assert not path.exists() and key.origin == "TELTUBBY_SECRET_KEY"


def test_it_is_not_shown(path: Path) -> None:
    assert SECRET not in repr(SessionKey.load(SECRET, path))
    shown = repr(SessionKey.load(None, path))
    assert path.read_text().strip() not in shown and str(path) in shown


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601, 0o620])
def test_others_may_not_use_it(path: Path, mode: int) -> None:
    SessionKey.load(None, path)
    path.chmod(mode)
    with pytest.raises(SessionFileDamaged, match=f"{path} has mode {mode:04o}.*chmod 600"):
        SessionKey.load(None, path)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"no base64!", b64encode(b"x" * 31), b64encode(b"x" * 33), b"\xff" * 44, b"A" * 4096]
)
def test_what_is_no_key_is_never_replaced(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(SessionFileDamaged, match=f"{path} is (empty|no key)") as caught:
        SessionKey.load(None, path)
    assert path.read_bytes() == content
    assert "no base64" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_told(path: Path) -> None:
    path.parent.write_text("a file, not a folder")
    with pytest.raises(SessionFileUnusable, match=f"the key file {path} cannot be read or made"):
        SessionKey.load(None, path)


def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(SessionFileUnusable, match="Is a directory"):
        SessionKey.load(None, path)
