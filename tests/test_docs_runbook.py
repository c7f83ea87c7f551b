"""Whoever is woken finds every alert, every end of a process and every name of /readyz in the runbook."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from typer.main import get_command

from teltubby import runtime
from teltubby.actors.backup_record import BACKUP
from teltubby.actors.collector_standing import WHERE
from teltubby.actors.phrases.alerts import TITLES
from teltubby.actors.queue import CONFLICT
from teltubby.actors.receiving import INTAKE
from teltubby.actors.unwell import ACTORS
from teltubby.cli import app
from teltubby.exit_codes import EX_CONFIG, EX_FAILED, EX_INTERRUPTED
from teltubby.messages.alerts import AlertKind
from teltubby.messages.routes import AccountKind
from teltubby.trees.watching import BOT_API, LEDGER, STORE
from teltubby.watching import bulletin

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "docs/runbook.md").read_text()
REFERENCE = (ROOT / "docs/configuration.md").read_text().partition("## Exit codes\n")[2].partition("\n## ")[0]
EX_USAGE = click.UsageError.exit_code
KILLED = 128 + 9
"""As a shell tells it; no code of ours."""


def section(title: str) -> str:
    """What stands under a heading of the second rank."""
    return RUNBOOK.partition(f"## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of its tables, by their first cells."""
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return {cells[0].strip(): [cell.strip() for cell in cells[1:]] for cells in lines}


def test_every_alert_has_its_entry_in_the_words_of_the_chat() -> None:
    entries = re.split(r"^### ", section("An alert in Telegram"), flags=re.MULTILINE)[1:]
    assert [entry.splitlines()[0] for entry in entries] == [TITLES[kind] for kind in AlertKind]
    for entry in entries:
        told = re.findall(r"^- \*\*(Means|Look|Do)\*\*: (\S.+)", entry, re.MULTILINE)
        assert [name for name, _ in told] == ["Means", "Look", "Do"], entry


def test_every_trouble_of_an_operator_is_there_by_the_name_that_readyz_has() -> None:
    named = {re.split(r"[:`]", first)[1] for first in rows(section("An alert in Telegram")) if first.startswith("`")}
    assert named == {INTAKE, CONFLICT, BACKUP, WHERE}


def test_every_dependency_is_there() -> None:
    named = {name for first in rows(section("What /readyz names")) for name in re.findall(r"`([a-z_]+)`", first)}
    sessions = {f"{account}_session" for account in AccountKind}
    assert (
        named
        == {"broker", "worker_broker", STORE, LEDGER, BOT_API, ACTORS, BACKUP, "data_disk", "spool_disk"} | sessions
    )


@pytest.mark.parametrize(
    ("table", "others"),
    [(section("A process ended"), {KILLED}), (REFERENCE, set[int]())],
    ids=["runbook", "reference"],
)
def test_every_exit_code(table: str, others: set[int]) -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+)\b", table, re.MULTILINE)}
    ours = {runtime.EXIT_STOPPED, EX_FAILED, EX_USAGE, runtime.EXIT_GAVE_UP, EX_CONFIG, EX_INTERRUPTED}
    assert codes == ours | others


def test_what_the_listener_tells_is_quoted_as_it_tells_it() -> None:
    source = Path(str(bulletin.__file__)).read_text()
    told = RUNBOOK.partition("Under supervisord the admins are told: ")[2].partition("\n")[0]
    quoted = re.findall(r"`([^`]+)`", told)
    assert len(quoted) == 4 and [words for words in quoted if words not in source] == []


def test_every_command_is_documented_with_all_of_its_options() -> None:
    pages = "\n".join(path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
    missing = []
    for name, command in commands(get_command(app), "teltubby"):
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        missing += [words for words in (name, *options) if words not in pages]
    assert missing == []


def commands(group: Any, path: str) -> list[tuple[str, Any]]:
    """All of them, those of groups too, as they are typed."""
    found = []
    for name, command in group.commands.items():
        found.append((f"{path} {name}", command))
        if hasattr(command, "commands"):
            found += commands(command, f"{path} {name}")
    return found
