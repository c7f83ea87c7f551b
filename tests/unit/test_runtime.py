"""The runtime in a process of its own: signals, exit codes, both backends."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import NoReturn

import pytest

from teltubby import runtime
from teltubby.config import Config, Role, load
from tests.unit.runtime_process import CONFIGURATION, GAVE_UP, STOPPED, running


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(backend: str, number: signal.Signals, tmp_path: Path) -> None:
    with running("Steady", backend, tmp_path) as process:
        process.reads("up")
        process.reads("up")
        process.child.send_signal(number)
        code, err = process.ends()
        assert code == STOPPED, err
        assert process.lines.count("down") == 2
        assert "Traceback" not in err


def test_a_second_signal_stops_it_at_once(backend: str, tmp_path: Path) -> None:
    with running("Slow", backend, tmp_path) as process:
        process.reads("up")
        process.reads("up")
        process.child.send_signal(signal.SIGTERM)
        process.reads("asked to stop")
        process.child.send_signal(signal.SIGTERM)
        code, err = process.ends()
        assert code == STOPPED, err
        assert process.lines.count("down") == 2, "and the teardowns still run"


def test_a_mistake_in_the_configuration_that_an_actor_met_ends_it_with_78(backend: str, tmp_path: Path) -> None:
    with running("Mistaken", backend, tmp_path) as process:
        code, err = process.ends()
        assert code == CONFIGURATION, err
        assert "HEALTH_PORT: 127.0.0.1:1 cannot be listened on: taken" in err.split("\n")
        assert process.lines.count("down") == 1, "what was up before it came down in order"
        assert err.count("Traceback") <= 1


def test_too_many_crashes_end_it_with_70(backend: str, tmp_path: Path) -> None:
    with running("Broken", backend, tmp_path) as process:
        code, err = process.ends()
        assert code == GAVE_UP, err
        assert "gave up" in err + "".join(process.lines)
        assert "a bug" in err + "".join(process.lines)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_tree_is_still_being_made_is_an_orderly_stop(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its libraries take seconds to import."""
    settings = {"TELEGRAM_BOT_TOKEN": "1:token", "TELEGRAM_WHITELIST_IDS": "1", "STORAGE_FOLDER": str(tmp_path)}
    before = signal.getsignal(number)

    def interrupted(config: Config) -> NoReturn:
        del config
        signal.raise_signal(number)
        raise AssertionError("it was not heeded")

    monkeypatch.setattr(runtime, "_prepare", interrupted)
    for run in (runtime.run_bot, runtime.run_worker, runtime.run_box):
        assert run(load(Role.BOX, settings, None)) == 0
    assert signal.getsignal(number) is before
