"""The documentation names what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from teltubby import runtime
from teltubby.actors.phrases import COMMANDS
from teltubby.adapters.metrics import Metrics
from teltubby.cli import EX_CONFIG, app
from teltubby.config.model import all_variables
from teltubby.messages.media import SkipReason

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_every_bot_command_is_documented_and_no_other() -> None:
    rows = OPERATIONS.partition("## Bot commands")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`/([a-z_]+)", "\n".join(line for line in rows.splitlines() if line.startswith("|"))))
    assert documented == set(COMMANDS)


def test_every_metric_is_documented_and_no_other() -> None:
    served = {
        f"{family.name}_total" if family.type == "counter" else family.name for family in Metrics().registry.collect()
    }
    assert set(re.findall(r"`(teltubby_[a-z_]+)`", OPERATIONS)) == served


def test_exit_codes() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", OPERATIONS, re.MULTILINE)}
    assert codes == {runtime.EXIT_STOPPED, runtime.EXIT_GAVE_UP, EX_CONFIG}


def test_every_reason_for_a_file_that_was_not_archived_is_documented() -> None:
    assert {reason for reason in SkipReason if f"`{reason}`" not in OPERATIONS} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_commands_targets_and_links_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    settings = {variable.name for variable in all_variables()} | {
        alias for variable in all_variables() for alias in variable.aliases
    }
    named = set(re.findall(r"\b((?:TELEGRAM|MTPROTO|S3|RABBITMQ|JOB|WORKER|TELTUBBY)_[A-Z0-9_]*[A-Z0-9])\b", text))
    assert named - settings == set()
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 - a click group, behind typer's types
    assert set(re.findall(r"teltubby (run|bot|worker|[a-z]+-[a-z]+|tree|demo)\b", text)) <= commands
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z]+)\b", text)) <= targets
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
