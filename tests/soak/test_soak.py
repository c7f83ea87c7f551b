"""A few seconds of a soak with a leak in it: everything is measured, and the leak is found."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.ground import Ground
from tests.servers.rabbitmq import RabbitNode
from tests.servers.rabbitmq_fixtures import rabbit_node
from tests.servers.swift import SwiftNode
from tests.servers.swift_fixtures import swift
from tests.soak.inside import LEAK
from tests.soak.laws import LAWS
from tests.soak.load import HASTY, of_seed
from tests.soak.report import told
from tests.soak.run import Course, Soak, play

__all__ = ["rabbit_node", "swift"]

SECONDS = 15.0


@pytest.fixture
def ground(rabbit_node: RabbitNode, swift: SwiftNode, tmp_path: Path) -> Iterator[Ground]:
    """The servers of the other tests."""
    with Ground(tmp_path / "ground", rabbit=rabbit_node, swift=swift) as ground:
        yield ground


@pytest.mark.timeout(600)
def test_a_leak_is_found_in_both_processes(ground: Ground, tmp_path: Path) -> None:
    """A descriptor for each message and job is more than the few that are allowed; all else is as it should be."""
    scenario = of_seed(1, seconds=SECONDS, every=0.3, fault_every=SECONDS, habits=HASTY)
    soak = Soak(scenario=scenario, seconds=SECONDS, period=0.25, settings={LEAK: "1"})
    course = Course.of(soak)
    play(ground, tmp_path / "home", course, lambda _: None)
    assert course.outcome.is_well, told(course)
    found = {finding.what: finding for finding in course.findings}
    assert found.keys() == {each.series for each in LAWS}
    assert all(math.isfinite(finding.measured) for finding in found.values()), told(course)
    assert not found["bot descriptors"].is_level and not found["worker descriptors"].is_level, told(course)
