"""`teltubby audit`: who asked for what, and what came of it; and how a command that was typed gets into the trail."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from teltubby.config import Config, Role, load
from teltubby.errors import ConfigurationError, TeltubbyError
from teltubby.exit_codes import EX_FAILED, exit_codes
from teltubby.messages.trail import TrailEntry, TrailKind

if TYPE_CHECKING:
    from teltubby.adapters.sqlite_ledger_view import TrailLine

_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_Kinds = Annotated[
    list[TrailKind] | None,
    typer.Option("--kind", help="Only lines of this kind; may be given several times.", show_default=False),
]


def audit(
    since: Annotated[
        datetime | None, typer.Option(help="Only what was written from then on, in UTC.", formats=_DAYS)
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(help="Only what was written before then, in UTC.", formats=_DAYS)
    ] = None,
    user: Annotated[int | None, typer.Option(help="Only what this user did, by the Telegram id.")] = None,
    command: Annotated[str | None, typer.Option(help="Only this command, without the slash.")] = None,
    job: Annotated[str | None, typer.Option(help="Only what is about this job; the id's beginning is enough.")] = None,
    kind: _Kinds = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")] = False,
) -> None:
    """Print the audit trail: commands and questions of curators, refused ones too, strangers, operators, decisions."""
    with exit_codes():
        from teltubby.adapters.sqlite_ledger_view import LedgerView, TrailFilter

        path = load(Role.BOT, checks=()).ingest.sqlite_path
        ledger = LedgerView.open(path)
        if ledger is None:
            typer.echo(f"There is no ledger at {path} (SQLITE_PATH).", err=True)
            raise typer.Exit(EX_FAILED)
        wanted = TrailFilter(
            since=None if since is None else since.replace(tzinfo=UTC),
            until=None if until is None else until.replace(tzinfo=UTC),
            user_id=user,
            command=None if command is None else command.removeprefix("/"),
            job_id=job,
            kinds=frozenset(kind or TrailKind),
        )
        with closing(ledger):
            for lines in ledger.trail(wanted):
                for text in _as_json(lines) if as_json else _as_text(lines):
                    typer.echo(text)


def register(app: typer.Typer) -> None:
    """Add the command to `teltubby`."""
    app.command()(audit)


@contextmanager
def recorded(config: Config, command: str, detail: str = "", *, failures: bool = True) -> Iterator[None]:
    """Around what a command changes: who typed it goes into the audit trail of the ledger here, with what came of it.

    Where there is no ledger (on a worker's machine) there is no trail. One that cannot be written now is said on
    stderr, and the command goes on: to mend an installation must not depend on it. Without `failures` only what was
    done is written: a restore that was cut off must find everything as it left it.
    """
    try:
        yield
    except ConfigurationError:
        raise  # nothing was begun
    except BaseException as error:
        if failures:
            _record(config, command, detail, _failure(error))
        raise
    _record(config, command, detail, "")


def _failure(error: BaseException) -> str:
    match error:
        case typer.Exit():
            return f"ended with {error.exit_code}" if error.exit_code else ""
        case KeyboardInterrupt():
            return "interrupted"
        case TeltubbyError():
            return str(error)
        case _:
            return type(error).__name__


def _record(config: Config, command: str, detail: str, failure: str) -> None:
    from teltubby.adapters.sqlite_trail_beside import record_beside
    from teltubby.backup.contents import require_whole

    said = ", ".join(part for part in (f"by {_operator()}", detail, failure) if part)
    entry = TrailEntry(
        at=datetime.now(UTC),
        kind=TrailKind.OPERATOR,
        command=command,
        accepted=not failure,
        detail=TeltubbyError.scrub(said).encode(errors="replace").decode(),
    )
    try:
        require_whole(config)
        record_beside(config.ingest.sqlite_path, entry)
    except (TeltubbyError, OSError) as error:
        typer.echo(f"The audit trail has no line of this: {error}", err=True)


def _operator() -> str:
    """The account on this machine, as far as it has a name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user is a number
        name = "an unknown user"
    return f"{name} on {socket.gethostname()}"


def _as_json(lines: list[TrailLine]) -> Iterator[str]:
    for line in lines:
        told = {
            "at": line.at,
            "kind": line.kind,
            "user_id": line.user_id,
            "command": line.command,
            "job_id": line.job_id,
            "accepted": line.accepted,
            "detail": line.detail,
            "times": line.times,
        }
        yield json.dumps(told, ensure_ascii=False)


def _as_text(lines: list[TrailLine]) -> Iterator[str]:
    for line in lines:
        on = "" if line.job_id is None else f" on job {line.job_id}"
        times = "" if line.times == 1 else f" {line.times} times"
        what = "" if line.detail is None else f": {line.detail}"
        yield _on_a_line(f"{line.at}  {_who(line)}  {line.command}{on}{times}, {_outcome(line)}{what}")


def _who(line: TrailLine) -> str:
    match line.kind:
        case TrailKind.OPERATOR:
            return "an operator"
        case TrailKind.STRANGER:
            return "others who are not let in" if line.user_id is None else f"stranger {line.user_id}"
        case _:
            return "teltubby itself" if line.user_id is None else f"user {line.user_id}"


def _outcome(line: TrailLine) -> str:
    match line.kind:
        case TrailKind.COMMAND:
            return "obeyed" if line.accepted else "refused"
        case TrailKind.QUESTION:
            return "answered" if line.accepted else "not understood"
        case TrailKind.OPERATOR:
            return "done" if line.accepted else "failed"
        case TrailKind.STRANGER:
            return "turned away"
        case _:
            return "decided"


def _on_a_line(text: str) -> str:
    """What people typed may have line ends in it, to look like lines of ours, or orders for the terminal."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
