"""How often something may be done before Telegram asks to wait. Pure: time is a parameter.

Known: whoever asks for too many codes, or tries too many, gets FLOOD_WAIT. How many, and for how long, Telegram does
not tell; waits of hours up to a day are reported for logins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

DAY = 86_400


class Limit:
    """`count` times within `seconds`, for each one apart; both may be changed at any time."""

    def __init__(self, count: int, seconds: int) -> None:
        self.count = count
        self.seconds = seconds
        self._times: dict[Hashable, deque[int]] = {}

    def wait(self, who: Hashable, now: int) -> int:
        """Seconds until `who` may do it again; 0 when they may."""
        times = self._times.get(who, deque())
        while times and times[0] <= now - self.seconds:
            times.popleft()
        return times[0] + self.seconds - now if times and len(times) >= self.count else 0

    def add(self, who: Hashable, now: int) -> None:
        """They did it."""
        self._times.setdefault(who, deque()).append(now)

    def forget(self, who: Hashable) -> None:
        """They may do it as often as if they never had."""
        self._times.pop(who, None)


class LoginLimits:
    """What may be tried to sign in: codes sent to a phone number, wrong codes for it, wrong passwords of an account."""

    def __init__(self) -> None:
        self.codes = Limit(5, DAY)
        self.wrong_codes = Limit(5, DAY)
        self.wrong_passwords = Limit(5, DAY)
