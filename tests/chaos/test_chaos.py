"""A few scenarios, as part of all tests; `make chaos` plays hundreds, and every planted bug."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import Ground
from tests.chaos.planting import PLANTS, found_by
from tests.chaos.report import told_of_failure
from tests.chaos.run import play
from tests.chaos.scenario import of_seed
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import rabbit_node
from tests.servers.swift import SwiftNode
from tests.servers.swift_fixtures import swift

__all__ = ["rabbit_node", "swift"]

SEEDS = (22, 82)
"""Quick ones: two workers, and a single box."""
CHEAP_BUG = "ignore the identity check"


@pytest.fixture(scope="module")
def ground(rabbit_node: RabbitNode, swift: SwiftNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The servers of the other tests, and processes of our own."""
    with Ground(tmp_path_factory.mktemp("chaos"), rabbit=rabbit_node, swift=swift) as ground:
        yield ground


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_everything_is_archived_once_whatever_goes_wrong(ground: Ground, tmp_path: Path, seed: int) -> None:
    outcome = play(ground, tmp_path / "home", of_seed(seed))
    assert outcome.is_well, told_of_failure(outcome, None)


@pytest.mark.timeout(600)
def test_a_planted_bug_is_found(ground: Ground, tmp_path: Path) -> None:
    """Another file stands where one was handed in, and the worker does not look."""
    outcome = found_by(ground, tmp_path / "home", CHEAP_BUG)
    assert PLANTS[CHEAP_BUG].is_found(outcome), outcome.problems
    assert set(outcome.met) == {strike.fault for strike in outcome.scenario.strikes}, "both met something"
