"""Trouble on order: latency, narrow lines and failures, once or by chance, that both servers consult."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from random import Random
from typing import TypedDict, Unpack

from teltubby.simulator.lines import Line, SharedLink

ANY_METHOD = "*"
PUSH = "push"

Matches = Callable[[Mapping[str, object]], bool]
Message = str | range | Callable[[Random], str]


class FileHashes(StrEnum):
    """How upload.getFileHashes answers: truly, with an empty list, with METHOD_INVALID, or with wrong hashes."""

    TRUE = auto()
    EMPTY = auto()
    REFUSED = auto()
    WRONG = auto()


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """What shall go wrong with the next `times` calls of `method`, after `skip` calls that go well.

    `method` is a Bot API method ("sendMessage"; "file" is the download path), an MTProto method ("upload.getFile")
    or "*". `account` and `matches` (which sees the call's parameters) narrow it down; of the calls that are left,
    `chance` is the share that it strikes, by dice that follow from `seed`.

    Effects add up. `then` is called at once, on the world's thread. `delay` seconds pass first; then `cut` closes the
    connection without an answer, or `error` answers with that code and `message`; `retry_after` goes into the Bot
    API's parameters; `truncate` ends a download after that many bytes; `corrupt` flips a bit in what is downloaded.
    `message` may be drawn for each call: a range stands for FLOOD_WAIT_X with X from it, a function gets the dice.
    Without `error`, MTProto's code follows from the message.

    Only MTProto knows: `silent` never answers this request; `stall` sends nothing more on this connection and keeps it
    open; `shift` answers upload.getFile with as many bytes from that far beside the offset; `expire` makes the file's
    references invalid before this request is looked at. `effects` is for anything that only one server understands: of
    an answer that has messages with the ids of the effect `newer`, those come in a constructor of a newer layer.

    "push" (which "*" does not mean) is one update that MTProto pushes to one account; it sees `update` and its `kind`,
    "UpdateNewChannelMessage". A `silent` one or one that is `cut` is lost, after `delay` others overtake it, the effect
    `again` sends it that many times more, and `too_long` sends updatesTooLong (or, for one of a channel,
    updateChannelTooLong) in its place.

    Updates: getUpdates knows the effects `again` (that many confirmed updates come once more, before the others) and
    `reversed`. "webhook" is the delivery of one update: `delay` passes before it, and after `cut` or `error` its answer
    is lost, so that the update comes again.
    """

    method: str
    times: int = 1
    skip: int = 0
    account: int | None = None
    matches: Matches | None = None
    chance: float = 1.0
    seed: int = 0
    then: Callable[[], object] | None = None
    error: int | None = None
    message: Message | None = None
    retry_after: int | None = None
    delay: float = 0.0
    cut: bool = False
    truncate: int | None = None
    corrupt: bool = False
    silent: bool = False
    stall: bool = False
    shift: int = 0
    expire: bool = False
    effects: Mapping[str, object] = field(default_factory=dict)
    used: int = 0
    dice: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.dice = Random(self.seed)

    def concerns(self, method: str, account: int | None, parameters: Mapping[str, object]) -> bool:
        """Whether this fault is meant for such a call."""
        return (
            (self.method == method or (self.method == ANY_METHOD and method != PUSH))
            and self.account in (None, account)
            and (self.matches is None or self.matches(parameters))
        )

    def strikes(self) -> bool:
        """Whether a call that it is meant for is hit; counts the calls that are let go, and those that are not."""
        if self.skip:
            self.skip -= 1
            return False
        if self.chance < 1.0 and self.dice.random() >= self.chance:
            return False
        self.used += 1
        self.times -= 1
        return True

    def text(self) -> str | None:
        """The message for one call, drawn if it is one to be drawn."""
        match self.message:
            case None | str():
                return self.message
            case range():
                return f"FLOOD_WAIT_{self.dice.choice(self.message)}"
            case _:
                return self.message(self.dice)


class FaultFields(TypedDict, total=False):
    """What `Faults.add` takes beside the method; see Fault."""

    times: int
    skip: int
    account: int | None
    matches: Matches | None
    chance: float
    seed: int
    then: Callable[[], object] | None
    error: int | None
    message: Message | None
    retry_after: int | None
    delay: float
    cut: bool
    truncate: int | None
    corrupt: bool
    silent: bool
    stall: bool
    shift: int
    expire: bool
    effects: Mapping[str, object]


class Faults:
    """The trouble in force, for both servers.

    `latency` is the round trip in seconds: every request and packet of a client is on its way for that long, any number
    of them at a time, and the first of a connection for twice as long, because connecting is a round trip as well.
    `bandwidth` is bytes per second to each connection, `shared_bandwidth` bytes per second of one link that all
    connections share fairly; None is unlimited. `hashes` is how upload.getFileHashes behaves.
    """

    def __init__(self) -> None:
        self.latency = 0.0
        self.bandwidth: float | None = None
        self.shared_bandwidth: float | None = None
        self.hashes = FileHashes.TRUE
        self.programmed: list[Fault] = []
        self._link = SharedLink()

    def add(self, method: str, **fields: Unpack[FaultFields]) -> Fault:
        """Program a fault (see Fault for the fields) and return it; its `used` tells how often it struck."""
        fault = Fault(method=method, **fields)
        self.programmed.append(fault)
        return fault

    def clear(self) -> None:
        """Everything works again."""
        self.latency, self.bandwidth, self.shared_bandwidth = 0.0, None, None
        self.hashes = FileHashes.TRUE
        self.programmed.clear()

    def take(self, method: str, account: int | None, parameters: Mapping[str, object]) -> Fault | None:
        """The first programmed fault that strikes this call, counted as used; None when the call may go well."""
        for fault in self.programmed:
            if fault.concerns(method, account, parameters) and fault.strikes():
                if fault.times <= 0:
                    self.programmed.remove(fault)
                if fault.then is not None:
                    fault.then()
                return fault
        return None

    def line(self) -> Line:
        """The way to one client, for a new connection."""
        return Line(self, self._link)
