"""`teltubby trace` as it is typed; `register` adds it to `teltubby`."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer

from teltubby.config import Role, load
from teltubby.exit_codes import EX_FAILED, exit_codes

if TYPE_CHECKING:
    from teltubby.adapters.sqlite_job_trace import JobTrace
    from teltubby.tracing.lines import LogLine

SHORTEST_PREFIX = 4
_WHOLE = 36
_CANDIDATES = 5
MOST_LOG_LINES = 20_000
"""Of a job, over all logs; a job has some dozens."""


def trace(
    job: Annotated[str, typer.Argument(help="Its id, or 4 characters or more of its beginning.")],
    more: Annotated[list[str] | None, typer.Argument(metavar="[LOG]...", help="More logs, as after --log.")] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(help="A log of bot or worker, with bot.log.1 and so on beside it; - is stdin.", metavar="FILE"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell a job's way through bot and worker: what the ledger keeps of it, and what logs say, as one timeline."""
    wanted, logs = job.strip().lower(), [*(log or ()), *(more or ())]
    if len(wanted) < SHORTEST_PREFIX:
        raise typer.BadParameter(f"{SHORTEST_PREFIX} characters of a job's id, or more")
    with exit_codes():
        from teltubby.tracing.timeline import timeline
        from teltubby.tracing.told import as_json as told_as_json
        from teltubby.tracing.told import as_text as told_as_text

        job_id, kept = _from_ledger(wanted, has_logs=bool(logs))
        said, left_out = _from_logs(logs, job_id)
        if kept is None and not any(lines for _, lines in said):
            raise _failed(f"No log says anything of the job {job_id}.")
        entries = timeline(kept, said)
        if as_json:
            typer.echo(told_as_json(kept, job_id, entries, left_out))
            return
        for line in told_as_text(kept, entries):
            typer.echo(line)
        if left_out:
            typer.echo(f"{left_out} more lines of the logs are left out.", err=True)


def register(app: typer.Typer) -> None:
    """Add the command to `teltubby`."""
    app.command()(trace)


def _from_ledger(wanted: str, *, has_logs: bool) -> tuple[str, JobTrace | None]:
    """The whole id, and what is kept of the job; nothing where there is no ledger here, but logs."""
    from teltubby.adapters.sqlite_ledger_view import LedgerView

    path = load(Role.BOT, checks=()).ingest.sqlite_path
    ledger = LedgerView.open(path)
    if ledger is None:
        missing = f"There is no ledger at {path} (SQLITE_PATH)"
        if not has_logs:
            raise _failed(f"{missing}.")
        if len(wanted) != _WHOLE:
            raise _failed(f"{missing}: without it the whole id is needed.")
        typer.echo(f"{missing}: this is what the logs say.", err=True)
        return wanted, None
    with closing(ledger):
        found = ledger.jobs_named(wanted, _CANDIDATES + 1)
        if not found:
            raise _failed(f"The ledger has no job whose id begins with {wanted}.")
        if len(found) > 1 and wanted not in found:
            shown = ", ".join(found[:_CANDIDATES]) + (", …" if len(found) > _CANDIDATES else "")
            raise _failed(f"Several ids begin with {wanted}: {shown}.")
        job_id = wanted if wanted in found else found[0]
        kept = ledger.trace(job_id)
        if kept is None:
            raise _failed(f"The job {job_id} cannot be read: an older program wrote it.")
        return job_id, kept


def _from_logs(names: list[str], job_id: str) -> tuple[list[tuple[str, list[LogLine]]], int]:
    """What each log says of the job, and how many lines more there were than are kept."""
    import zlib

    from teltubby.tracing.files import opened
    from teltubby.tracing.lines import lines_about

    said: list[tuple[str, list[LogLine]]] = []
    kept = left_out = 0
    with ExitStack() as stack:
        try:
            for log in opened(names, stack):
                lines: list[LogLine] = []
                said.append((log.name, lines))
                try:
                    for line in lines_about(log.stream, job_id):
                        if kept < MOST_LOG_LINES:
                            lines.append(line)
                            kept += 1
                        else:
                            left_out += 1
                except (EOFError, zlib.error) as error:
                    typer.echo(f"{log.name} is damaged, and not read to its end: {error}.", err=True)
        except OSError as error:
            raise _failed(f"The log {error.filename or ''} cannot be read: {error.strerror or error}.") from None
    return said, left_out


def _failed(sentence: str) -> typer.Exit:
    typer.echo(sentence, err=True)
    return typer.Exit(EX_FAILED)
