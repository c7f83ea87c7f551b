"""Of any 200 seeds some meet every variant of a fault, and scenarios stay as short as they are."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict
from functools import cache

import pytest

from tests.chaos import faults, hands
from tests.chaos.faults.processes import Freeze, KillAtRequest
from tests.chaos.faults.telegram import SignedOut, Trouble
from tests.chaos.faults.wires import HalfOpen
from tests.chaos.installation import WORKER, Wire
from tests.chaos.scenario import Scenario, of_seed

MOST_MINUTES = 6


@cache
def scenarios(number: int) -> list[Scenario]:
    """Of a round."""
    return [of_seed(number * hands.ROUND + place) for place in range(1, hands.ROUND + 1)]


@pytest.mark.parametrize("number", range(3))
def test_every_variant_is_met_by_some_of_200_seeds(number: int) -> None:
    """The hands have it, and what is played has what the hands have."""
    dealt = Counter(variant.name for hand in hands.dealt(number) for variant in hand.variants)
    assert dealt == {variant.name: variant.copies for variant in faults.VARIANTS}
    assert min(dealt[name] for name in dealt if "a minute" not in name) >= 2
    for hand, scenario in zip(hands.dealt(number), scenarios(number), strict=True):
        played = Counter(type(strike.fault) for strike in scenario.strikes)
        promised = Counter(type(variant.made(random.Random(0))) for variant in hand.variants)
        assert played >= promised
        assert all(strike.fault.fits(scenario.installation) for strike in scenario.strikes)
        assert all(variant.by_person in (None, scenario.installation.by_person) for variant in hand.variants)


@pytest.mark.parametrize("number", range(3))
def test_what_dice_hardly_ever_strike_is_played(number: int) -> None:
    """Looked for in the scenarios themselves."""
    played = [(strike, each.installation) for each in scenarios(number) for strike in each.strikes]
    assert any(isinstance(each.fault, Freeze) and each.fault.role == WORKER and each.lasts == 60 for each, _ in played)
    requests = Counter((s.fault.pattern, s.fault.outcome) for s, _ in played if isinstance(s.fault, KillAtRequest))
    assert len(requests) == 12 and min(requests.values()) >= 2
    moved = Counter(where.by_person for s, where in played if isinstance(s.fault, SignedOut) and s.fault.moved)
    assert min(moved[True], moved[False]) >= 4
    half_open = Counter(s.fault.wire for s, _ in played if isinstance(s.fault, HalfOpen))
    assert min(half_open[wire] for wire in Wire) >= 2
    asked_to_wait = Counter(
        s.fault.method for s, _ in played if isinstance(s.fault, Trouble) and s.fault.ways.get("error") in (420, 429)
    )
    assert len(asked_to_wait) == 7 and min(asked_to_wait.values()) >= 2


@pytest.mark.parametrize("number", range(3))
def test_each_recovery_that_is_measured_has_many_seeds(number: int) -> None:
    """Each alone, three times as often as it is written."""
    measured = [(hand.measured, hand.installation.by_person) for hand in hands.dealt(number) if hand.measured]
    for fault, by_person, times in hands.ENDS:
        assert measured.count((fault, by_person)) in (3 * times, 3 * times + 1)
    assert all(len(of_seed(seed).strikes) == 1 for seed in range(3, hands.ROUND, 3))


def test_scenarios_are_short() -> None:
    """Few last a minute; the others few seconds."""
    seconds = sorted(each.seconds for each in scenarios(0))
    assert sum(each > 60 for each in seconds) <= MOST_MINUTES
    assert seconds[-MOST_MINUTES - 1] <= 9.6 and sum(each > 7.1 for each in seconds) <= 20
    assert sum(len(each.strikes) for each in scenarios(0)) / hands.ROUND <= 3


def test_a_seed_is_one_scenario() -> None:
    assert [asdict(of_seed(seed)) for seed in (7, 401)] == [asdict(of_seed(seed)) for seed in (7, 401)]
    assert of_seed(10**12).seed == 10**12
