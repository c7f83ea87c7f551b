"""`teltubby listen`, as supervisord starts it."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

import typer

from teltubby import logs
from teltubby.config import load_watching
from teltubby.exit_codes import exit_codes
from teltubby.interrupts import forget_interrupt, until_signalled
from teltubby.watching.telling import Unreached, tell


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("listen")(listen)


def listen() -> None:
    """Tell the admins when a process that supervisord watches dies, and when it is back; supervisord starts this."""
    if "SUPERVISOR_ENABLED" not in os.environ:
        raise typer.BadParameter("supervisord starts this, as its event listener: see supervisord.conf")
    with exit_codes():
        telegram, log_settings = load_watching()
        token = telegram.bot_token
        logs.configure(log_settings, () if token is None else (token.get_secret_value(),))
        from teltubby.watching import listening
        from teltubby.watching.bulletin import Bulletin
        from teltubby.watching.watch import Watch

        def send(recipients: Sequence[int], text: str) -> Unreached:
            return tell(telegram, recipients, text)

        watch = Watch(Bulletin(socket.gethostname()), telegram.whitelist_ids, send)
        watch.start()
        own_name = f"{os.environ.get('SUPERVISOR_GROUP_NAME')}:{os.environ.get('SUPERVISOR_PROCESS_NAME')}"
        try:
            with until_signalled():
                listening.listen(
                    sys.stdin,
                    sys.stdout,
                    watch.note,
                    exit_status=listening.asking_supervisord(os.environ),
                    own_name=own_name,
                )
        except KeyboardInterrupt:
            forget_interrupt()  # an ordered stop: 0
