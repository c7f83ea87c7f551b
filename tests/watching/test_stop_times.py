"""Who ends a process waits as long as its tree may take: supervisord.conf against the trees themselves."""

from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from teltubby.config import Role, load
from teltubby.supervision import Supervisor
from teltubby.trees.bot import bot_tree
from teltubby.trees.stopping import LEAVING_SECONDS, stop_seconds
from teltubby.trees.worker import worker_tree

ROOT = Path(__file__).parents[2]
TREES = {"bot": (Role.BOT, bot_tree), "worker": (Role.WORKER, worker_tree)}


@pytest.fixture(params=TREES)
def wing(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def widest(wing: str, folder: Path) -> Supervisor:
    """The tree with everything that can be in it."""
    settings = {
        "TELEGRAM_BOT_TOKEN": "1:token",
        "TELEGRAM_WHITELIST_IDS": "1",
        "MTPROTO_API_ID": "1",
        "MTPROTO_API_HASH": "0123456789abcdef",
        "MTPROTO_ENABLED": "true",
        "MTPROTO_HISTORY_ENABLED": "true",
        "MTPROTO_UPDATES_ENABLED": "true",
        "BACKUP_INTERVAL_HOURS": "24",
        "STORAGE_FOLDER": str(folder),
    }
    role, tree = TREES[wing]
    return tree(load(role, settings, None))


def supervisord() -> configparser.ConfigParser:
    conf = configparser.ConfigParser(interpolation=None)
    conf.read(ROOT / "supervisord.conf")
    return conf


def test_supervisord_waits_for_the_tree_and_a_little_longer(wing: str, tmp_path: Path) -> None:
    needed = stop_seconds(widest(wing, tmp_path))
    assert supervisord()[f"program:{wing}"].getint("stopwaitsecs") == needed, "write this number into supervisord.conf"


def test_the_time_is_that_of_all_actors_and_their_teardowns(wing: str, tmp_path: Path) -> None:
    tree = widest(wing, tmp_path)
    actors = len(list(tree.mailboxes()))
    assert stop_seconds(tree) == actors * (10 + 5) + LEAVING_SECONDS, "10 s to stop, 5 s for teardown, one by one"


def test_every_program_is_logged_within_bounds_and_ended_with_all_it_started() -> None:
    conf = supervisord()
    (broker,) = (found.replace("%(here)s", str(ROOT / "deploy")) for found in conf["include"]["files"].split())
    assert conf.read(broker) == [broker]
    programs = [name for name in conf.sections() if name.startswith(("program:", "eventlistener:"))]
    assert programs == ["program:bot", "program:worker", "eventlistener:watch", "program:rabbitmq"]
    for name in programs:
        program = conf[name]
        log = "stderr" if name.startswith("eventlistener") else "stdout"
        assert (program[f"{log}_logfile_maxbytes"], program.getint(f"{log}_logfile_backups")) == ("5MB", 10)
        assert program.getboolean("killasgroup") and program["stopsignal"] == "TERM"
        assert program.get("exitcodes", "0,78") == "0,78"
    assert (conf["supervisord"]["logfile_maxbytes"], conf["supervisord"].getint("logfile_backups")) == ("5MB", 10)


def test_a_loop_of_crashes_is_told_once() -> None:
    """By the listener, and so not by the bot too."""
    conf = supervisord()
    assert conf["eventlistener:watch"]["command"] == "teltubby listen"
    assert conf["program:bot"]["environment"] == 'ALERT_PROCESS_STARTS="0"'
