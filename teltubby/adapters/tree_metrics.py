"""Metrics that are read when they are scraped: of the tree, of the dependencies, of what needs an operator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from teltubby.adapters.dependencies import Dependencies
from teltubby.messages.health import DependencyState
from teltubby.supervision import Node, State


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMetrics(Collector):
    """`troubles` is what needs an operator, by where it is."""

    snapshot: Callable[[], Node]
    dependencies: Dependencies
    troubles: Callable[[], Mapping[str, str]]

    def collect(self) -> Iterable[Metric]:
        """Taken from memory: it waits for nothing."""
        depth = GaugeMetricFamily("teltubby_mailbox_depth", "Messages that wait for an actor", labels=["actor"])
        oldest = GaugeMetricFamily(
            "teltubby_mailbox_oldest_seconds", "How long the oldest of them has waited", labels=["actor"]
        )
        busy = GaugeMetricFamily(
            "teltubby_actor_busy_seconds", "How long an actor has worked on one message", labels=["actor"]
        )
        restarts = CounterMetricFamily(
            "teltubby_actor_restarts", "Restarts of an actor for its own ends", labels=["actor"]
        )
        ready = GaugeMetricFamily("teltubby_actor_ready", "1 while the actor is ready", labels=["actor"])
        for path, node in actors(self.snapshot()):
            depth.add_metric([path], node.mailbox)
            oldest.add_metric([path], node.oldest)
            busy.add_metric([path], node.busy)
            restarts.add_metric([path], node.restarts)
            ready.add_metric([path], node.state in (State.READY, State.FINISHED))
        yield from (depth, oldest, busy, restarts, ready)
        yield self._dependencies()
        yield GaugeMetricFamily(
            "teltubby_troubles", "Troubles that need an operator, as /readyz names them", value=len(self.troubles())
        )

    def _dependencies(self) -> Metric:
        states = GaugeMetricFamily(
            "teltubby_dependency_state", "1 for the state that a dependency is in", labels=["dependency", "state"]
        )
        for standing in self.dependencies.standings():
            for state in DependencyState:
                states.add_metric([standing.name, state], standing.state is state)
        return states


def actors(node: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every actor below with its path, supervisors left out."""
    here = f"{path}/{node.name}" if path else node.name
    if not node.children:
        yield here, node
    for child in node.children:
        yield from actors(child, here)
