"""Trouble on order: latency, narrow lines and one-shot failures that both servers consult."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

ANY_METHOD = "*"


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """What shall go wrong with the next `times` calls of `method`, after `skip` calls that go well.

    `method` is a Bot API method ("sendMessage"; "file" is the download path), an MTProto method ("upload.getFile")
    or "*". `account` and `matches` (which sees the call's parameters) narrow it down. Effects add up: `delay` seconds
    pass first; then `cut` closes the connection without an answer, or `error` answers with that code and `message`
    (MTProto: "FLOOD_WAIT_3"); `retry_after` goes into the Bot API's parameters; `truncate` ends a download after that
    many bytes; `corrupt` flips a bit in what is downloaded. `effects` is for anything that only one server understands.
    """

    method: str
    times: int = 1
    skip: int = 0
    account: int | None = None
    matches: Callable[[Mapping[str, object]], bool] | None = None
    error: int | None = None
    message: str | None = None
    retry_after: int | None = None
    delay: float = 0.0
    cut: bool = False
    truncate: int | None = None
    corrupt: bool = False
    effects: Mapping[str, object] = field(default_factory=dict)
    used: int = 0

    def concerns(self, method: str, account: int | None, parameters: Mapping[str, object]) -> bool:
        """Whether this fault is meant for such a call."""
        return (
            self.method in (method, ANY_METHOD)
            and self.account in (None, account)
            and (self.matches is None or self.matches(parameters))
        )


class Faults:
    """The faults in force: `latency` seconds before every answer, `bandwidth` bytes per second and connection."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.bandwidth: float | None = None
        self.programmed: list[Fault] = []

    def add(
        self,
        method: str,
        *,
        times: int = 1,
        skip: int = 0,
        account: int | None = None,
        matches: Callable[[Mapping[str, object]], bool] | None = None,
        error: int | None = None,
        message: str | None = None,
        retry_after: int | None = None,
        delay: float = 0.0,
        cut: bool = False,
        truncate: int | None = None,
        corrupt: bool = False,
        effects: Mapping[str, object] | None = None,
    ) -> Fault:
        """Program a fault (see Fault for the fields) and return it; its `used` tells how often it struck."""
        fault = Fault(
            method=method,
            times=times,
            skip=skip,
            account=account,
            matches=matches,
            error=error,
            message=message,
            retry_after=retry_after,
            delay=delay,
            cut=cut,
            truncate=truncate,
            corrupt=corrupt,
            effects=effects or {},
        )
        self.programmed.append(fault)
        return fault

    def clear(self) -> None:
        """Everything works again."""
        self.latency, self.bandwidth = 0.0, None
        self.programmed.clear()

    def take(self, method: str, account: int | None, parameters: Mapping[str, object]) -> Fault | None:
        """The first programmed fault that strikes this call, counted as used; None when the call may go well."""
        for fault in self.programmed:
            if not fault.concerns(method, account, parameters):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.used += 1
            fault.times -= 1
            if fault.times <= 0:
                self.programmed.remove(fault)
            return fault
        return None


class Throttle:
    """The pace of one connection under `Faults.bandwidth`, which may change while it is in use."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._free_at = 0.0

    async def spend(self, size: int) -> None:
        """Wait until `size` more bytes may pass."""
        bandwidth = self._faults.bandwidth
        if bandwidth is None:
            return
        now = asyncio.get_running_loop().time()
        self._free_at = max(self._free_at, now) + size / bandwidth
        await asyncio.sleep(self._free_at - now)
