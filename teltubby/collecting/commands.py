"""The collector's commands as they are typed; `register` adds them to `teltubby`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated

import typer

from teltubby.auditing import recorded
from teltubby.collecting.settings import HISTORY, UPDATES, load_beside, load_to_collect, log_for_command
from teltubby.config import Config
from teltubby.exit_codes import exit_codes
from teltubby.interrupts import until_signalled

_Peers = Annotated[
    list[str] | None,
    typer.Argument(
        help="@name, https://t.me/name, an id, or an invite link already joined; none: all that are collected.",
        show_default=False,
    ),
]
_Limit = Annotated[
    int | None,
    typer.Option(help="Older messages of a channel, at most. [default: MTPROTO_HISTORY_LIMIT_PER_RUN]", min=0),
]
_AtOnce = Annotated[int, typer.Option("--max-concurrent", help="Channels at once, at most.", min=1, max=32)]
_Restart = Annotated[
    bool, typer.Option("--restart-on-error", help="Begin again when the connection is lost or a request fails.")
]
_Channel = Annotated[str, typer.Argument(help="@name, https://t.me/name, an id, or an invite link already joined.")]

AT_ONCE = 3

IDS_ARE_NO_OPTIONS = {"ignore_unknown_options": True}
"""`-1001234567890` is a channel."""


def sync_history(peers: _Peers = None, limit: _Limit = None, max_concurrent: _AtOnce = AT_ONCE) -> None:
    """Collect the history of channels: what is new, and then what is older, resumable at any point."""
    _refuse_options(peers or ())
    with exit_codes(), until_signalled():
        config = load_to_collect(HISTORY)

        async def sync() -> int:
            from teltubby.collecting.progress import Shown
            from teltubby.collecting.sync_history import sync_history

            with Shown(sleep_threshold=config.collector.sleep_threshold) as shown:
                log_for_command(config)
                return await sync_history(
                    config, peers or (), limit=limit, at_once=max_concurrent, shown=shown, write=typer.echo
                )

        _run(sync, config)


def poll_updates(restart_on_error: _Restart = False) -> None:
    """Follow what happens in the channels that are collected, until Ctrl-C: new, edited and deleted posts, counters."""
    with exit_codes(), until_signalled():
        config = load_to_collect(UPDATES)
        log_for_command(config)

        async def poll() -> int:
            from teltubby.collecting.poll_updates import poll_updates

            await poll_updates(config, restart=restart_on_error, write=typer.echo)
            return 0

        _run(poll, config)


channels = typer.Typer(
    name="channels", help="Which channels are collected; a worker may run meanwhile.", no_args_is_help=True
)


@channels.command(context_settings=IDS_ARE_NO_OPTIONS)
def add(
    channel: _Channel,
    media: Annotated[
        list[str] | None,
        typer.Argument(help="Archive these files of it, as for /track: media=photo,video max=500MB since=2024-01-01 …"),
    ] = None,
) -> None:
    """Collect a channel from now on, or change which of its files are archived."""
    _refuse_options((channel, *(media or ())))
    with exit_codes():
        from teltubby.collecting import tracked

        config = load_beside()
        with recorded(config, "channels add", " ".join((channel, *(media or ())))):
            tracked.add(config, channel, media or (), typer.echo)


@channels.command(context_settings=IDS_ARE_NO_OPTIONS)
def remove(channel: _Channel) -> None:
    """Collect a channel no longer; what was collected stays."""
    _refuse_options((channel,))
    with exit_codes():
        from teltubby.collecting import tracked

        config = load_beside()
        with recorded(config, "channels remove", channel):
            tracked.remove(config, channel, typer.echo)


@channels.command("list")
def show(as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False) -> None:
    """Show every channel that is collected, and how far."""
    with exit_codes():
        from teltubby.collecting import tracked

        tracked.show(load_beside(), typer.echo, as_json=as_json)


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("sync-history", context_settings=IDS_ARE_NO_OPTIONS)(sync_history)
    app.command("poll-updates")(poll_updates)
    app.add_typer(channels)


def _refuse_options(arguments: Sequence[str]) -> None:
    """What begins like an option and is no id is one that there is not."""
    for argument in arguments:
        if argument.startswith("-") and not argument[1:].isdigit():
            raise typer.BadParameter(f"there is no option {argument}")


def _run(command: Callable[[], Awaitable[int]], config: Config) -> None:
    """Run it on the configured backend, and end with what it answers."""
    codes: list[int] = []

    async def keep_code() -> None:
        codes.append(await command())

    from teltubby.runtime import run_command

    run_command(keep_code, config)
    raise typer.Exit(codes[0])
