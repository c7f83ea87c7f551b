"""What is read of the tree when somebody scrapes: each number of each actor, under the actor's path."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from teltubby.adapters.dependencies import Dependencies
from teltubby.adapters.tree_metrics import TreeMetrics
from teltubby.messages.health import DependencyState
from teltubby.supervision import Node, State

HERE = {"actor": "box/wing/it"}


def registry(node: Node, dependencies: Dependencies, troubles: int = 0) -> CollectorRegistry:
    """Of a box with a wing in which this is the only actor."""
    wing = Node(name="wing", kind="one_for_one", state=State.STARTING, restarts=99, children=(node,))
    tree = Node(name="box", kind="one_for_one", state=State.READY, children=(wing,))
    found = CollectorRegistry()
    reasons = {str(number): "why" for number in range(troubles)}
    found.register(TreeMetrics(snapshot=lambda: tree, dependencies=dependencies, troubles=lambda: reasons))
    return found


def test_every_number_of_an_actor_is_its_own() -> None:
    node = Node(name="it", kind="Actor", state=State.READY, restarts=1, mailbox=2, oldest=3, stalled=4, busy=5)
    found = registry(node, Dependencies(), troubles=6)
    names = ("actor_restarts_total", "mailbox_depth", "mailbox_oldest_seconds", "actor_busy_seconds", "actor_ready")
    assert [found.get_sample_value(f"teltubby_{name}", HERE) for name in names] == [1, 2, 3, 5, 1]
    assert found.get_sample_value("teltubby_troubles") == 6
    paths = {
        sample.labels["actor"] for family in found.collect() for sample in family.samples if "actor" in sample.labels
    }
    assert paths == {"box/wing/it"}, "supervisors are no actors"


@pytest.mark.parametrize("state", State)
def test_ready_is_who_is_ready_or_has_finished(state: State) -> None:
    found = registry(Node(name="it", kind="Actor", state=state), Dependencies())
    expected = state in (State.READY, State.FINISHED)
    assert found.get_sample_value("teltubby_actor_ready", HERE) == expected


def test_a_dependency_is_in_one_state() -> None:
    dependencies = Dependencies()
    dependencies.named("store").degraded("slow")
    dependencies.named("broker")
    found = registry(Node(name="it", kind="Actor", state=State.READY), dependencies)
    for name, state in (("store", DependencyState.DEGRADED), ("broker", DependencyState.DOWN)):
        for each in DependencyState:
            labels = {"dependency": name, "state": each.value}
            assert found.get_sample_value("teltubby_dependency_state", labels) == (each is state)
