"""`teltubby reindex` and `teltubby verify` as they are typed; `register` adds them to `teltubby`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from teltubby import logs
from teltubby.auditing import recorded
from teltubby.config import Config, LogLevel, Role, load
from teltubby.exit_codes import exit_codes
from teltubby.fixity.amounts import read_percent, read_rate
from teltubby.fixity.wanted import Wanted
from teltubby.interrupts import until_signalled

_Role = Annotated[Role, typer.Option(help="With the settings of `teltubby run` (box), `bot` or `worker`.")]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def reindex(
    role: _Role = Role.BOX,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would come of it; the bot may run meanwhile.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Rebuild the ledger's knowledge of the archive from the artifacts in the store; the bot must not run meanwhile."""
    with exit_codes(), until_signalled():
        config = _loaded(role)

        async def rebuild() -> None:
            from teltubby.fixity.progress import Shown
            from teltubby.fixity.reindex import reindexed

            with Shown() as shown:
                await reindexed(config, shown.write, as_json=as_json, dry_run=dry_run, told=shown.tell)

        from teltubby.runtime import run_command

        with nullcontext() if dry_run else recorded(config, "reindex"):
            run_command(rebuild, config)


def verify(
    role: _Role = Role.BOX,
    sample: Annotated[
        str | None, typer.Option(help="Read only this share of the contents, by lot: 5%.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="Read only so many objects, by lot.", min=0, show_default=False)
    ] = None,
    rate: Annotated[
        str | None, typer.Option(help="Read so many bytes per second at most: 20MB.", show_default=False)
    ] = None,
    restart: Annotated[bool, typer.Option("--restart", help="Begin anew, not where the last run stopped.")] = False,
    state: Annotated[
        Path | None,
        typer.Option(help="Where it notes how far it is. [default: beside SQLITE_PATH]", dir_okay=False),
    ] = None,
    as_json: _Json = False,
) -> None:
    """Check the archive: is everything there, and has it the bytes that were stored? Nothing is changed."""
    codes: list[int] = []
    wanted = Wanted(percent=_read(read_percent, sample, "--sample"), limit=limit, rate=_read(read_rate, rate, "--rate"))
    with exit_codes(), until_signalled():
        config = _loaded(role)

        async def check() -> None:
            from teltubby.fixity.check import state_of, verified
            from teltubby.fixity.progress import Shown

            with Shown() as shown:
                code = await verified(
                    config,
                    state_of(config, state),
                    wanted,
                    shown.write,
                    shown.complain,
                    as_json=as_json,
                    restart=restart,
                    told=shown.tell,
                )
            codes.append(code)

        from teltubby.runtime import run_command

        run_command(check, config)
        raise typer.Exit(codes[0])


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(reindex)
    app.command()(verify)


def _read(read: Callable[[str], float], text: str | None, option: str) -> float | None:
    try:
        return None if text is None else read(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option}: {error}") from None


def _loaded(role: Role) -> Config:
    """Settings; only what is wrong is logged, for the report goes to the terminal."""
    config = load(role)
    logs.configure(config.logs.model_copy(update={"level": LogLevel.ERROR}), config.secrets())
    return config
