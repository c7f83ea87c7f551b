"""Draw docs/images/demo.svg, the picture in the README, from a run of the demonstration.

Run it as `.venv/bin/python scripts/record-demo.py [FILE]`. Nothing in the picture is made up; the only addition is a
look at the large file's message while it is downloaded, which on a terminal changes in place.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from teltubby.demo.performance import perform
from teltubby.demo.report import Report
from teltubby.demo.screen import ChatScreen
from teltubby.simulator.curator import Conversation

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "demo.svg"
COLUMNS = 120
DOWNLOADING = "⬇"


class RecordedScreen(ChatScreen):
    """Shows every scene when it is over, and a large file's progress once, halfway."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, animated=False)
        self._looked_at: set[int] = set()

    def show(self, conversation: Conversation) -> None:
        super().show(conversation)
        last = conversation[-1]
        if last.text.startswith(DOWNLOADING) and last.message_id not in self._looked_at:
            self._looked_at.add(last.message_id)
            self.freeze(len(conversation) - 1)
            self.console.print(Text("the same message, seconds later:", style="dim italic"))


def main() -> int:
    """Record, and return 0 if the demonstration found nothing wrong."""
    picture = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(Text.assemble(("$ ", "bold green"), "make demo"))
    problems: list[str] = []

    def publish(report: Report) -> None:
        problems.extend(report.problems)

    if not perform(RecordedScreen(console), out=None, keep_running=False, publish=publish):
        sys.stderr.write("\n".join(problems) + "\n")
        return 1
    drawing = console.export_svg(title="teltubby demo", theme=MONOKAI)
    # Rich names fonts on the web; a picture fetches nothing, and the reader's own monospaced font is as good.
    picture.write_text(re.sub(r"\s*@font-face \{.*?\}", "", drawing, flags=re.DOTALL), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
