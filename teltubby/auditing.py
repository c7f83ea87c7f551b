"""`teltubby audit`: who commanded what, on what, and what came of it, read beside the running bot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from teltubby.config import Role, load
from teltubby.exit_codes import EX_FAILED, exit_codes

if TYPE_CHECKING:
    from teltubby.adapters.sqlite_ledger_view import TrailLine

_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def audit(
    since: Annotated[
        datetime | None, typer.Option(help="Only what was commanded from then on, in UTC.", formats=_DAYS)
    ] = None,
    user: Annotated[int | None, typer.Option(help="Only what this user commanded, by the Telegram id.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the audit trail: every command about jobs, sessions, channels and the archive, refused ones too."""
    with exit_codes():
        from teltubby.adapters.sqlite_ledger_view import LedgerView

        path = load(Role.BOT, checks=()).ingest.sqlite_path
        ledger = LedgerView.open(path)
        if ledger is None:
            typer.echo(f"There is no ledger at {path} (SQLITE_PATH).", err=True)
            raise typer.Exit(EX_FAILED)
        after = None if since is None else since.replace(tzinfo=UTC)
        with closing(ledger):
            for lines in ledger.trail(since=after, user_id=user):
                for text in _as_json(lines) if as_json else _as_text(lines):
                    typer.echo(text)


def register(app: typer.Typer) -> None:
    """Add the command to `teltubby`."""
    app.command()(audit)


def _as_json(lines: list[TrailLine]) -> Iterator[str]:
    for line in lines:
        told = {
            "at": line.at,
            "user_id": line.user_id,
            "command": line.command,
            "job_id": line.job_id,
            "accepted": line.accepted,
            "detail": line.detail,
        }
        yield json.dumps(told, ensure_ascii=False)


def _as_text(lines: list[TrailLine]) -> Iterator[str]:
    for line in lines:
        who = "teltubby itself" if line.user_id is None else f"user {line.user_id}"
        on = "" if line.job_id is None else f" on job {line.job_id}"
        what = "" if line.detail is None else f": {line.detail}"
        yield f"{line.at}  {who}  {line.command}{on}, {'obeyed' if line.accepted else 'refused'}{what}"
