"""The shortest sequence of faults is found, without playing anything."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.faults.processes import Kill
from tests.chaos.scenario import Scenario, Strike, of_seed
from tests.chaos.shrinking import MOST_PLAYS, shrunk


def scenario(faults: int) -> Scenario:
    """With so many faults, of which each is another."""
    strikes = tuple(Strike(at=float(number), lasts=0.1, fault=Kill("bot", 0.0)) for number in range(faults))
    return Scenario(seed=1, hand_ins=(0.0,), strikes=strikes, bandwidth=1.0)


@given(st.data())
def test_what_it_takes_is_left_and_nothing_else(data: st.DataObject) -> None:
    whole = scenario(data.draw(st.integers(1, 6)))
    guilty = data.draw(st.sets(st.sampled_from(whole.strikes)))
    found = shrunk(whole, lambda tried: guilty <= set(tried.strikes), most_plays=1000)
    assert set(found.strikes) == guilty
    assert found == replace(whole, strikes=found.strikes), "only faults are taken away"


def test_it_ends_when_nothing_fails_again() -> None:
    plays = []

    def never(tried: Scenario) -> bool:
        plays.append(tried)
        return False

    assert shrunk(scenario(6), never) == scenario(6)
    assert 0 < len(plays) <= MOST_PLAYS


@settings(max_examples=20)  # each is of another 200 seeds, which are dealt together
@given(st.integers(0, 2**32))
def test_a_seed_is_one_scenario(seed: int) -> None:
    once = of_seed(seed)
    assert of_seed(seed) == once and once.strikes and once.hand_ins
    assert str(once.strikes[0].fault).startswith(type(once.strikes[0].fault).__name__), "it can be printed"
