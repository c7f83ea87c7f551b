"""docs/architecture.md and docs/messages.md say what the code says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import architecture_reference as architecture

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
MESSAGES = (ROOT / "docs/messages.md").read_text()


@pytest.mark.parametrize("part", [architecture.picture, architecture.trees, architecture.crossing])
def test_the_trees_and_what_goes_over_the_broker_are_as_they_are(part: Callable[[], str]) -> None:
    assert f"-->\n\n{part()}\n<!-- end -->\n" in ARCHITECTURE, "PYTHONPATH=. python scripts/write-reference.py"


def test_every_message_of_every_actor_is_there() -> None:
    assert f"-->\n\n{architecture.messages()}\n<!-- end -->\n" in MESSAGES, (
        "PYTHONPATH=. python scripts/write-reference.py"
    )


def test_every_message_is_made_somewhere() -> None:
    """One that nobody makes is dead; DescribeCollector is what tests of the collector look through."""
    rows = re.findall(r"^\| `(\w+)` \| [^|]*(?:\\\|[^|]*)* \| ([^|]*) \|", MESSAGES, re.MULTILINE)
    assert len(rows) > 80
    assert [name for name, makers in rows if not makers.strip()] == ["DescribeCollector"]


def test_the_files_of_every_actor_are_named_and_no_others() -> None:
    table = ARCHITECTURE.partition("| actor | files |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([a-z_]+)/?`", table))
    assert named == {path.stem for path in (ROOT / "teltubby/actors").iterdir() if not path.name.startswith("__")}


def test_every_decision_is_listed() -> None:
    listed = re.findall(r"\]\((decisions/\d{4}-[^)]+)\)", ARCHITECTURE.partition("## Decisions\n")[2])
    assert listed == [f"decisions/{path.name}" for path in sorted((ROOT / "docs/decisions").iterdir())]
