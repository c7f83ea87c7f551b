"""The documentation names what there is, and nothing else."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.main import get_command

from teltubby import runtime
from teltubby.actors.audit import LIMITS
from teltubby.actors.phrases import COMMANDS
from teltubby.actors.phrases.alerts import REMEDIES, TITLES
from teltubby.actors.phrases.workers import account_line
from teltubby.actors.relay_channel import DELETABLE, KEPT
from teltubby.actors.session import LOOK_SECONDS, SIGN_IN_AGAIN_SECONDS, SUSPENDED_SECONDS
from teltubby.actors.sign_in_steps import STAGE_SECONDS, TRIES
from teltubby.actors.whispers import KEPT_SECONDS
from teltubby.adapters.metrics_reference import metric_names, metrics_table
from teltubby.archive.conditions import PATIENCE
from teltubby.archive.session_states import LONG_FLOOD_SECONDS, SessionEvent, after, trouble_after
from teltubby.cli import app
from teltubby.config.model import all_variables
from teltubby.config.telegram import MtprotoSettings
from teltubby.exit_codes import EX_CONFIG
from teltubby.messages.alerts import AlertKind
from teltubby.messages.media import SkipReason
from teltubby.messages.routes import ARTIFACT_ROUTE, AccountKind, FileRoute
from teltubby.messages.session import SessionStanding, SessionState

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
ACCOUNTS = OPERATIONS.partition("## Accounts and ways\n")[2].partition("\n## ")[0]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
MINUTE, HOUR = 60.0, 3600.0


def test_every_bot_command_is_documented_and_no_other() -> None:
    rows = OPERATIONS.partition("## Bot commands")[2].partition("\n## ")[0]
    documented = set(re.findall(r"`/([a-z_]+)", "\n".join(line for line in rows.splitlines() if line.startswith("|"))))
    assert documented == set(COMMANDS)


def test_every_metric_is_documented_and_no_other() -> None:
    assert metrics_table() in OPERATIONS, "PYTHONPATH=. python scripts/write-reference.py"
    assert set(re.findall(r"`(teltubby_[a-z_]+)`", OPERATIONS)) == metric_names()


def test_every_alert_is_documented_and_no_other() -> None:
    rows = OPERATIONS.partition("| alert | told | what to do |\n")[2].partition("\n\n")[0].splitlines()[1:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(len(row) == 3 and all(row) for row in cells)
    assert [row[0] for row in cells] == [TITLES[kind] for kind in AlertKind]
    for kind, (_, told, _) in zip(AlertKind, cells, strict=True):
        patience = PATIENCE[kind]
        assert ("also in quiet hours" in told) is patience.wakes, kind
        assert not patience.after or f"{patience.after.seconds // 60} min" in told, kind
    assert set(REMEDIES) == set(AlertKind)


def test_exit_codes() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", OPERATIONS, re.MULTILINE)}
    assert codes == {runtime.EXIT_STOPPED, runtime.EXIT_GAVE_UP, EX_CONFIG}


def test_every_reason_for_a_file_that_was_not_archived_is_documented() -> None:
    assert {reason for reason in SkipReason if f"`{reason}`" not in OPERATIONS} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_commands_targets_and_links_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    settings = {variable.name for variable in all_variables()} | {
        other for variable in all_variables() for other in (*variable.aliases, *variable.file_names)
    }
    groups = "ALERTS?|TELEGRAM|MTPROTO|S3|RABBITMQ|JOB|WORKER|TELTUBBY"
    named = set(re.findall(rf"\b((?:{groups})_[A-Z0-9_]*[A-Z0-9])\b", text))
    assert named - settings == set()
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 - a click group, behind typer's types
    assert set(re.findall(r"teltubby (run|bot|worker|[a-z]+-[a-z]+|tree|demo)\b", text)) <= commands
    assert set(re.findall(r"`teltubby ([a-z][a-z-]*)", text)) <= commands
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z]+)\b", text, re.MULTILINE)) <= targets
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (page.parent / link).exists(), link
    for link, section in re.findall(r"\]\(([^):]*)#([^)]+)\)", text):
        assert section in sections((page.parent / link) if link else page), f"{link}#{section}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    named = re.findall(r"`(?:\./)?((?:teltubby|tests|scripts|deploy|docs|benchmarks)/[\w./-]*)`", page.read_text())
    made = ("teltubby/doctor/", "deploy/secrets")  # in the store, and by scripts/make-secrets.sh
    assert [path for path in named if not path.startswith(made) and not (ROOT / path).exists()] == []


def sections(page: Path) -> set[str]:
    """What links call the headings of a page, as GitHub makes it of them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


