"""A plugin of `make cover`: the painters, which the product starts with nothing but what they need, are measured too.

The reader of media is not: it may write no file, and what was measured is one.
"""

from __future__ import annotations

from teltubby.adapters import charts, report_painting
from tests import guards
from tests.acceptance import nursery

HOW = "COVERAGE_PROCESS_CONFIG"
"""Where coverage.py tells its children that they are measured."""
START_WITHIN = 300.0
"""Seconds in which the nursery has imported the product, every line of which is noted."""
MAY_BLOCK = (("coverage/collector.py", "lock_data"), ("coverage/control.py", "_should_trace"))
"""Who measures waits for other threads, and looks for files, wherever a line happens to stand."""


def pytest_configure() -> None:
    """Let the painters have it, the nursery its time, and coverage.py its locks."""
    for module in (charts, report_painting):
        vars(module)["PASSED_ON"] = (*vars(module)["PASSED_ON"], HOW)
    nursery.START_WITHIN = START_WITHIN
    vars(guards)["MAY_BLOCK"] = (*guards.MAY_BLOCK, *MAY_BLOCK)
