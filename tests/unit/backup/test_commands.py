"""The commands as they are typed: what they say, and what they end with."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import anyio
import pytest
from typer.testing import CliRunner, Result

from teltubby.actors.readiness import Outlook
from teltubby.adapters.folder_store import FolderStore
from teltubby.backup.making import Backups
from teltubby.cli import app
from teltubby.trees.backing_up import backup_children
from tests.unit.backup.installation import KEY, NOON, SECRETS, Installation

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.usefixtures("_no_settings")


@pytest.fixture
def _no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def typed(home: Installation, *arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(app, arguments, env={**home.settings, **settings})


@pytest.fixture
def archive(home: Installation) -> Path:
    """The store, which is there."""
    folder = home.root / "archive"
    folder.mkdir()
    return folder


def test_made_listed_and_brought_back(home: Installation, archive: Path) -> None:
    assert "There is no backup" in typed(home, "backup", "--list").stdout
    made = typed(home, "backup")
    assert made.exit_code == 0 and "is made and verified" in made.stdout and "is sealed with the key" in made.stdout
    assert not any(secret in made.output for secret in (*SECRETS, KEY))
    (listed,) = json.loads(typed(home, "backup", "--list", "--json").stdout)
    assert listed["state"] == "complete" and set(listed["files"]) == {"ledger.db", "user.session", "settings.env"}
    assert typed(home, "backup", "--list").stdout.startswith(f"{listed['name']}  complete, sealed")
    home.close()
    assert typed(home, "restore").exit_code == 1
    back = typed(home, "restore", listed["name"], "--force")
    assert back.exit_code == 0 and "What was there is kept: " in back.stdout and "teltubby doctor" in back.stdout
    written = typed(home, "restore", "--settings", str(home.root / "new.env"))
    assert written.exit_code == 0 and f"BACKUP_KEY='{KEY}'" in (home.root / "new.env").read_text()
    assert KEY not in written.output
    everything = typed(home, "restore", "--into", str(home.root / "copies"), "--json")
    assert set(json.loads(everything.stdout)["files"]) == set(listed["files"])


def test_without_a_key_it_says_what_is_left_out_and_how_to_have_it(home: Installation, archive: Path) -> None:
    said = typed(home, "backup", BACKUP_KEY="").stdout
    assert "user.session     left out: BACKUP_KEY is not set" in said and "openssl rand" in said


def test_what_comes_back_without_a_key_is_told(home: Installation, archive: Path) -> None:
    made = json.loads(typed(home, "backup", "--json", BACKUP_KEY="").stdout)["name"]
    home.close()
    back = typed(home, "restore", made, "--force", BACKUP_KEY="")
    assert back.exit_code == 0 and "user.session     is not in it: BACKUP_KEY is not set" in back.stdout
    assert "must not run in two places" not in back.stdout and "--settings FILE" not in back.stdout
    into = typed(home, "restore", made, "--into", str(home.root / "copies"), BACKUP_KEY="")
    assert into.exit_code == 0 and "teltubby doctor" not in into.stdout


def test_older_ones_go_and_it_says_so(home: Installation, archive: Path) -> None:
    async def make() -> str:
        store = FolderStore(archive, part_size=1 << 20)
        await store.open()
        made = await Backups(home.config(), host=socket.gethostname(), clock=lambda: NOON).make(store)
        await store.aclose()
        return str(made.manifest.name)

    old = anyio.run(make)
    done = typed(home, "backup", BACKUP_KEEP="1", BACKUP_KEEP_DAILY="0", BACKUP_KEEP_WEEKLY="0")
    assert done.exit_code == 0 and f"The backup {old} is removed: newer ones are kept." in done.stdout


def test_into_a_folder_of_its_own(home: Installation, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    assert typed(home, "backup", BACKUP_FOLDER=str(folder)).exit_code == 1, "it is not made: a disk may not be mounted"
    folder.mkdir()
    assert typed(home, "backup", BACKUP_FOLDER=str(folder)).exit_code == 0
    assert list(folder.glob("teltubby-backups/*/box/*/manifest.json"))
    assert not (home.root / "archive").exists()


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        (["restore"], {}, 1, "no complete backup of a box"),
        (["restore", "a/box/20200101-000000"], {}, 1, "There is no backup a/box/20200101-000000"),
        (["restore", "--into", "x", "--settings", "y"], {}, 2, "give one of the two"),
        (["backup", "--role", "bot"], {"STORAGE_FOLDER": ""}, 78, "Neither S3_BUCKET nor STORAGE_FOLDER"),
        (["backup"], {"BACKUP_KEY": "too short"}, 78, "BACKUP_KEY is '****', but must be"),
        (["prune", "--role", "worker"], {"STORAGE_FOLDER": ""}, 78, "Neither S3_BUCKET nor STORAGE_FOLDER"),
    ],
)
def test_what_does_not_go(
    home: Installation, archive: Path, arguments: list[str], settings: dict[str, str], code: int, words: str
) -> None:
    done = typed(home, *arguments, **settings)
    assert (done.exit_code, words in " ".join(done.stderr.split())) == (code, True), done.stderr


def test_the_backup_of_another_role_is_not_taken_for_ours(home: Installation, archive: Path) -> None:
    made = json.loads(typed(home, "backup", "--role", "bot", "--json").stdout)["name"]
    done = typed(home, "restore", made)
    assert done.exit_code == 1 and "--role bot" in done.stderr


@pytest.mark.parametrize(("hours", "names"), [("0", []), ("0.5", ["backup"])])
def test_a_process_makes_them_by_itself_if_it_shall(home: Installation, hours: str, names: list[str]) -> None:
    config = home.config(BACKUP_INTERVAL_HOURS=hours)
    assert [child.name for child in backup_children(config, Outlook())] == names


def test_what_the_runbook_quotes_is_said() -> None:
    """The table of docs/operations.md, against the words in the source."""
    section = (ROOT / "docs/operations.md").read_text().partition("## Backup and restore\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    quoted = [words for row in rows for words in re.findall(r"`([^`]+)`", row)]
    folders = (ROOT / "teltubby/backup", ROOT / "teltubby/recovery")
    source = " ".join(path.read_text() for folder in folders for path in sorted(folder.glob("*.py")))
    assert len(quoted) >= 10 and [words for words in quoted if words not in source] == []


@pytest.mark.parametrize("role", ["bot", "worker"])
def test_a_new_container_goes_on_with_the_series_of_the_one_before_it(role: str) -> None:
    """Backups are sorted by host, and a container that gives itself no name has a new one each time."""
    quadlet = (ROOT / f"deploy/quadlet/teltubby-{role}.container").read_text()
    assert f"\nHostName=teltubby-{role}\n" in quadlet
    service = (ROOT / "deploy/compose.yaml").read_text().partition(f"\n  {role}:\n")[2].partition("\n\n")[0]
    assert f"    hostname: teltubby-{role}\n" in service


def test_another_bots_backup_is_not_brought_back_by_mistake(home: Installation, archive: Path) -> None:
    made = json.loads(typed(home, "backup", "--json").stdout)["name"]
    home.close()
    other = {"TELEGRAM_BOT_TOKEN": "456:another-bot", "SQLITE_PATH": str(home.root / "other.db")}
    refused = typed(home, "restore", made, "--force", **other)
    assert refused.exit_code == 1 and "is the backup of bot 123, and TELEGRAM_BOT_TOKEN is that of bot 456" in " ".join(
        refused.stderr.split()
    )
    assert not (home.root / "other.db").exists()
    assert typed(home, "restore", made, "--into", str(home.root / "copies"), **other).exit_code == 0
