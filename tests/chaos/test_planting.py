"""A planted bug counts as found by the harm that it does, and by nothing else that goes wrong."""

from __future__ import annotations

import pytest

from tests.chaos.planted import PLANTS as BUGS
from tests.chaos.planting import PLANTS
from tests.chaos.run import Outcome

COPY = PLANTS["never drop a copy"]


def test_every_bug_has_a_scenario() -> None:
    assert PLANTS.keys() == BUGS.keys()


@pytest.mark.parametrize(
    ("problems", "is_found"),
    [
        (["nobody dropped ['t/1/a']"], True),
        ([], False),
        (["left in the spool: ['x']"], False),
        (["bot ended by itself with 1: nobody dropped ['t/1/a']"], False),
    ],
    ids=["its harm", "all is well", "other harm", "a crash"],
)
def test_a_bug_is_found_by_its_own_harm(problems: list[str], is_found: bool) -> None:
    assert COPY.is_found(Outcome(scenario=COPY.scenario, problems=problems)) is is_found
