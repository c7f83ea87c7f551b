"""`python -m teltubby.tasks.sync_history` is `teltubby sync-history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teltubby.tasks.starting import start

if TYPE_CHECKING:
    import typer


def command() -> typer.Typer:
    """The command alone."""
    import typer

    from teltubby.collecting.commands import IDS_ARE_NO_OPTIONS, sync_history

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(context_settings=IDS_ARE_NO_OPTIONS)(sync_history)
    return app


if __name__ == "__main__":
    start(command)
