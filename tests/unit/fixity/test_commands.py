"""The two commands as they are typed: what they print, and the codes they end with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from teltubby.cli import app
from tests.unit.fixity.archives import Bench, Sent

WITHIN = 60.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = Bench(tmp_path)
    bench.hand_in_many(
        [([Sent(content=1, unique=1), Sent(content=2, unique=2)], "fox"), ([Sent(content=3, unique=3)], None)]
    )
    return bench


def teltubby(bench: Bench, *arguments: str, **settings: str) -> Result:
    return CliRunner().invoke(app, arguments, env=environment(bench) | settings)


def environment(bench: Bench) -> dict[str, str]:
    return bench.settings | {"TELTUBBY_ENV_FILE": os.devnull}


def test_verify(bench: Bench) -> None:
    well = teltubby(bench, "verify")
    assert well.exit_code == 0, well.output
    assert "5 objects" in well.stdout and "read again: 3 objects" in well.stdout and "All is well." in well.stdout
    (bench.folder / bench.keys[0]).unlink()
    (bench.folder / bench.keys[1]).write_bytes(b"[red]cut[/red]")
    bench.put("teltubby/[link=x]orphan", b"")
    found = teltubby(bench, "verify", "--sample", "50%", "--rate", "1GB", "--restart")
    assert found.exit_code == 1, found.output
    for text in (
        *bench.keys[:2],
        "teltubby/[link=x]orphan",
        "1 × missing: ",
        "1 × wrong size: ",
        "1 × lying artifact: ",
    ):
        assert text in found.stdout, found.stdout
    told = teltubby(bench, "verify", "--json", "--limit", "0")
    assert told.exit_code == 1 and json.loads(told.stdout)["counts"]["missing"] == 1


def test_reindex(bench: Bench) -> None:
    bench.put("teltubby/foreign/message.json", b"{}")
    dry = teltubby(bench, "reindex", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "submissions: 0 new, 0 changed, 2 known" in dry.stdout and "Nothing was changed" in dry.stdout
    for path in bench.home.glob("ledger.db*"):
        path.unlink()
    done = teltubby(bench, "reindex")
    assert done.exit_code == 0, done.output
    assert "submissions: 2 new" in done.stdout and "files: 3 new" in done.stdout and "is rebuilt" in done.stdout
    assert "1 objects have an artifact's name and are none" in done.stdout
    assert "teltubby/foreign/message.json: it is no artifact" in done.stdout
    with bench.ledger():
        refused = teltubby(bench, "reindex", "--json")
    assert refused.exit_code == 1 and "is in use: stop the bot" in refused.stderr and not refused.stdout


def test_wrong_settings_and_wrong_usage(bench: Bench) -> None:
    for command in ("verify", "reindex"):
        wrong = teltubby(bench, command, TELEGRAM_BOT_TOKEN="")
        assert wrong.exit_code == 78 and "TELEGRAM_BOT_TOKEN" in wrong.stderr, wrong.output
    nowhere = teltubby(bench, "verify", "--state", str(bench.folder / bench.keys[0] / "state"))
    assert nowhere.exit_code == 78 and "see --state" in nowhere.stderr
    for arguments in (("--sample", "5"), ("--sample", "0%"), ("--rate", "fast"), ("--limit", "-1")):
        assert teltubby(bench, "verify", *arguments).exit_code == 2
    gone = teltubby(bench, "verify", STORAGE_FOLDER=str(bench.home / "unmounted"))
    assert gone.exit_code != 0 and "unmounted" in gone.stderr


def test_interrupting_a_check(bench: Bench) -> None:
    """Ctrl-C: 130, and the same command goes on."""
    bench.big(400_000)
    arguments = [sys.executable, "-m", "teltubby", "verify", "--rate", "20kB"]
    state = bench.home / "ledger.db.verify"
    process = subprocess.Popen(
        arguments, env=os.environ | environment(bench), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        until = time.monotonic() + WITHIN
        while not state.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WITHIN)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert not out and "Not done: " in err and "The same command goes on." in err and state.exists()
    well = teltubby(bench, "verify")
    assert well.exit_code == 0 and not state.exists(), well.output
