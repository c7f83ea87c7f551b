"""How findings are printed: for people as lines, for programs as one JSON object. Secrets are taken out of both."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from teltubby.doctor.findings import Finding, Verdict, verdict
from teltubby.logs import Redaction

WIDTH = 118
_SUBJECT = 20

Write = Callable[[str], None]


class Report:
    """Prints sections as they come (`told`), and the verdict (`end`); with `as_json` everything at the end."""

    def __init__(self, write: Write, redaction: Redaction, *, as_json: bool) -> None:
        self._write = write
        self._redaction = redaction
        self._as_json = as_json
        self._sections: list[tuple[str, Sequence[Finding]]] = []

    def told(self, title: str, lines: Sequence[Finding]) -> None:
        """A section is done."""
        self._sections.append((title, lines))
        if not self._as_json and lines:
            # Redacted before it is wrapped: a secret must not hide behind the end of a line.
            clean = [replace(line, found=self._redaction.text(line.found)) for line in lines]
            self._write("\n".join((title, *(text for line in clean for text in in_words(line)))))

    def end(self) -> Verdict:
        """All are done."""
        found = verdict([line for _, lines in self._sections for line in lines])
        if self._as_json:
            sections = [
                {"title": title, "findings": [line.as_dict() for line in lines]} for title, lines in self._sections
            ]
            report = self._redaction.value({"well": found is not Verdict.FAILED, "sections": sections})
            self._write(json.dumps(report, ensure_ascii=False, indent=2))
        else:
            self._write(f"\n{found}")
        return found


def in_words(line: Finding) -> Iterator[str]:
    """The line, and under it the remedy with the name of the trouble, as docs/operations.md lists it."""
    indent = " " * (_SUBJECT + 5)
    head = f"  {line.mark} {line.subject:<{_SUBJECT}} "
    yield from textwrap.wrap(
        line.found, WIDTH, initial_indent=head, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    if line.trouble is not None:
        remedy = f"→ {line.trouble.remedy} [{line.trouble.title}]"
        yield from textwrap.wrap(
            remedy,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent + "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
