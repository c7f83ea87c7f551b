"""What a soak does follows from its seed, ends no process, and goes on until its end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.faults.disks import FullDisk
from tests.chaos.faults.telegram import FileExchanged
from tests.soak.load import ENDING, of_seed


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.floats(30, 3600))
def test_a_seed_is_one_soak(seed: int, seconds: float) -> None:
    once = of_seed(seed, seconds=seconds, every=1.5, fault_every=20.0)
    assert once == of_seed(seed, seconds=seconds, every=1.5, fault_every=20.0)
    assert once.seconds <= seconds + 0.01
    assert seconds / 1.5 / 2 <= len(once.hand_ins) <= 2 * seconds / 1.5 + 1
    for strike in once.strikes:
        assert not isinstance(strike.fault, (*ENDING, FileExchanged))
        assert not (isinstance(strike.fault, FullDisk) and strike.fault.disk == "database")


def test_most_families_of_faults_strike_within_an_hour() -> None:
    families = {strike.fault.family for strike in of_seed(1, seconds=3600, every=1.5, fault_every=20.0).strikes}
    assert families == {"processes", "wires", "telegram", "store", "servers", "broker", "disks", "clocks"}
