"""The commands of backups as they are typed; `register` adds them to `teltubby`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from teltubby.auditing import recorded
from teltubby.config import Config, Role
from teltubby.exit_codes import exit_codes
from teltubby.interrupts import until_signalled
from teltubby.recovery.settings import load_for_backups, load_to_prune

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Role = Annotated[Role, typer.Option(help="Whose files: those of `teltubby run` (box), `bot` or `worker`.")]


def backup(
    role: _Role = Role.BOX,
    show: Annotated[bool, typer.Option("--list", help="Show the backups that there are, and make none.")] = False,
    as_json: _Json = False,
) -> None:
    """Back up databases, sessions and settings; the processes that own them go on meanwhile."""
    with exit_codes(), until_signalled():
        config = load_for_backups(role)

        async def work() -> None:
            from teltubby.recovery import backing_up

            if show:
                await backing_up.show(config, typer.echo, as_json=as_json)
            else:
                await backing_up.back_up(config, typer.echo, as_json=as_json)

        with nullcontext() if show else recorded(config, "backup"):
            _run(work, config)


def restore(
    name: Annotated[
        str | None,
        typer.Argument(help="As `--list` shows it; none: the newest complete one of this role.", show_default=False),
    ] = None,
    role: _Role = Role.BOX,
    into: Annotated[
        Path | None, typer.Option(help="Put everything into this folder, not in its place.", file_okay=False)
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(help="Write the settings, and nothing else, into this file.", dir_okay=False)
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also where there is something; the old files are kept beside.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Bring a backup back: it is verified before anything is replaced. The processes have to be stopped."""
    if into is not None and settings is not None:
        raise typer.BadParameter("--into has the settings too: give one of the two")
    with exit_codes(), until_signalled():
        config = load_for_backups(role)

        async def work() -> None:
            from teltubby.recovery import restoring

            wish = restoring.Wish(name=name, into=into, settings=settings, force=force)
            await restoring.bring_back(config, wish, typer.echo, as_json=as_json)

        what = f"{name or 'the newest'}, into {into or settings or 'its place'}"
        with recorded(config, "restore", what, failures=False):
            _run(work, config)


def prune(
    role: _Role = Role.BOX,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it; without this it is only told.")] = False,
    as_json: _Json = False,
) -> None:
    """Remove what nobody needs: old history, spools without a job, dead uploads, backups that others outlived."""
    with exit_codes(), until_signalled():
        config = load_to_prune(role)

        async def work() -> None:
            from teltubby.recovery import pruning

            await pruning.prune(config, typer.echo, really=yes, as_json=as_json)

        with recorded(config, "prune") if yes else nullcontext():
            _run(work, config)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)
    app.command("prune")(prune)


def _run(work: Callable[[], Awaitable[None]], config: Config) -> None:
    from teltubby.runtime import run_command

    run_command(work, config)
