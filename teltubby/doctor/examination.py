"""Runs sections side by side, each with its own time limit; whatever one of them does, the others are heard."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import anyio

from teltubby.doctor.findings import Finding, Findings
from teltubby.doctor.troubles import Trouble

_LOG = logging.getLogger(__name__)

Look = Callable[[Findings], Awaitable[None]]
Told = Callable[[str, Sequence[Finding]], None]
"""Is told each section's title and lines, in the order of the sections, as soon as they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines that belong together and are found one after the other, in at most `within` seconds."""

    title: str
    look: Look
    within: float = 25.0


async def examine(sections: Sequence[Section], told: Told) -> list[Finding]:
    """Look at all of them at once; never raises what a section raises, and returns every line."""
    results: list[Findings | None] = [None] * len(sections)
    said = 0

    async def work(number: int, section: Section) -> None:
        nonlocal said
        results[number] = await look_at(section)
        while said < len(results) and (done := results[said]) is not None:
            told(sections[said].title, done.lines)
            said += 1

    async with anyio.create_task_group() as tasks:
        for number, section in enumerate(sections):
            tasks.start_soon(work, number, section)
    return [line for done in results if done is not None for line in done.lines]


async def look_at(section: Section) -> Findings:
    """The lines of one section; what it did not get to is said in a line of its own."""
    findings = Findings()
    try:
        with anyio.move_on_after(section.within) as limit:
            await section.look(findings)
    except Exception as error:  # noqa: BLE001 - a bug in one check must not hide what the others found
        _LOG.error("doctor: the section %s failed", section.title, exc_info=error)
        what = f"doctor itself failed: {type(error).__name__}: {error}"
        findings.trouble(section.title, Trouble.DOCTOR_FAILED, what)
    if limit.cancelled_caught:
        what = f"not done within {section.within:g} s, the rest of it was not looked at"
        findings.trouble(section.title, Trouble.TOOK_TOO_LONG, what)
    return findings
