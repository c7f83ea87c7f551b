"""The command line: what people start. Every command reads its settings from the environment and `.env`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.error import URLError

import typer

from teltubby import __version__, auditing, logs, probing
from teltubby.collecting import commands as collecting
from teltubby.collecting import reading
from teltubby.config import Config, LogLevel, Role, check_places, effective, load, load_for_sessions, load_health
from teltubby.exit_codes import EX_FAILED, exit_codes
from teltubby.fixity import commands as fixity
from teltubby.messages.routes import AccountKind
from teltubby.recovery import commands as recovery
from teltubby.tracing import commands as tracing
from teltubby.watching import commands as watching

STATUS_WITHIN = 5.0
"""Seconds that a running process has to answer `teltubby tree`."""

_EXIT_CODES = """Exit codes: 0 done, or stopped as ordered; 1 failed; 2 wrong usage; 70 gave up after too many restarts;
78 wrong configuration; 130 interrupted."""

_Bot = Annotated[bool, typer.Option("--bot", help="The bot's own session, not the person's.")]

app = typer.Typer(
    name="teltubby",
    help="Archives what is forwarded to a Telegram bot, whole and exactly once.",
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # it prints local variables, and those may hold secrets
)


def main() -> None:
    """Every command, as `teltubby.__main__` has it."""
    app()


@app.callback(invoke_without_command=True)
def _options(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def run() -> None:
    """Run both wings in one process: a single box, with the embedded queue unless QUEUE_BACKEND says otherwise."""
    with exit_codes():
        config = _start(Role.BOX)
        from teltubby.runtime import run_box

        raise typer.Exit(run_box(config))


@app.command()
def bot() -> None:
    """Run the bot wing: intake, small files, the ledger."""
    with exit_codes():
        config = _start(Role.BOT)
        from teltubby.runtime import run_bot

        raise typer.Exit(run_bot(config))


@app.command()
def worker() -> None:
    """Run the worker wing: large files, over MTProto."""
    with exit_codes():
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
    with exit_codes():
        from teltubby.demo import main as show

        raise typer.Exit(show(out=out, json=as_json, keep_running=keep_running))


@app.command("check-config")
def check_config(
    role: Annotated[Role, typer.Option(help="Check for `teltubby run` (box), `bot` or `worker`.")] = Role.BOX,
) -> None:
    """Print the effective configuration, secrets masked, with where each value comes from; or every mistake in it."""
    with exit_codes():
        for line in effective(load(role)):
            typer.echo(line)


@app.command()
def doctor(
    role: Annotated[Role, typer.Option(help="Look for `teltubby run` (box), `bot` or `worker`.")] = Role.BOX,
    round_trip: Annotated[bool, typer.Option("--round-trip", help="Send a file of 25 MiB the whole way, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Look at everything that can be set up wrong, and say how to mend it; nothing is changed."""
    codes: list[int] = []
    with exit_codes():
        config = load(role)
        logs.configure(config.logs.model_copy(update={"level": LogLevel.ERROR}), config.secrets())

        async def examine() -> None:
            from teltubby.doctor.command import examined

            codes.append(await examined(config, typer.echo, as_json=as_json, round_trip=round_trip))

        from teltubby.runtime import run_command

        run_command(examine, config)
        raise typer.Exit(codes[0])


@app.command()
def tree(
    port: Annotated[int | None, typer.Option(help="The port to ask, instead of HEALTH_PORT.", min=1, max=65535)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the snapshot as JSON.")] = False,
) -> None:
    """Print the tree of actors of the process that runs on this machine."""
    with exit_codes():
        address = f"http://127.0.0.1:{port or load_health().port}/status"
        try:
            status = _fetch(address)
            text = json.dumps(status["snapshot"], ensure_ascii=False) if as_json else str(status["tree"])
        except probing.NO_ANSWER as error:
            reason = error.reason if isinstance(error, URLError) else error
            typer.echo(f"No teltubby answers on {address}: {reason}.", err=True)
            raise typer.Exit(EX_FAILED) from None
        typer.echo(text)


@app.command()
def login(
    code: Annotated[
        bool, typer.Option("--code", help="By a code that is sent to MTPROTO_PHONE_NUMBER, not by QR.")
    ] = False,
    bot: _Bot = False,
) -> None:
    """Sign in the worker's account: scan a QR code, or type a code; then perhaps the password."""
    if bot and code:
        raise typer.BadParameter("a bot signs in with its token: --code is for a person")

    async def sign_in(config: Config) -> None:
        from teltubby.login import sessions
        from teltubby.login.terminal import Terminal

        if bot:
            await sessions.sign_in_bot(config, Terminal())
        else:
            await sessions.sign_in(config, Terminal(), with_code=code)

    with exit_codes():
        _run_command(sign_in, "login", "the bot's session" if bot else "a person's session")


@app.command()
def logout(bot: _Bot = False) -> None:
    """Sign the account out at Telegram, and remove its session file."""

    async def sign_out(config: Config) -> None:
        from teltubby.login import sessions
        from teltubby.login.terminal import Terminal

        await sessions.sign_out(config, Terminal(), _account(bot=bot))

    with exit_codes():
        _run_command(sign_out, "logout", "the bot's session" if bot else "a person's session")


@app.command("backup-session")
def backup_session(
    file: Annotated[Path, typer.Argument(help="A new file.", dir_okay=False)], bot: _Bot = False
) -> None:
    """Copy the session, encrypted, into a new file. The key is not in it: keep that too."""
    with exit_codes():
        config = _start_for_sessions()
        from teltubby.login import sessions
        from teltubby.login.terminal import Terminal

        with auditing.recorded(config, "backup-session", str(file)):
            sessions.back_up(config, Terminal(), _account(bot=bot), file)


@app.command("restore-session")
def restore_session(
    file: Annotated[Path, typer.Argument(help="What backup-session wrote.", dir_okay=False)],
    bot: _Bot = False,
    force: Annotated[bool, typer.Option("--force", help="Put it in the place of the session that is there.")] = False,
) -> None:
    """Bring a session back from its copy. It must not be in use anywhere else, ever."""
    with exit_codes():
        config = _start_for_sessions()
        from teltubby.login import sessions
        from teltubby.login.terminal import Terminal

        with auditing.recorded(config, "restore-session", str(file)):
            sessions.restore(config, Terminal(), _account(bot=bot), file, force=force)


def _account(*, bot: bool) -> AccountKind:
    return AccountKind.BOT if bot else AccountKind.USER


def _run_command(command: Callable[[Config], Awaitable[None]], name: str, detail: str) -> None:
    config = _start_for_sessions()
    from teltubby.runtime import run_command

    with auditing.recorded(config, name, detail):
        run_command(partial(command, config), config)


def _start(role: Role) -> Config:
    config = load(role)
    check_places(config)
    logs.configure(config.logs, config.secrets())
    from teltubby.backup.contents import require_whole

    require_whole(config)
    return config


def _start_for_sessions() -> Config:
    config = load_for_sessions()
    logs.configure(config.logs, config.secrets())
    return config


def _fetch(address: str) -> dict[str, object]:
    status = probing.told_on(address, within=STATUS_WITHIN)
    if not isinstance(status, dict):
        raise TypeError("its answer is no status")
    return status


auditing.register(app)
collecting.register(app)
fixity.register(app)
probing.register(app)
reading.register(app)
recovery.register(app)
tracing.register(app)
watching.register(app)
