"""Signals before any loop takes them: in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

IGNORING = ("/bin/sh", "-c", "trap '' INT; exec \"$@\"", "sh")
"""As a shell starts what stands before an `&` in a script."""

WAITING = """
import signal, sys, time
from teltubby.exit_codes import exit_codes
from teltubby.interrupts import until_signalled
import typer
app = typer.Typer()
@app.command()
def wait():
    with exit_codes(), until_signalled():
        print("waiting", flush=True)
        {body}
app()
"""


SCRIPT = "import sys; from teltubby.__main__ import main; sys.exit(main())"
"""What pip makes of the entry in pyproject.toml."""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("body", ["time.sleep(60)", "exec('while True: time.sleep(0.01)')"], ids=["plain", "exec"])
@pytest.mark.parametrize("ignored", [False, True], ids=["alone", "in the background of a script"])
def test_a_signal_ends_it_with_130(number: signal.Signals, body: str, ignored: bool) -> None:
    process = subprocess.Popen(
        [*(IGNORING if ignored else ()), sys.executable, "-c", WAITING.format(body=body)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (130, "")


def test_the_script_enters_where_the_module_does() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {"teltubby": "teltubby.__main__:main"}, "which heeds signals before it imports anything"


@pytest.mark.parametrize(
    "entry",
    [
        ("-m", "teltubby"),
        ("-c", SCRIPT),
        ("-m", "teltubby.tasks.sync_history"),
        ("-m", "teltubby.tasks.poll_updates"),
    ],
    ids=["module", "script", "sync_history", "poll_updates"],
)
def test_an_entry_heeds_signals_before_it_imports_anything(entry: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import time\nprint('importing', flush=True)\nexec('while True: time.sleep(0.01)')\n"
    )
    process = subprocess.Popen(
        [sys.executable, *entry],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "importing\n"
    process.send_signal(signal.SIGTERM)
    _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (130, "")
