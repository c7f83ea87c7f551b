"""Two jobs, two workers, and whatever goes wrong: by the dice, for all of it is too much to be looked at."""

from __future__ import annotations

import os

import pytest

from tests.model.bugs import Bug
from tests.model.search import Violation
from tests.model.walks import walk

WALKS = 20_000 if os.environ.get("MODEL_DEEP") else 600
UNTIL_FOUND = 4000
SEED = 1


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("budget", "nets"), [(1, True), (2, True), (3, True), (1, False)])
def test_two_jobs_and_two_workers_end_well_whatever_goes_wrong(budget: int, nets: bool) -> None:
    """By the same laws as where every order of events is tried; one fault alone needs nobody who looks for it."""
    walked = walk(SEED, WALKS, budget=budget, nets=nets)
    assert walked.ends >= 0.99 * WALKS and walked.ends + walked.broken_off == WALKS


@pytest.mark.parametrize(
    "bug", [Bug.ACK_EARLY, Bug.REPORT_FORGOTTEN, Bug.OUTBOX_DROPPED, Bug.LATE_COUNTS, Bug.BOTH_ARE_SECOND]
)
def test_a_broken_rule_is_walked_into(bug: Bug) -> None:
    """As few walks show that they come to where it matters."""
    with pytest.raises(Violation):
        walk(SEED, UNTIL_FOUND, budget=1, bug=bug, nets=False)
