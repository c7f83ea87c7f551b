"""This machine's clock beside another one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.doctor.findings import Findings
from teltubby.doctor.troubles import Trouble

Clock = Callable[[], datetime]

DRIFT_SECONDS = 10.0
"""Below this it may be the way there and back, and the other clock's whole seconds."""
OFF_SECONDS = 120.0


def compare_clocks(findings: Findings, subject: str, theirs: datetime | None, ours: datetime) -> None:
    """How far apart they are; `theirs` is None where the other side says nothing."""
    if theirs is None:
        findings.skipped(subject, "the other side does not tell the time")
        return
    seconds = (ours - theirs).total_seconds()
    if abs(seconds) < DRIFT_SECONDS:
        findings.well(subject, "agrees with this machine's")
        return
    found = f"this machine's clock is {abs(seconds):,.0f} s {'ahead' if seconds > 0 else 'behind'}"
    findings.trouble(subject, Trouble.CLOCK_OFF if abs(seconds) >= OFF_SECONDS else Trouble.CLOCK_DRIFTS, found)
