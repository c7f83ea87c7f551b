"""docs/quick-start.md is held to its words: settings, commands, messages, and the supervisord.conf that it copies."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from teltubby.cli import app
from teltubby.config import Role, load
from teltubby.trees.box import box_tree
from teltubby.trees.stopping import stop_seconds

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/quick-start.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
VALUE = "\0"
"""What stands for a value in a text of the source."""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `.env` that the page's own shell writes; the key is drawn here."""
    monkeypatch.chdir(tmp_path)
    [written] = [
        re.search(r"^cat >\.env.*?^END\n", block, re.DOTALL | re.MULTILINE) for block in BLOCKS if ".env" in block
    ]
    assert written is not None
    drawn = "openssl() { echo dGhpcyBpcyBhIGtleSBvZiAzMiBieXRlcyBvciBtb3JlLi4=; }\n"
    subprocess.run(["sh", "-euc", drawn + written[0]], cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin"})
    return tmp_path / ".env"


def test_its_settings_are_right_and_have_what_it_promises(settings: Path) -> None:
    result = CliRunner().invoke(app, ["check-config"])
    assert result.exit_code == 0, result.stderr
    config = load(Role.BOX, {}, settings)
    assert config.mtproto.api_id and config.telegram.bot_token and len(config.telegram.whitelist_ids) == 2
    assert f"every {config.backup.interval_hours:g} hours" in PAGE and config.backup.key is not None
    assert str(config.storage.folder) == "/data/archive" and config.backup.folder is None
    config = load(Role.BOX, {}, without(settings, "MTPROTO_API_ID", "MTPROTO_API_HASH"))
    assert config.mtproto.api_id is None, "they can be left out, both"


def without(settings: Path, *names: str) -> Path:
    lines = settings.read_text().splitlines()
    settings.write_text("\n".join(line for line in lines if not line.startswith(names)))
    return settings


def test_its_commands_exist_with_their_options() -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009 - a click group, behind typer's types
    typed = [line.split() for block in BLOCKS for line in block.splitlines() if line.startswith("teltubby ")]
    assert len(typed) >= 6
    for _, name, *arguments in typed:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= options, name
    for copied in re.findall(r"^cp (\S+)", "\n".join(BLOCKS), re.MULTILINE):
        assert (ROOT / copied).is_file()


def test_what_may_be_in_the_way_is_said_in_these_words() -> None:
    rows = PAGE.partition("| it says | do |\n")[2].partition("\n\n")[0]
    quoted = re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE)
    assert len(quoted) >= 7
    sources = [path.read_text() for path in (ROOT / "teltubby").rglob("*.py")]
    for words in quoted:
        template = re.sub(r"127\.0\.0\.1|8081|/data/archive|\.env\b", VALUE, words)
        piece = max(template.split(VALUE), key=len)
        said = [text for source in sources if piece in source for text in texts(source)]
        assert any(template in text or words in text for text in said), words


@pytest.mark.parametrize("words", ["Large file archived successfully", "Nothing needs attention"])
def test_what_the_bot_answers_is_quoted_as_it_says_it(words: str) -> None:
    assert f"`{words}`" in PAGE
    assert any(words in path.read_text() for path in (ROOT / "teltubby/actors/phrases").glob("*.py"))


def texts(source: str) -> list[str]:
    """Every text in it, with VALUE where a value stands in one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.JoinedStr(values=values):
                found.append("".join(str(part.value) if isinstance(part, ast.Constant) else VALUE for part in values))
            case ast.Constant(value=str(text)):
                found.append(text)
            case _:
                pass
    return found


# -- the process that it has watched


def conf(path: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / path)
    return parser


def test_supervisord_runs_one_box_as_it_runs_two_processes() -> None:
    box, two = conf("deploy/single-box.conf"), conf("supervisord.conf")
    left_out = ("program:bot", "program:worker", "include", "program:box")
    shared = [name for name in box.sections() if name not in left_out]
    assert shared == [name for name in two.sections() if name not in left_out]
    for section in shared:
        assert dict(box[section]) == dict(two[section])
    own = {"command": "teltubby run", "stdout_logfile": "%(here)s/box.log"}
    its_time = {"stopwaitsecs": box["program:box"]["stopwaitsecs"]}
    assert dict(box["program:box"]) == dict(two["program:bot"]) | own | its_time


def test_supervisord_waits_for_the_tree_and_a_little_longer() -> None:
    settings = {
        "TELEGRAM_BOT_TOKEN": "1:token",
        "TELEGRAM_WHITELIST_IDS": "1",
        "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "0123456789abcdef",
        "MTPROTO_ENABLED": "true",
        "MTPROTO_HISTORY_ENABLED": "true",
        "BACKUP_INTERVAL_HOURS": "24",
    }
    needed = stop_seconds(box_tree(load(Role.BOX, settings, None)))
    assert conf("deploy/single-box.conf")["program:box"].getint("stopwaitsecs") == needed
