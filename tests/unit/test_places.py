"""Folders that this user may not write to are a wrong configuration, said before anything starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teltubby.config import Role, check_places, load
from teltubby.errors import ConfigurationError

ENOUGH = {"TELEGRAM_BOT_TOKEN": "1:token", "TELEGRAM_WHITELIST_IDS": "1"}
MTPROTO = {"MTPROTO_API_ID": "1", "MTPROTO_API_HASH": "0123456789abcdef0123456789abcdef"}


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that this user may not write to; root may, so the system's answer is told in its place."""
    folder = tmp_path / "data"
    folder.mkdir()
    asked = os.access

    def access(path: str | os.PathLike[str], mode: int) -> bool:
        return Path(path) != folder and asked(path, mode)

    monkeypatch.setattr(os, "access", access)
    return folder


def places(folder: Path, *, beside: Path) -> dict[str, str]:
    return {
        "SQLITE_PATH": str(folder / "teltubby.db"),
        "SPOOL_DIR": str(folder / "not" / "there" / "yet"),
        "EMBEDDED_QUEUE_PATH": str(beside / "queue.db"),
        "MTPROTO_BOT_SESSION_PATH": str(beside / "bot.session"),
        "MTPROTO_SESSION_PATH": str(folder / "user.session"),
    }


def test_one_sentence_for_a_folder_with_every_setting_that_leads_there(refused: Path, tmp_path: Path) -> None:
    config = load(Role.BOX, ENOUGH | MTPROTO | places(refused, beside=tmp_path), None)
    with pytest.raises(ConfigurationError) as caught:
        check_places(config)
    assert caught.value.mistakes == (
        f"SQLITE_PATH, MTPROTO_SESSION_PATH and SPOOL_DIR are under {refused}, but this user may not write there: "
        "give it to the user that runs teltubby (chown), or set other paths.",
    )


def test_what_a_process_does_not_use_is_no_matter(refused: Path, tmp_path: Path) -> None:
    here = places(tmp_path, beside=tmp_path)
    check_places(load(Role.BOX, ENOUGH | here | {"MTPROTO_SESSION_PATH": str(refused / "user.session")}, None))
    store = {"STORAGE_FOLDER": str(tmp_path)}
    check_places(load(Role.WORKER, ENOUGH | MTPROTO | here | store | {"SQLITE_PATH": str(refused / "ledger")}, None))
    with pytest.raises(ConfigurationError, match="SPOOL_DIR is under"):
        check_places(load(Role.BOX, ENOUGH | here | {"SPOOL_DIR": str(refused)}, None))


def test_a_disk_that_is_read_only_may_come_back(tmp_path: Path, refused: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs

    def read_only(path: str | os.PathLike[str]) -> os.statvfs_result:
        told = list(real(path))
        told[8] |= os.ST_RDONLY  # f_flag
        return os.statvfs_result(told)

    monkeypatch.setattr(os, "statvfs", read_only)
    check_places(load(Role.BOX, ENOUGH | places(refused, beside=tmp_path), None))


def test_nothing_is_made(tmp_path: Path) -> None:
    check_places(load(Role.BOX, ENOUGH | places(tmp_path / "new", beside=tmp_path), None))
    assert list(tmp_path.iterdir()) == []


def test_who_starts_in_another_folder_is_told_that_no_settings_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError) as caught:
        load(Role.BOX, {})
    assert caught.value.mistakes[-1] == f"There is no .env in {tmp_path}, so only the environment was read."
    (tmp_path / ".env").write_text("CONCURRENCY=x\n")
    with pytest.raises(ConfigurationError) as caught:
        load(Role.BOX, {})
    assert not any("There is no" in mistake for mistake in caught.value.mistakes)
