"""The table of docs/operations.md, made of the metrics themselves by scripts/write-reference.py."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from teltubby.adapters.dependencies import Dependencies
from teltubby.adapters.metrics import Metrics
from teltubby.adapters.tree_metrics import TreeMetrics
from teltubby.supervision import Node, State

_LABELS = {
    "teltubby_build_info": ("version",),
    "teltubby_disk_free_bytes": ("disk",),
    "teltubby_disk_size_bytes": ("disk",),
    "teltubby_messages_published": ("queue",),
    "teltubby_queue_depth": ("queue",),
    "teltubby_session_state": ("account", "state"),
}
"""Of those that have no sample before something was seen."""


def metrics_table() -> str:
    """One row for each metric, under the name by which Prometheus asks for it."""
    rows = [f"| `{name}` | {kind} | {labels} | {what} |" for name, kind, labels, what in _rows()]
    return "\n".join(["| metric | kind | labels | |", "|---|---|---|---|", *rows, ""])


def metric_names() -> set[str]:
    """Every name in the table."""
    return {name for name, *_ in _rows()}


def _rows() -> Iterator[tuple[str, str, str, str]]:
    for family in _registry().collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in _labels(family))
        yield name, family.type, labels, family.documentation


def _labels(family: Metric) -> tuple[str, ...]:
    found = {label: None for sample in family.samples for label in sample.labels if label != "le"}
    return tuple(found) or _LABELS.get(family.name, ())


def _registry() -> CollectorRegistry:
    """That of a process with one actor and one dependency."""
    dependencies = Dependencies()
    dependencies.named("store")
    node = Node(name="actor", kind="Actor", state=State.READY)
    registry = Metrics().registry
    registry.register(TreeMetrics(snapshot=lambda: node, dependencies=dependencies, troubles=dict))
    return registry
