"""`python -m teltubby.tasks.poll_updates` is `teltubby poll-updates`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from teltubby.tasks.starting import start

if TYPE_CHECKING:
    import typer


def command() -> typer.Typer:
    """The command alone."""
    import typer

    from teltubby.collecting.commands import poll_updates

    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(poll_updates)
    return app


if __name__ == "__main__":
    start(command)
