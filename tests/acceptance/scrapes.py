"""What a process serves to Prometheus, held against the panels and rules that are deployed with it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from teltubby.adapters.metrics_reference import metric_names
from tests.acceptance.polling import eventually
from tests.acceptance.product import Product
from tests.promtool import Case, alerts, evaluated, metrics_in, names_in, panels, scraped

SEEN_LATE = {"teltubby_queue_depth", "teltubby_messages_published_total"}
"""They come with the first look, and with the first message."""
BACKUPS_ONLY = {"Age of the newest backup"}


def look_at_scrape(product: Product, folder: Path, *, without: Collection[str] = ()) -> str:
    """Every metric is served, every panel and rule finds what it names, and every panel shows something.

    `without` are metrics that this process has no sample of. Returns the scrape.
    """

    def complete() -> str:
        scrape = product.get("/metrics")[1]
        return scrape if names_in(scrape) >= SEEN_LATE - set(without) else ""

    scrape = eventually(complete, within=60, what=f"everything to be counted by {product}")
    served = names_in(scrape)
    assert metric_names() - {re.sub("_bucket$", "", name) for name in served} == set(without)
    expected = [(title, each) for title, each in panels() if not metrics_in(each) & set(without)]
    asked = [*alerts().values(), *(expression for _, expression in expected)]
    assert [each for each in asked if metrics_in(each) - served - set(without)] == []
    shown = {
        f"count({expression}) > bool 0": 1.0
        for title, expression in expected
        if title not in BACKUPS_ONLY or value_in(scrape, "teltubby_backup_last_success_timestamp_seconds")
    }
    folder.mkdir(exist_ok=True)
    assert evaluated(folder, [Case(series=scraped(scrape), expected=shown)]) == ""
    look_at_labels(scrape)
    return scrape


def value_in(scrape: str, sample: str) -> float:
    """One sample."""
    found = re.search(rf"^{re.escape(sample)} (\S+)$", scrape, re.MULTILINE)
    assert found is not None, f"no sample {sample}"
    return float(found.group(1))


def look_at_labels(scrape: str) -> None:
    """No label has a value that people, files or jobs give: series would grow for ever, and tell of them."""
    for name, value in set(re.findall(r'[{,](\w+)="([^"]*)"', scrape)):
        if name == "version":
            continue
        assert name in LABELS, name
        assert re.fullmatch(r"[a-z_/]+|[0-9.e+]+|\+Inf", value), (name, value)


LABELS = {"account", "actor", "dependency", "disk", "le", "outcome", "queue", "source", "stage", "state"}