# -- accounts and ways


@pytest.mark.parametrize("page", [ACCOUNTS, ARCHITECTURE], ids=["operations", "architecture"])
def test_the_ways_are_documented_in_their_order(page: str) -> None:
    rows = [re.fullmatch(r"\| `(relay|bot|origin|own)` \|.+", line) for line in page.splitlines()]
    assert [row[1] for row in rows if row] == list(FileRoute)


def test_whose_account_goes_which_way() -> None:
    rows = dict(re.findall(r"^\| `([a-z]+)` \| (user|bot) \|", ACCOUNTS, re.MULTILINE))
    assert rows == {route: route.account for route in FileRoute}
    assert f"(`{','.join(MtprotoSettings().routes)}`)" in ACCOUNTS
    assert all(f"`{route}`" in ACCOUNTS for route in ARTIFACT_ROUTE.values())
    assert all(f"`{route}` (" in README for route in FileRoute)


def test_every_trouble_that_admins_are_told_is_documented() -> None:
    rows = ACCOUNTS.partition("| the account is |")[2].partition("\n\n")[0].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert all(len(row) == 4 and all(row) for row in cells)
    documented = {(row[0], account) for row in cells for account in AccountKind if row[1] in (account, "either")}
    assert documented == {(in_words(state, account), account) for state in troubling() for account in AccountKind}


def troubling() -> set[SessionState]:
    """The states in which trouble begins."""
    return {
        reached
        for event in SessionEvent
        for reached in (after(state, event) for state in SessionState)
        if trouble_after(None, event, reached, in_use=True, flood_seconds=HOUR) is not None
    }


def in_words(state: SessionState, account: AccountKind) -> str:
    """As the chat says it."""
    standing = SessionStanding(account=account, state=state, detail="", since=datetime.now(UTC))
    return account_line(standing).partition(": ")[2]


def test_what_the_commands_say_is_quoted_as_they_say_it() -> None:
    table = ACCOUNTS.partition("| message | what to do |")[2].partition("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)` \| .+ \|$", table, re.MULTILINE)
    assert len(quoted) == len(table.strip().splitlines()) - 1
    said = "\n".join(said_by(ROOT / "teltubby" / part) for part in ("login", "adapters", "cli.py", "errors.py"))
    assert [words for words in quoted if words.casefold() not in said.casefold()] == []


def said_by(part: Path) -> str:
    """Every text in the source; where a value stands in one, a line ends."""
    files = sorted(part.rglob("*.py")) if part.is_dir() else [part]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def test_times_and_numbers() -> None:
    promised = (
        f"renewed for {STAGE_SECONDS / MINUTE:.0f} minutes",
        f"There are {STAGE_SECONDS / MINUTE:.0f} minutes and {TRIES} tries",
        f"for {KEPT_SECONDS / MINUTE:.0f} minutes at most",
        f"after {KEPT.total_seconds() / HOUR:.0f} hours in any case",
        f"that is older than {DELETABLE.total_seconds() / HOUR:.0f}",
        f"tries again every {SIGN_IN_AGAIN_SECONDS / MINUTE:.0f} minutes",
        f"a flood wait of more than {LONG_FLOOD_SECONDS / MINUTE:.0f} minutes",
    )
    assert [words for words in promised if words not in ACCOUNTS] == []
    assert (SUSPENDED_SECONDS, LOOK_SECONDS) == (HOUR, MINUTE)
    assert all(words in ACCOUNTS for words in ("tried again once an hour", "again every minute", "within a minute"))


def test_limits_of_commands_with_secrets() -> None:
    for command, limit in LIMITS.items():
        [row] = [line for line in OPERATIONS.splitlines() if line.startswith(f"| `/{command}`")]
        minutes = limit.within.total_seconds() / 60
        assert row.endswith(f"At most {limit.times} in {'an hour' if minutes == 60 else f'{minutes:.0f} minutes'} |")
