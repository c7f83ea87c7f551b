"""Signals before any loop takes them: in processes of their own."""

from __future__ import annotations

import signal
import subprocess
import sys
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


@pytest.mark.parametrize("module", ["teltubby", "teltubby.tasks.sync_history", "teltubby.tasks.poll_updates"])
def test_a_module_heeds_signals_before_it_imports_anything(module: str, tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import time\nprint('importing', flush=True)\nexec('while True: time.sleep(0.01)')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", module],
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
