"""`teltubby backup-session` and `restore-session`, and what all commands about sessions say of wrong settings."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby.adapters.session_key import SessionKey
from teltubby.adapters.session_vault import SavedSession, SessionVault
from teltubby.cli import app
from tests.unit.session_files import API_ID, TEXT, held

BOT_ID, PERSON_ID = 123456, 7
SETTINGS = {
    "TELTUBBY_ENV_FILE": "/dev/null",
    "TELEGRAM_BOT_TOKEN": f"{BOT_ID}:canary",
    "MTPROTO_API_ID": str(API_ID),
    "MTPROTO_API_HASH": "0123456789abcdef",
    "LOG_LEVEL": "ERROR",
}
PERSONS = SavedSession(api_id=API_ID, account_id=PERSON_ID, session=TEXT)
BOTS = SavedSession(api_id=API_ID, account_id=BOT_ID, session=TEXT)


class Machine:
    """Settings, the key, and both sessions' files."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.key_path = home / "teltubby.key"
        self.settings = SETTINGS | {
            "MTPROTO_SESSION_PATH": str(home / "user.session"),
            "MTPROTO_BOT_SESSION_PATH": str(home / "bot.session"),
        }

    def runs(self, *arguments: str, **settings: str) -> Result:
        environment: Mapping[str, str | None] = {**self.settings, **settings}
        return CliRunner().invoke(app, [*map(str, arguments)], env=environment)

    def vault(self, name: str = "user.session") -> SessionVault:
        return SessionVault(self.home / name, key=partial(SessionKey.load, None, self.key_path), api_id=API_ID)

    def holds(self, name: str = "user.session") -> SavedSession | None:
        with held(self.vault(name)) as vault:
            return vault.load()

    def keep(self, saved: SavedSession, name: str = "user.session") -> None:
        with held(self.vault(name)) as vault:
            vault.store(saved)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Without a session."""
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("options", "name", "saved"), [([], "user.session", PERSONS), (["--bot"], "bot.session", BOTS)]
)
def test_there_and_back(machine: Machine, options: list[str], name: str, saved: SavedSession) -> None:
    machine.keep(saved, name)
    backup = machine.runs("backup-session", "copy", *options)
    assert backup.exit_code == 0, backup.stderr
    assert str(machine.key_path) in backup.stdout and "two places at once" in backup.stdout
    copy = machine.home / "copy"
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 and TEXT.encode() not in copy.read_bytes()
    (machine.home / name).unlink()
    restored = machine.runs("restore-session", "copy", *options)
    assert restored.exit_code == 0, restored.stderr
    assert machine.holds(name) == saved and "two places at once" in restored.stdout


def test_a_backup_can_be_made_while_a_worker_uses_the_session(machine: Machine) -> None:
    machine.keep(PERSONS)
    with held(machine.vault()):
        assert machine.runs("backup-session", "copy").exit_code == 0


def test_a_backup_with_the_operators_own_key_names_it(machine: Machine) -> None:
    key = {"TELTUBBY_SECRET_KEY": "0123456789abcdefghijklmnopqrstuv"}
    path = machine.home / "user.session"
    vault = SessionVault(path, key=lambda: SessionKey.load(key["TELTUBBY_SECRET_KEY"], path), api_id=API_ID)
    with held(vault):
        vault.store(PERSONS)
    backup = machine.runs("backup-session", "copy", **key)
    assert backup.exit_code == 0 and "TELTUBBY_SECRET_KEY" in backup.stdout
    assert not machine.key_path.exists() and key["TELTUBBY_SECRET_KEY"] not in backup.output


def test_nothing_is_overwritten(machine: Machine) -> None:
    machine.keep(PERSONS)
    (machine.home / "copy").write_text("precious")
    refused = machine.runs("backup-session", "copy")
    assert refused.exit_code == 1 and "The file copy exists already, and is not overwritten" in refused.stderr
    assert (machine.home / "copy").read_text() == "precious"


def test_there_is_nothing_to_back_up(machine: Machine) -> None:
    refused = machine.runs("backup-session", "copy")
    assert refused.exit_code == 1 and "Nobody is signed in" in refused.stderr
    assert not (machine.home / "copy").exists()


def test_a_place_for_the_backup_that_is_not_there(machine: Machine) -> None:
    machine.keep(PERSONS)
    refused = machine.runs("backup-session", "no/where")
    assert (
        refused.exit_code == 1 and "The file no/where cannot be written: No such file or directory." in refused.stderr
    )


def test_a_session_is_replaced_only_by_force(machine: Machine) -> None:
    machine.keep(PERSONS)
    assert machine.runs("backup-session", "copy").exit_code == 0
    other = SavedSession(api_id=API_ID, account_id=8, session=TEXT)
    machine.keep(other)
    refused = machine.runs("restore-session", "copy")
    assert refused.exit_code == 1 and "--force" in refused.stderr and machine.holds() == other
    assert machine.runs("restore-session", "copy", "--force").exit_code == 0
    assert machine.holds() == PERSONS


def test_a_session_in_use_is_not_replaced(machine: Machine) -> None:
    machine.keep(PERSONS)
    assert machine.runs("backup-session", "copy").exit_code == 0
    with held(machine.vault()):
        refused = machine.runs("restore-session", "copy", "--force")
    assert refused.exit_code == 1 and "Another process uses the session file" in refused.stderr


@pytest.mark.parametrize(
    ("saved", "options", "complaint"),
    [
        (BOTS, [], "the bot's: restore it with --bot"),
        (PERSONS, ["--bot"], "not that of TELEGRAM_BOT_TOKEN's bot"),
        (SavedSession(api_id=18, account_id=7, session=TEXT), [], "api id 18, but MTPROTO_API_ID is 17"),
    ],
)
def test_a_session_that_does_not_belong_here(
    machine: Machine, saved: SavedSession, options: list[str], complaint: str
) -> None:
    (machine.home / "copy").write_bytes(machine.vault().seal(saved))
    refused = machine.runs("restore-session", "copy", *options)
    assert refused.exit_code == 1 and complaint in refused.stderr
    assert machine.holds() is None and machine.holds("bot.session") is None


def test_a_key_that_does_not_fit(machine: Machine) -> None:
    (machine.home / "copy").write_bytes(machine.vault().seal(PERSONS))
    machine.key_path.unlink()
    refused = machine.runs("restore-session", "copy")
    assert refused.exit_code == 1
    assert f"another key than the key file {machine.key_path} holds: bring that key back." in refused.stderr


@pytest.mark.parametrize("content", [b"", b"no session", TEXT.encode(), None])
def test_what_is_no_backup(machine: Machine, content: bytes | None) -> None:
    if content is not None:
        (machine.home / "copy").write_bytes(content)
    refused = machine.runs("restore-session", "copy")
    assert refused.exit_code == 1 and "Traceback" not in refused.stderr and TEXT not in refused.stderr
    assert ("no session file" if content is not None else "No such file or directory") in refused.stderr
    assert machine.holds() is None


COMMANDS = (["login"], ["login", "--bot"], ["logout"], ["backup-session", "copy"], ["restore-session", "copy"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_wrong_settings_end_with_78(machine: Machine, command: list[str]) -> None:
    missing = machine.runs(*command, MTPROTO_API_ID="", TELEGRAM_BOT_TOKEN="", LOG_FORMAT="loud")
    assert missing.exit_code == 78 and missing.stdout == ""
    for name in ("MTPROTO_API_ID", "TELEGRAM_BOT_TOKEN", "LOG_FORMAT"):
        assert sum(line.startswith(name) for line in missing.stderr.splitlines()) == 1


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_key_that_others_can_read_is_told(machine: Machine, command: list[str]) -> None:
    machine.keep(PERSONS)
    machine.keep(BOTS, "bot.session")
    (machine.home / "copy").write_bytes(machine.vault().seal(PERSONS))
    machine.key_path.chmod(0o644)
    refused = machine.runs(*command)
    assert refused.exit_code == 1 and f"chmod 600 {machine.key_path}." in refused.stderr


def test_a_code_needs_a_phone_number(machine: Machine) -> None:
    refused = machine.runs("login", "--code", MTPROTO_PHONE_NUMBER="")
    assert refused.exit_code == 78
    assert refused.stderr.startswith("MTPROTO_PHONE_NUMBER is not set, but must be a phone number")


def test_a_bot_has_no_code(machine: Machine) -> None:
    assert machine.runs("login", "--bot", "--code").exit_code == 2
