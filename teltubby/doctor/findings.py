"""What an examination finds: lines for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from teltubby.doctor.troubles import Mark, Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: what was looked at, how it is, what was found in words, and which trouble that is, if any."""

    subject: str
    mark: Mark
    found: str
    trouble: Trouble | None = None

    def as_dict(self) -> Mapping[str, str]:
        """For `--json`."""
        line = {"subject": self.subject, "state": self.mark.word, "found": self.found}
        if self.trouble is not None:
            line |= {"trouble": self.trouble.title, "remedy": self.trouble.remedy}
        return line


@dataclass(slots=True)
class Findings:
    """The lines of one section, in the order in which they were found."""

    lines: list[Finding] = field(default_factory=list)

    def well(self, subject: str, found: str) -> None:
        """It is as it should be."""
        self.lines.append(Finding(subject=subject, mark=Mark.WELL, found=found))

    def skipped(self, subject: str, why: str) -> None:
        """It was not looked at, and that is no trouble in itself."""
        self.lines.append(Finding(subject=subject, mark=Mark.SKIPPED, found=why))

    def trouble(self, subject: str, trouble: Trouble, found: object) -> None:
        """It is not as it should be; `found` says in words what is."""
        self.lines.append(Finding(subject=subject, mark=trouble.mark, found=str(found), trouble=trouble))


class Verdict(StrEnum):
    """How it all looks."""

    WELL = "Nothing is wrong."
    WARNED = "It works; see the lines with !."
    FAILED = "Something has to be mended; see the lines with ✗."


def verdict(lines: Sequence[Finding]) -> Verdict:
    """The worst of the lines decides."""
    marks = {line.mark for line in lines}
    if Mark.FAILED in marks:
        return Verdict.FAILED
    return Verdict.WARNED if Mark.WARNING in marks else Verdict.WELL
