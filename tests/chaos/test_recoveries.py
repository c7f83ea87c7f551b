"""What counts as a recovery: something that was missed and is there again, while nothing else was broken."""

from __future__ import annotations

import time

import pytest

from tests.chaos import recoveries
from tests.chaos.recoveries import Recoveries, gone_and_back


def test_what_was_never_missed_did_not_come_back() -> None:
    looks = iter([True, True, False, False, True, True])
    is_back = gone_and_back(lambda: next(looks))
    assert [is_back() for _ in range(6)] == [False, False, False, False, True, True]


def test_only_what_breaks_alone_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recoveries, "LOOK_SECONDS", 0.0)
    there: list[str] = []
    measured = Recoveries()
    began = time.monotonic() - 5
    measured.expect("soon", lambda: bool(there), since=began)
    measured.look()
    assert measured.seconds == {}
    there.append("it")
    measured.look()
    measured.look()
    assert [5 <= seconds < 65 for seconds in measured.seconds["soon"]] == [True]
    measured.expect("spoilt", lambda: True)
    measured.spoil()
    measured.is_open = False
    measured.expect("beside another", lambda: True)
    measured.look()
    assert measured.seconds.keys() == {"soon"}
