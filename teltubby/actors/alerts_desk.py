"""`/alerts`: what is not as it should be, what was lately, and whether it is told."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from teltubby.actors.alerts import Alerts
from teltubby.actors.audit import Audit
from teltubby.actors.chat import Answer
from teltubby.actors.phrases import alerts as words
from teltubby.messages.media import IncomingMessage

LONGEST = timedelta(days=7)
_SPAN = re.compile(r"([1-9]\d{0,3})([mhd])", re.ASCII)
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class AlertsDesk:
    """Answers, and has alerts muted, which goes into the audit trail."""

    def __init__(self, alerts: Alerts, *, audit: Audit, clock: Callable[[], datetime]) -> None:
        self._alerts = alerts
        self._audit = audit
        self._clock = clock

    async def answer(self, arguments: Sequence[str], message: IncomingMessage) -> Answer:
        """The answer to `/alerts`, `/alerts mute 2h` and `/alerts unmute`. Raises what the ledger does."""
        if not self._alerts.is_on:
            return Answer(html=words.OFF)
        match [argument.lower() for argument in arguments]:
            case []:
                return Answer(html=self._overview())
            case ["mute", wanted] if (lasting := _span(wanted)) is not None:
                until = self._clock() + lasting
                await self._alerts.mute(until)
                await self._audit.accept(message, "alerts", f"mute {wanted}")
                return Answer(html=words.muted(until))
            case ["unmute"]:
                await self._alerts.mute(None)
                await self._audit.accept(message, "alerts", "unmute")
                return Answer(html=words.UNMUTED)
            case _:
                return Answer(html=words.USAGE)

    def attention(self) -> Sequence[str]:
        """Lines for `/status`."""
        return [words.open_alert(period, self._clock()) for period in self._alerts.open]

    def _overview(self) -> str:
        alerts = self._alerts
        return words.alerts_text(alerts.open, alerts.over, muted_until=alerts.muted_until, now=self._clock())


def _span(text: str) -> timedelta | None:
    """`30m`, `2h`, `1d`; None where it is none of these, or too long."""
    match = _SPAN.fullmatch(text)
    lasting = None if match is None else int(match[1]) * _UNITS[match[2]]
    return None if lasting is None or lasting > LONGEST else lasting
