"""The command line: what people start. Every command reads its settings from the environment and `.env`."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from urllib.error import URLError

import typer

from teltubby import __version__, logs
from teltubby.config import Config, Role, effective, load, load_health
from teltubby.errors import ConfigurationError

EX_FAILED = 1
EX_CONFIG = 78
EX_INTERRUPTED = 130
STATUS_WITHIN = 5.0
"""Seconds that a running process has to answer `teltubby tree`."""

_EXIT_CODES = """Exit codes: 0 done, or stopped as ordered; 1 failed; 2 wrong usage; 70 gave up after too many restarts;
78 wrong configuration; 130 interrupted."""

app = typer.Typer(
    name="teltubby",
    help="Archives what is forwarded to a Telegram bot, whole and exactly once.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it prints local variables, and those may hold secrets
)


def main() -> None:
    """The entry point of the `teltubby` script."""
    app()


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run() -> None:
    """Run both wings in one process: a single box, with the embedded queue unless QUEUE_BACKEND says otherwise."""
    with _exit_codes():
        config = _start(Role.BOX)
        from teltubby.runtime import run_box

        raise typer.Exit(run_box(config))


@app.command()
def bot() -> None:
    """Run the bot wing: intake, small files, the ledger."""
    with _exit_codes():
        config = _start(Role.BOT)
        from teltubby.runtime import run_bot

        raise typer.Exit(run_bot(config))


@app.command()
def worker() -> None:
    """Run the worker wing: large files, over MTProto."""
    with _exit_codes():
        config = _start(Role.WORKER)
        from teltubby.runtime import run_worker

        raise typer.Exit(run_worker(config))


@app.command()
def demo(
    out: Annotated[Path | None, typer.Option(help="Keep the archive in this folder.", file_okay=False)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")] = False,
    keep_running: Annotated[bool, typer.Option(help="Stay up after the demonstration, until Ctrl-C.")] = False,
) -> None:
    """Show the main job against a simulated Telegram on this machine: no account, no broker, no object store."""
    with _exit_codes():
        from teltubby.demo import main as show

        raise typer.Exit(show(out=out, json=as_json, keep_running=keep_running))


@app.command("check-config")
def check_config(
    role: Annotated[Role, typer.Option(help="Check for `teltubby run` (box), `bot` or `worker`.")] = Role.BOX,
) -> None:
    """Print the effective configuration, secrets masked, with where each value comes from; or every mistake in it."""
    with _exit_codes():
        for line in effective(load(role)):
            typer.echo(line)


@app.command()
def tree(
    port: Annotated[int | None, typer.Option(help="The port to ask, instead of HEALTH_PORT.", min=1, max=65535)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the snapshot as JSON.")] = False,
) -> None:
    """Print the tree of actors of the process that runs on this machine."""
    with _exit_codes():
        address = f"http://127.0.0.1:{port or load_health().port}/status"
        try:
            status = _fetch(address)
            text = json.dumps(status["snapshot"], ensure_ascii=False) if as_json else str(status["tree"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            typer.echo(f"No teltubby answers on {address}: {reason}.", err=True)
            raise typer.Exit(EX_FAILED) from None
        typer.echo(text)


def _start(role: Role) -> Config:
    config = load(role)
    logs.configure(config.logs, config.secrets())
    return config


def _fetch(address: str) -> dict[str, object]:
    # Without the environment's proxies: the process is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(address, timeout=STATUS_WITHIN) as response:
        status = json.load(response)
    if not isinstance(status, dict):
        raise TypeError("its answer is no status")
    return status


@contextmanager
def _exit_codes() -> Iterator[None]:
    try:
        yield
    except ConfigurationError as error:
        for mistake in error.mistakes:
            typer.echo(mistake, err=True)
        raise typer.Exit(EX_CONFIG) from None
    except KeyboardInterrupt:
        raise typer.Exit(EX_INTERRUPTED) from None
