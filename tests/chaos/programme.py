"""What is to happen on a stage: who hands in when, and which fault begins and ends when."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from tests.chaos.crowd import Crowd, HandedIn
from tests.chaos.scenario import Scenario, Strike
from tests.chaos.stage import Stage

Act = tuple[float, Callable[[], object]]
"""Something to do, and when, in seconds."""


class Programme:
    """The acts of a scenario, each written into the story. One thread does them in their turn.

    How soon things recover is measured while nothing else is broken, unless `measures` is false.
    """

    def __init__(self, stage: Stage, scenario: Scenario, *, measures: bool = True) -> None:
        self._stage = stage
        self.crowd = stage.crowd = Crowd(stage.curators, random.Random(scenario.seed), scenario.habits)
        self._scenario = scenario
        self._measures = measures
        self._struck: list[Strike] = []
        stage.recoveries.is_open = measures

    def acts(self) -> list[Act]:
        """Everything that is to happen, by time."""
        acts: list[Act] = [(at, self.hand_in) for at in self._scenario.hand_ins]
        for strike in self._scenario.strikes:
            acts.append((strike.at, partial(self.strike, strike)))
            acts.append((strike.at + strike.lasts, partial(self._heal, strike)))
        return sorted(acts, key=lambda act: act[0])

    def hand_in(self) -> HandedIn:
        """Somebody hands in something."""
        one = self.crowd.hand_in()
        self._stage.tell(f"{one.curator.user.first_name} {one.message_ids}, {[file.size for file in one.files]} bytes")
        return one

    def strike(self, strike: Strike) -> None:
        """Its fault begins."""
        self._stage.tell(f"begins: {strike.fault}")
        self._stage.recoveries.spoil()
        self._measure()
        self._struck.append(strike)
        if strike.fault.at_once:
            self._stage.meets(strike.fault)
        strike.fault.strike(self._stage)

    def heal_all(self) -> None:
        """Whatever is broken still; safe to call twice."""
        while self._struck:
            self._heal(self._struck[0])
        self._stage.heal()

    def _heal(self, strike: Strike) -> None:
        if strike in self._struck:
            self._struck.remove(strike)
            self._stage.tell(f"ends: {strike.fault}")
            self._measure()
            strike.fault.heal(self._stage)

    def _measure(self) -> None:
        self._stage.recoveries.is_open = self._measures and not self._struck
