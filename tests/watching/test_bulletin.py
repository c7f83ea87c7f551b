"""What the admins are told of processes: grouped, each thing once, bounded, and when it is over."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.exit_codes import EX_CONFIG
from teltubby.watching.bulletin import FIRST_PAUSE, GATHER, LONGEST_PAUSE, Bulletin
from teltubby.watching.changes import Change, Turn, read_change

START = datetime(2026, 1, 27, 10, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def change(turn: Turn, after: float = 0, *, process: str = "bot", cause: str = "") -> Change:
    return Change(process=process, turn=turn, at=START + after * SECOND, cause=cause)


def told(bulletin: Bulletin) -> list[str]:
    """The lines of the message that is due next, without its heading."""
    due = bulletin.due()
    assert due is not None
    heading, *lines = bulletin.take(due).splitlines()
    assert heading == "⚠️ teltubby on box"
    return lines


@pytest.fixture
def bulletin() -> Bulletin:
    return Bulletin("box")


def test_a_start_and_an_ordered_stop_are_no_news(bulletin: Bulletin) -> None:
    for turn in (Turn.RAN, Turn.ENDED, Turn.RAN):
        bulletin.note(change(turn))
    assert bulletin.due() is None


def test_a_death_and_then_its_recovery(bulletin: Bulletin) -> None:
    bulletin.note(change(Turn.RAN))
    bulletin.note(change(Turn.DIED, 60, cause="by a signal"))
    assert bulletin.due() == START + 60 * SECOND + GATHER
    assert told(bulletin) == ["bot: it ended by a signal, at 10:01:00 UTC. It is being started again."]
    assert bulletin.due() is None, "each once"
    bulletin.note(change(Turn.RAN, 75))
    assert told(bulletin) == ["bot: It runs again (trouble since 10:01:00 UTC)."]
    bulletin.note(change(Turn.RAN, 90))
    assert bulletin.due() is None


def test_what_happens_together_is_told_together(bulletin: Bulletin) -> None:
    bulletin.note(change(Turn.DIED, 0, cause="with exit code 70"))
    bulletin.note(change(Turn.DIED, 1, process="worker", cause="with exit code 70"))
    bulletin.note(change(Turn.STUMBLED, 1.5, process="worker", cause="at its start"))
    assert told(bulletin) == [
        "bot: it ended with exit code 70, at 10:00:00 UTC. It is being started again.",
        "worker: it ended 2 times, the last time at its start, at 10:00:01 UTC. It is being started again.",
    ]


def test_what_stays_down_is_told_with_what_to_do(bulletin: Bulletin) -> None:
    for after in range(4):
        bulletin.note(change(Turn.STUMBLED, after, cause="at its start"))
    bulletin.note(change(Turn.GAVE_UP, 4))
    bulletin.note(change(Turn.MISCONFIGURED, 4, process="worker"))
    gave_up, wrong = told(bulletin)
    assert gave_up.startswith("bot: it ended 4 times") and gave_up.endswith("supervisorctl start bot")
    assert "teltubby check-config says what" in wrong and wrong.endswith("supervisorctl start worker")
    bulletin.note(change(Turn.RAN, 3600))
    assert told(bulletin) == ["bot: It runs again (trouble since 10:00:00 UTC)."]


def test_who_ends_what_is_down_needs_no_message(bulletin: Bulletin) -> None:
    bulletin.note(change(Turn.DIED))
    told(bulletin)
    bulletin.note(change(Turn.ENDED, 5))
    bulletin.note(change(Turn.RAN, 500))
    assert bulletin.due() is None


def test_who_gave_up_is_ended_and_started_before_anybody_was_told(bulletin: Bulletin) -> None:
    for after, turn in enumerate((Turn.GAVE_UP, Turn.ENDED, Turn.RAN)):
        bulletin.note(change(turn, after))
    assert told(bulletin) == ["bot: It runs again."]


def test_a_crash_loop_is_told_ever_more_seldom_and_then_at_once_again(bulletin: Bulletin) -> None:
    times = []
    for after in range(0, 7200, 20):
        bulletin.note(change(Turn.DIED, after))
        if (due := bulletin.due()) is not None and due <= START + after * SECOND + GATHER:
            bulletin.take(due)
            times.append(due)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] <= 2 * FIRST_PAUSE and gaps == sorted(gaps) and max(gaps) <= LONGEST_PAUSE + 20 * SECOND
    assert len(times) < 20, "of 360 deaths"
    bulletin.take(START + 7300 * SECOND)
    bulletin.note(change(Turn.DIED, 7300 + 3600))
    assert bulletin.due() == START + (7300 + 3600) * SECOND + GATHER


STEPS = st.lists(
    st.tuples(st.sampled_from(Turn), st.sampled_from(["bot", "worker"]), st.floats(0.1, 100), st.booleans()),
    max_size=60,
)


@given(STEPS)
def test_nothing_is_lost_and_nothing_told_twice(steps: list[tuple[Turn, str, float, bool]]) -> None:
    """Every death is counted in exactly one message, and messages are never closer than the first pause."""
    bulletin, now, deaths, counted = Bulletin("box"), 0.0, 0, 0
    at: list[datetime] = []
    for turn, process, after, read in [*steps, (Turn.RAN, "bot", 1e6, True)]:
        now += after
        if turn in (Turn.DIED, Turn.STUMBLED):
            deaths += 1
        bulletin.note(change(turn, now, process=process))
        due = bulletin.due()
        if read and due is not None:
            now = max(now, (due - START).total_seconds())
            at.append(START + now * SECOND)
            for line in bulletin.take(at[-1]).splitlines()[1:]:
                ended = re.search(r"it ended(?: (\d+) times)?", line)
                counted += int(ended[1] or 1) if ended else 0
    if bulletin.due() is None:
        assert counted == deaths
    assert all(later - earlier >= FIRST_PAUSE for earlier, later in pairwise(at))


# -- what supervisord says


def read(event: str, *, status: int | None = None, **fields: str) -> Change | None:
    given = {"processname": "bot", "groupname": "bot"} | fields
    return read_change(event, given, exit_status=lambda _: status, now=START, own_name="watch:watch")


@pytest.mark.parametrize(
    ("event", "fields", "status", "turn", "cause"),
    [
        ("EXITED", {"expected": "0"}, 70, Turn.DIED, "with exit code 70"),
        ("EXITED", {"expected": "0"}, -1, Turn.DIED, "by a signal"),
        ("EXITED", {"expected": "0"}, None, Turn.DIED, ""),
        ("EXITED", {"expected": "0"}, 0, Turn.DIED, ""),
        ("EXITED", {"expected": "1"}, 0, Turn.ENDED, ""),
        ("EXITED", {"expected": "1"}, EX_CONFIG, Turn.MISCONFIGURED, ""),
        ("BACKOFF", {"tries": "1"}, None, Turn.STUMBLED, "at its start"),
        ("FATAL", {}, None, Turn.GAVE_UP, ""),
        ("RUNNING", {"pid": "7"}, None, Turn.RAN, ""),
        ("STOPPED", {"pid": "7"}, None, Turn.ENDED, ""),
    ],
)
def test_events(event: str, fields: dict[str, str], status: int | None, turn: Turn, cause: str) -> None:
    expected = Change(process="bot", turn=turn, at=START, cause=cause)
    assert read(f"PROCESS_STATE_{event}", status=status, **fields) == expected


def test_what_is_not_about_the_processes_is_left_out() -> None:
    assert read("TICK_60") is None and read("PROCESS_STATE_STARTING") is None
    assert read("PROCESS_STATE_RUNNING", processname="watch", groupname="watch") is None, "itself"
    member = read("PROCESS_STATE_RUNNING", processname="worker_2", groupname="workers")
    assert member is not None and member.process == "workers:worker_2", "as supervisorctl calls it"
