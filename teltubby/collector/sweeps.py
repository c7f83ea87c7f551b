"""How far a sweep of a channel is: the stored posts that are yet to be read again, newest first."""

from __future__ import annotations

from teltubby.adapters.sqlite_file import SqliteFile, Transaction
from teltubby.collector.pages import Sweep
from teltubby.messages.channels import PAGE

_MOVE = (
    "INSERT INTO sweeps (channel_id, number, below) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET below ="
    " CASE WHEN excluded.number > number THEN excluded.below ELSE min(below, excluded.below) END,"
    " number = excluded.number WHERE excluded.number >= number"
)
TO_BE_READ = (
    "SELECT msg_id FROM posts WHERE channel_id = ? AND msg_id < ? AND deleted_at IS NULL ORDER BY msg_id DESC LIMIT ?"
)
LEFT = (
    "SELECT count(*) AS posts FROM sweeps JOIN posts USING (channel_id)"
    " WHERE channel_id = ? AND msg_id < below AND deleted_at IS NULL"
)


def move_sweep(connection: Transaction, channel_id: int, sweep: Sweep) -> None:
    """Move a channel's sweep, in the transaction of what was read."""
    connection.execute(_MOVE, (channel_id, sweep.number, sweep.below))


def sweep_of(file: SqliteFile, channel_id: int) -> Sweep:
    """The latest sweep of a channel; the one before the first is done."""
    row = file.read_one("SELECT number, below FROM sweeps WHERE channel_id = ?", channel_id)
    return Sweep(number=0, below=0) if row is None else Sweep(number=row["number"], below=row["below"])


def left_to_sweep(file: SqliteFile, channel_id: int) -> int:
    """How many posts of a channel are to be read again."""
    row = file.read_one(LEFT, channel_id)
    return 0 if row is None else int(row["posts"])


def posts_to_sweep(file: SqliteFile, channel_id: int, below: int) -> tuple[int, ...]:
    """The next hundred ids, largest first."""
    return tuple(row["msg_id"] for row in file.read(TO_BE_READ, channel_id, below, PAGE))
