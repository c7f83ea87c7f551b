"""Buttons: what they carry comes back as it was, and what was forged is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from teltubby.actors import keyboards
from teltubby.actors.keyboards import (
    MAX_OFFSET,
    FindButton,
    JobAction,
    JobButton,
    JobsButton,
    PurgeButton,
    QueueButton,
    find_keyboard,
    job_keyboard,
    jobs_keyboard,
    pressed,
    purge_keyboard,
    queue_keyboard,
)
from teltubby.actors.lookups import search_words
from teltubby.messages.chat import Keyboard
from teltubby.messages.jobs import JobState
from tests.unit.phrase_samples import job, view

ID = job().job_id
WORDS = st.text(min_size=1, max_size=60).map(search_words).filter(bool)


def data(keyboard: Keyboard) -> list[str]:
    return [button.data for row in keyboard for button in row]


@pytest.mark.parametrize(
    ("state", "actions"),
    [
        (JobState.PENDING, ["status", "cancel"]),
        (JobState.PROCESSING, ["status", "cancel"]),
        (JobState.RETRYING, ["status", "cancel"]),
        (JobState.COMPLETED, ["status"]),
        (JobState.FAILED, ["status", "retry"]),
        (JobState.CANCELLED, ["status", "retry"]),
    ],
)
def test_a_job_offers_what_its_state_allows(state: JobState, actions: list[str]) -> None:
    keyboard = job_keyboard(ID, state)
    assert data(keyboard) == [f"job:{action}:{ID}" for action in actions]
    assert [pressed(one) for one in data(keyboard)] == [JobButton(action=JobAction(one), job_id=ID) for one in actions]


def test_the_pages_lead_to_each_other() -> None:
    views = [view()] * 8
    assert data(queue_keyboard([], offset=0, page=8, more=False)) == []
    assert data(queue_keyboard(views, offset=0, page=8, more=True))[8:] == ["queue:8"]
    assert data(queue_keyboard(views, offset=8, page=8, more=True))[8:] == ["queue:0", "queue:16"]
    assert data(jobs_keyboard(views[:1], offset=16, page=8, more=False)) == [f"job:status:{ID}", "jobs:8"]
    assert data(queue_keyboard([], offset=3, page=8, more=False)) == ["queue:0"]
    assert data(queue_keyboard([], offset=MAX_OFFSET, page=8, more=True)) == [f"queue:{MAX_OFFSET - 8}"]
    assert [button.text for row in queue_keyboard(views, offset=8, page=8, more=False)[:2] for button in row] == [
        str(number) for number in range(9, 17)
    ]


@given(words=WORDS, offset=st.integers(0, MAX_OFFSET))
def test_a_search_comes_back_as_it_was_or_has_no_pages(words: str, offset: int) -> None:
    keyboard = find_keyboard(words, offset=offset, page=5, more=True)
    for one in data(keyboard):
        assert len(one.encode()) <= keyboards.DATA_BYTES
        found = pressed(one)
        assert isinstance(found, FindButton) and found.words == words
        assert found.offset in (offset + 5, max(offset - 5, 0))


def test_a_search_of_many_words_has_no_pages() -> None:
    assert data(find_keyboard("я" * 26, offset=5, page=5, more=True)) == [
        f"find:0:{'я' * 26}",
        f"find:10:{'я' * 26}",
    ]
    assert data(find_keyboard("я" * 27, offset=5, page=5, more=True)) == []


def test_a_purge_comes_back() -> None:
    assert [pressed(one) for one in data(purge_keyboard("0badcafe"))] == [PurgeButton(code="0badcafe")]


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "job",
        "job:status:",
        "job:delete:" + ID,
        "job:cancel:" + ID.upper(),
        "job:cancel:" + ID[:8],
        "job:cancel:" + ID + "\n",
        "job:cancel:" + ID + " ",
        " job:cancel:" + ID,
        "job:cancel:../../" + ID,
        "queue:-1",
        "queue:01",
        "queue:1e3",
        "queue:1000000",
        "queue:٣",
        "queue:",
        "jobs:9" * 40,
        "find:0:",
        "find:0:two\nlines",
        "find:0:\ud800",
        "find:x:words",
        "find:0:" + "w" * 60,
        "purge:",
        "purge:0BADCAFE",
        "purge:0badcafe0",
        "\x00",
    ],
)
def test_what_was_forged_is_nothing(forged: str) -> None:
    assert pressed(forged) is None


@given(text=st.text(max_size=80))
def test_nothing_that_comes_back_is_a_crash(text: str) -> None:
    for forged in (text, f"find:0:{text}", f"queue:{text}", f"job:cancel:{text}"):
        found = pressed(forged)
        if isinstance(found, QueueButton | JobsButton | FindButton):
            assert 0 <= found.offset <= MAX_OFFSET
