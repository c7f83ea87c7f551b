"""The charts of a report, painted by a child process like the picture of `/stats` (decision 10), and its picture."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from teltubby.adapters.charts import NOT_INSTALLED, PASSED_ON
from teltubby.errors import ExtraNotInstalled, NotAnswered, Transient

PAINTER = "teltubby.adapters.report_painter"
PAINT_SECONDS = 120.0
"""The first picture after an installation takes longest: matplotlib looks for fonts then."""
_SAID_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What one chart shows: a value (None: unknown) for each `place`, a day, a moment (ISO 8601) or an hour ("00").

    `title` is for the picture, where `in_picture` says that it is part of it; the page has headings of its own.
    """

    name: str
    title: str
    kind: Literal["bars", "line"]
    places: tuple[str, ...]
    values: tuple[float | None, ...]
    colour: Literal["blue", "green", "amber", "violet"]
    in_picture: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedChart:
    """A chart as SVG for wide and for narrow places; its colours are variables of the page (`--ink`, `--blue` …)."""

    wide: str
    narrow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Painted:
    """Every chart by name, and a PNG of those that belong into the picture."""

    charts: dict[str, PaintedChart]
    picture: bytes


def paint_charts(charts: Sequence[Chart]) -> Painted:
    """Paint them. Blocking, for seconds. Raises ExtraNotInstalled, NotAnswered (too slow), Transient (anything else).

    The child gets numbers and our own titles only: nothing that came from Telegram is in what it gives back.
    """
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", PAINTER],
            input=json.dumps([asdict(chart) for chart in charts]).encode(),
            capture_output=True,
            check=False,
            env=environment,
            timeout=PAINT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise NotAnswered(f"the charts were not painted in {PAINT_SECONDS:.0f} s") from error
    except OSError as error:
        raise Transient(f"the painter does not start: {error}") from error
    if done.returncode == NOT_INSTALLED:
        raise ExtraNotInstalled("matplotlib is not installed")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()[-_SAID_CHARACTERS:]
        raise Transient(f"the painter ended with {done.returncode}: {said}")
    try:
        told = json.loads(done.stdout)
        painted = {name: PaintedChart(**shapes) for name, shapes in told["charts"].items()}
        picture = base64.b64decode(told["picture"], validate=True)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Transient("the painter gave back something else than charts") from error
    return Painted(charts=painted, picture=picture)
