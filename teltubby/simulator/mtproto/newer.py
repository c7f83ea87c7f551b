"""Answers in which some messages come in a constructor that no client knows yet, as those of a newer layer do."""

from __future__ import annotations

import struct
from collections.abc import Container
from typing import Any

from teltubby.simulator.mtproto.tl import PLAIN_MESSAGE_EMPTY, types

UNKNOWN = struct.pack("<I", 0x7E17AB1E)
"""The number of a constructor that no layer has."""

_OF_MESSAGES = ("messages", "new_messages", "other_updates")


class _Newer:
    """A TL object under a number that nobody knows."""

    def __init__(self, known: Any) -> None:
        self._known = known

    def _bytes(self) -> bytes:
        return UNKNOWN + bytes(self._known)[len(UNKNOWN) :]


def of_newer_layer(answer: Any, ids: object) -> Any:
    """The answer with the messages that have these ids, and updates about them, in an unknown constructor."""
    if not isinstance(ids, Container):
        raise TypeError("the effect `newer` is a set of message ids")
    for name in _OF_MESSAGES:
        if (held := getattr(answer, name, None)) is not None:
            setattr(answer, name, [_Newer(one) if _id_of(one) in ids else one for one in held])
    return answer


def _id_of(one: Any) -> int | None:
    """The id of a message, or of that which an update brings; of what is not there nothing can be new."""
    if isinstance(one, types.UpdateNewChannelMessage | types.UpdateEditChannelMessage):
        one = one.message
    return None if isinstance(one, PLAIN_MESSAGE_EMPTY) else getattr(one, "id", None)
