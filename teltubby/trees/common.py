"""What every process has: a root whose first child tells how the tree does."""

from __future__ import annotations

from collections.abc import Sequence

from teltubby.actors.health import HealthActor, Measure
from teltubby.actors.troubles import Troubles
from teltubby.adapters.metrics import Metrics
from teltubby.config import Config
from teltubby.supervision import ChildSpec, Node, Supervisor


async def nothing_to_measure() -> None:
    """Everything that this process counts is counted as it happens."""


def root(
    name: str,
    config: Config,
    metrics: Metrics,
    wing: Sequence[ChildSpec | Supervisor],
    *,
    troubles: Troubles,
    measure: Measure = nothing_to_measure,
) -> Supervisor:
    """The tree of a process: `health`, then `wing`."""
    host = "127.0.0.1" if config.health.localhost_only else "0.0.0.0"
    port = config.health.port

    def snapshot() -> Node:
        return tree.snapshot()

    health = ChildSpec(
        "health",
        lambda: HealthActor(
            host=host, port=port, snapshot=snapshot, troubles=troubles, metrics=metrics, measure=measure
        ),
    )
    tree = Supervisor(name, [health, *wing])
    return tree
