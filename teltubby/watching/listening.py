"""The event listener's side of supervisord's protocol (supervisord.org/events.html)."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TextIO
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

from supervisor import childutils

from teltubby.errors import TeltubbyError
from teltubby.watching.changes import Change, ExitStatus, read_change

_LOG = logging.getLogger(__name__)


class NoEvent(TeltubbyError):
    """What came is no event: where the next one begins nobody can know. Who starts this anew listens afresh."""


def listen(
    stdin: TextIO, stdout: TextIO, note: Callable[[Change], None], *, exit_status: ExitStatus, own_name: str
) -> None:
    """Take events until supervisord closes the line; each is acknowledged at once, so that none is kept for us."""
    while True:
        childutils.listener.ready(stdout)
        line = stdin.readline()
        if not line:
            return
        headers = _pairs(line)
        length = headers.get("len", "")
        if not length.isascii() or not length.isdigit():
            raise NoEvent(f"supervisord said {line[:200]!r}, which is no event")
        fields = _pairs(stdin.read(int(length)))
        change = read_change(
            headers.get("eventname", ""), fields, exit_status=exit_status, now=datetime.now(UTC), own_name=own_name
        )
        if change is not None:
            note(change)
        childutils.listener.ok(stdout)


def _pairs(text: str) -> dict[str, str]:
    """`name:value name:value`; what of it is none is left out, as the body of an event that we did not ask for."""
    return {name: value for name, colon, value in (word.partition(":") for word in text.split()) if colon}


def asking_supervisord(environ: Mapping[str, str]) -> ExitStatus:
    """How to ask the supervisord that started us, over the socket that it names in our environment."""

    def exit_status(process: str) -> int | None:
        if "SUPERVISOR_SERVER_URL" not in environ:
            return None
        transport = childutils.getRPCTransport(environ)
        try:
            # The transport knows the socket's path; ServerProxy wants an address all the same.
            info = ServerProxy("http://127.0.0.1", transport).supervisor.getProcessInfo(process)
        except (OSError, RpcError, http.client.HTTPException) as error:
            _LOG.warning("supervisord does not say how %s ended: %s", process, error)
            return None
        finally:
            transport.close()
        status = info.get("exitstatus") if isinstance(info, dict) else None
        return status if isinstance(status, int) else None

    return exit_status
