"""AUTH_KEY_DUPLICATED: which connections use one authorization key at the same time. Pure: time is a parameter.

Known (core.telegram.org/api/errors#406-not-acceptable): a non-media data centre that sees a signed-in session send
requests in parallel over two TCP connections, from one address or two, answers with this error and has ended the
session by then; the client must make another key and sign in anew. Media data centres are exempt. The server may allow
more by `tmp_sessions` in help.config and auth.authorization; absent, it is one.

Assumed, because it is written nowhere: two connections are parallel when each sent a query while the other was open,
both within a second. A client whose connection was lost sends nothing on the old one after it has opened the new one,
so it is never taken for two, however long the server believes the old one alive. Pings and acknowledgements do not
count. Only the home data centre is strict: an exported login elsewhere may have any number of connections, as official
clients have. With the session end the logins that were exported from it.
"""

from __future__ import annotations

from dataclasses import dataclass

PARALLEL_SECONDS = 1.0


@dataclass(slots=True)
class _Use:
    opened: float
    sent: float


class ParallelUse:
    """The connections that sent queries with one key; `connection` is any object that stands for one."""

    def __init__(self) -> None:
        self._uses: dict[object, _Use] = {}

    def query(self, connection: object, *, opened: float, now: float) -> int:
        """Note a query on a connection that was opened then; returns how many connections are at it in parallel."""
        self._uses[connection] = _Use(opened, now)
        return sum(use.sent >= opened and use.sent > now - PARALLEL_SECONDS for use in self._uses.values())

    def closed(self, connection: object) -> None:
        """That one is over."""
        self._uses.pop(connection, None)
