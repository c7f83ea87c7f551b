"""What a process really serves to Prometheus: every panel and every rule finds its metrics there."""

from __future__ import annotations

import json
from pathlib import Path

from teltubby.adapters.metrics_reference import metric_names
from teltubby.simulator.files import FileKind
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.promtool import Case, alerts, evaluated, metrics_in, names_in, panels, scraped

pytestmark = ON_ASYNCIO


def test_panels_and_rules_find_their_metrics_in_a_real_scrape(box: Household, tmp_path: Path) -> None:
    product = box.start("run")
    box.answer(box.ada.send_document(box.ada.new_file(FileKind.DOCUMENT, 100_000, name="a.txt")), "rchived")
    eventually(lambda: product.get("/readyz")[0] == 200, within=60, what="all that it depends on to be looked at")
    wanted = metric_names() - {"teltubby_queue_depth"}

    def complete() -> str:
        """A scrape in which the first looks, and a job's message, are counted."""
        scrape = product.get("/metrics")[1]
        return scrape if {"teltubby_queue_depth", "teltubby_messages_published_total"} <= names_in(scrape) else ""

    scrape = eventually(complete, within=60, what="everything to be counted")
    assert wanted <= {name.removesuffix("_bucket") for name in names_in(scrape)}
    shown = [expression for _, expression in panels()]
    assert [each for each in (*alerts().values(), *shown) if metrics_in(each) - names_in(scrape)] == []
    found = {f"count({expression}) > bool 0": 1.0 for expression in shown}
    assert evaluated(tmp_path, [Case(series=scraped(scrape), expected=found)]) == ""
    status = json.loads(product.get("/status")[1])
    assert status["queues"]["jobs"] == status["jobs"]["failed"] == 0 and status["quota"]["limit_bytes"] is None
    assert status["sessions"]["bot"]["state"] and "python" in status["versions"]
