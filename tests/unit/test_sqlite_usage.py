"""Room: what is counted and what is listed add up, whatever happens while a listing runs."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.messages.history import QuotaAlert, QuotaAlertKind, Usage
from tests.unit.ledger_samples import NOON, Clock, ledger_with
from tests.unit.submissions import content

LONG_AGO = NOON - timedelta(days=1)
AMOUNT = st.integers(-1000, 1000)
COUNT = st.tuples(AMOUNT, AMOUNT)
LISTING = st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 20))


@settings(max_examples=50)
@given(st.lists(COUNT | LISTING, max_size=20))
def test_usage_is_the_last_listing_and_what_was_counted_since_it_began(
    steps: list[tuple[int, int] | tuple[int, int, int]],
) -> None:
    clock = Clock()
    listed = (0, 0, LONG_AGO)
    counted = []
    with ledger_with(clock=clock) as ledger:
        for step in steps:
            if len(step) == 2:
                ledger.room.count(*step)
                counted.append((*step, clock.now))
            else:
                began = clock.now - timedelta(seconds=step[2])  # the seconds that the listing took
                for _ in range(2):
                    ledger.room.listed(step[0], step[1], began)
                listed = (step[0], step[1], began) if began >= listed[2] else listed
            since = [change for change in counted if change[2] >= listed[2]]
            used_bytes = listed[0] + sum(change[0] for change in since)
            objects = listed[1] + sum(change[1] for change in since)
            usage = ledger.room.usage()
            assert (usage.used_bytes, usage.objects) == (max(0, used_bytes), max(0, objects))
            assert (usage.listed_at or LONG_AGO) == listed[2]


def test_before_anything_is_listed_what_was_counted_counts() -> None:
    with ledger_with() as ledger:
        assert ledger.room.usage() == Usage(used_bytes=0, objects=0, listed_at=None)
        ledger.room.count(10, 2)
        ledger.files.settle(content("a"))
        assert ledger.room.usage() == Usage(used_bytes=10, objects=2, listed_at=None)


def test_the_last_alert_is_remembered() -> None:
    with ledger_with() as ledger:
        assert ledger.room.alert() == QuotaAlert()
        for alert in (QuotaAlert(kind=QuotaAlertKind.FULL, at=NOON), QuotaAlert()):
            ledger.room.set_alert(alert)
            ledger.room.count(1, 1)
            assert ledger.room.alert() == alert
