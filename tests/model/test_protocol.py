"""The protocol of jobs, explored: every order of events, and whatever goes wrong within a budget."""

from __future__ import annotations

import os

import pytest

from tests.model.bugs import Bug
from tests.model.search import Violation, explore
from tests.model.states import beginning, cut_off

QUICK = [(1, 1, 2, False), (1, 2, 1, False), (2, 1, 0, True), (2, 2, 0, False)]
DEEP = [(1, 1, 3, False), (1, 2, 2, False), (2, 1, 1, True)]
"""Minutes, and gigabytes of memory: with MODEL_DEEP=1."""


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("jobs", "workers", "budget", "same_bytes"), DEEP if os.environ.get("MODEL_DEEP") else QUICK)
def test_every_job_ends_once_whatever_goes_wrong(jobs: int, workers: int, budget: int, same_bytes: bool) -> None:
    """No artifact lies at any moment, and from everywhere an end is reached at which all agree."""
    explored = explore(beginning(jobs=jobs, workers=workers, budget=budget, same_bytes=same_bytes))
    assert explored.ends


@pytest.mark.parametrize(("jobs", "workers", "budget"), [(1, 1, 1), (1, 2, 1), (2, 1, 0)])
def test_one_thing_that_goes_wrong_needs_no_reconciler(jobs: int, workers: int, budget: int) -> None:
    """The steps alone are right: whoever looks for what fell between two of them is there for the second fault."""
    explore(beginning(jobs=jobs, workers=workers, budget=budget, same_bytes=True), nets=False)


@pytest.mark.parametrize("nets", [True, False])
def test_whoever_was_cut_off_tells_late_what_is_not_wanted_any_more(nets: bool) -> None:
    explore(cut_off(budget=1), nets=nets)


@pytest.mark.parametrize("bug", Bug)
def test_a_broken_rule_is_found(bug: Bug) -> None:
    """With as few jobs and faults as that takes, and nobody to mend what it did."""
    one, two, more = (
        beginning(jobs=jobs, workers=1, budget=budget, same_bytes=True) for jobs, budget in ((1, 1), (2, 0), (1, 2))
    )
    with pytest.raises(Violation):
        for start in (one, two, cut_off(budget=1), more):
            explore(start, bug=bug, nets=False)
