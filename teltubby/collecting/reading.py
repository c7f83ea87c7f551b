"""`teltubby export` and `teltubby report`: what was collected, for people and for programs, beside a worker."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from teltubby.collecting.commands import IDS_ARE_NO_OPTIONS
from teltubby.collecting.outputs import NotWritten, piped, written
from teltubby.collecting.settings import load_beside
from teltubby.collector.export_choices import Format, Subject
from teltubby.exit_codes import exit_codes
from teltubby.interrupts import until_signalled

DAYS, MOST_DAYS = 30, 3660
_MOMENTS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"]

_Channels = Annotated[
    list[str] | None,
    typer.Option("--channel", help="Of this channel only: @name or id; may be repeated.", show_default=False),
]
_Moment = typer.Option(formats=_MOMENTS, help="In UTC; the date of a post, the time of a snapshot.", show_default=False)
_Since = Annotated[datetime | None, _Moment]
_Until = Annotated[datetime | None, typer.Option(formats=_MOMENTS, help="Before this moment.", show_default=False)]
_Output = Annotated[Path | None, typer.Option(help="A file instead of stdout.", dir_okay=False, show_default=False)]


def export(
    subject: Annotated[Subject, typer.Argument(help="Posts with their newest counters, or snapshots of counters.")],
    form: Annotated[Format, typer.Option("--format", help="As what.")] = Format.CSV,
    channel: _Channels = None,
    since: _Since = None,
    until: _Until = None,
    output: _Output = None,
) -> None:
    """Write what was collected for other programs; memory does not grow with the number of posts."""
    with exit_codes(), until_signalled():
        path = load_beside().collector.database_path
        from teltubby.collecting.stored import stored_channels
        from teltubby.collector.export import export
        from teltubby.collector.repositories import CollectorStore

        if output is None and form is Format.PARQUET and sys.stdout.isatty():
            raise NotWritten("Parquet is nothing for a terminal: name a file by --output")
        with closing(CollectorStore.open_to_read(path)) as store:
            channels = [each.channel_id for each in stored_channels(store, channel or ())]
            with piped() if output is None else written(output) as into:
                count = export(store, subject, into, form=form, channels=channels, since=_utc(since), until=_utc(until))
        typer.echo(f"{count} rows.", err=True)


def report(
    channel: Annotated[str, typer.Argument(help="@name, https://t.me/name, or an id.")],
    days: Annotated[int, typer.Option(help="Of the last days.", min=1, max=MOST_DAYS)] = DAYS,
    output: Annotated[
        Path | None, typer.Option(help="[default: report-NAME-DATE.html here]", dir_okay=False, show_default=False)
    ] = None,
) -> None:
    """Write one HTML page about a channel: views, growth, subscribers, best hours, reactions, top posts, links."""
    with exit_codes(), until_signalled():
        path = load_beside().collector.database_path
        from teltubby.adapters.clock import utc_now
        from teltubby.collecting.stored import stored_channels
        from teltubby.collector.report import build
        from teltubby.collector.repositories import CollectorStore

        with closing(CollectorStore.open_to_read(path)) as store:
            (found,) = stored_channels(store, (channel,))
            made = build(store, found.channel_id, days=days, at=utc_now())
        target = output or Path(made.file_name)
        with written(target) as into:
            into.write(made.html.encode())
        typer.echo(f"{made.summary}\n\n{target}")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(export)
    app.command(context_settings=IDS_ARE_NO_OPTIONS)(report)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
