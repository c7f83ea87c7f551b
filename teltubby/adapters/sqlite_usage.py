"""How much room the archive takes, counted between listings, and what the admins were told of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.adapters.sqlite_file import SqliteFile, to_moment, to_text
from teltubby.messages.history import QuotaAlert, QuotaAlertKind, Usage


class Room:
    """Bytes and objects in the store. Every method raises DatabaseUnavailable.

    `room` has the sum, for an answer that costs one row; `room_changes` has what it is made of since the last listing
    began, each change with its time, so that the next listing can be corrected by exactly what came after its begin.
    """

    def __init__(self, file: SqliteFile, clock: Callable[[], datetime]) -> None:
        self._file = file
        self._clock = clock

    def usage(self) -> Usage:
        """As far as it was counted; never below nothing, though a purge may be counted before what it removed."""
        (row,) = self._file.read("SELECT used_bytes, objects, listed_at FROM room")
        return Usage(
            used_bytes=max(0, row["used_bytes"]),
            objects=max(0, row["objects"]),
            listed_at=to_moment(row["listed_at"]),
        )

    def count(self, used_bytes: int, objects: int) -> None:
        """So much more, or less when negative. Counted again when repeated: the next listing corrects that."""
        with self._file.write() as connection:
            connection.execute(
                "INSERT INTO room_changes (at, used_bytes, objects) VALUES (?, ?, ?)",
                (to_text(self._clock()), used_bytes, objects),
            )
            connection.execute(
                "UPDATE room SET used_bytes = used_bytes + ?, objects = objects + ?", (used_bytes, objects)
            )

    def listed(self, used_bytes: int, objects: int, listed_at: datetime) -> None:
        """A listing that began at `listed_at` found this; an older one than the last changes nothing."""
        began = to_text(listed_at)
        with self._file.write() as connection:
            newest = connection.execute(
                "UPDATE room SET used_bytes = ?, objects = ?, listed_at = ? WHERE coalesce(listed_at, '') <= ?",
                (used_bytes, objects, began, began),
            ).rowcount
            if newest:
                connection.execute("DELETE FROM room_changes WHERE at < ?", (began,))
                connection.execute(
                    "UPDATE room SET used_bytes = used_bytes + more_bytes, objects = objects + more_objects FROM"
                    " (SELECT coalesce(sum(used_bytes), 0) AS more_bytes, coalesce(sum(objects), 0) AS more_objects"
                    " FROM room_changes)"
                )

    def alert(self) -> QuotaAlert:
        """The last one given."""
        (row,) = self._file.read("SELECT alert, alerted_at FROM room")
        return QuotaAlert(kind=QuotaAlertKind(row["alert"]), at=to_moment(row["alerted_at"]))

    def set_alert(self, alert: QuotaAlert) -> None:
        """Remember it."""
        at = None if alert.at is None else to_text(alert.at)
        with self._file.write() as connection:
            connection.execute("UPDATE room SET alert = ?, alerted_at = ?", (alert.kind, at))
