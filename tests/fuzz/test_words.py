"""Whatever somebody writes after a command, or a forged button says: an answer for people, and nothing breaks."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.actors.bot_wing import BORIS, bot_wing
from tests.actors.stage import ANNA, restarts
from tests.actors.updates import pressed, sent, update
from tests.actors.world import World
from tests.fuzz.quiet import assert_for_people, no_tracebacks
from tests.fuzz.shapes import NUMBERS, TEXTS, WORDS, examples

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("virtual_time")]

COMMANDS = [
    *("start", "help", "status", "quota", "mode", "db_maint", "queue", "jobs", "retry", "cancel", "priority"),
    *("find", "stats", "purge", "mtlogin", "mtcode", "mtpass", "mtstatus", "channels", "track", "untrack", "report"),
    *("alerts", "nonsense"),
]
BUTTONS = ["queue:", "jobs:", "find:", "find:0:", "purge:", "job:cancel:", "job:retry:", "job:status:", ""]
SAID = st.lists(TEXTS | NUMBERS.map(str), max_size=3).map(" ".join)
ACTIONS = ["status", "cancel", "retry"]
CODES = st.integers(0, 2**32 - 1).map(lambda code: f"{code:08x}")
JOB = "\0"
"""In the place of an id: one of a job that there is."""
NEARLY = st.one_of(
    st.tuples(st.sampled_from(BUTTONS), SAID | WORDS).map("".join),
    st.tuples(st.sampled_from(ACTIONS), st.just(JOB) | st.uuids().map(str)).map(lambda told: "job:" + ":".join(told)),
    CODES.map(lambda code: f"purge:{code}"),
    st.tuples(st.sampled_from(["queue:", "jobs:"]), st.integers(-1, 10**6).map(str)).map("".join),
    st.tuples(st.integers(-1, 10**6), SAID | WORDS).map(lambda told: f"find:{told[0]}:{told[1]}"),
)
BETWEEN = st.sampled_from([" ", "\n", "@teltubby_bot ", "@", "\t", "  ", ""])


@examples(2, shrunk=False)
@given(st.lists(st.tuples(BETWEEN, SAID), min_size=len(COMMANDS), max_size=len(COMMANDS)))
@example([(" ", "9" * 30)] * len(COMMANDS))
@example([(" ", "\ud83d \0 " + "a" * 300)] * len(COMMANDS))
async def test_every_command_is_answered(tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]) -> None:
    world = World(folder=tmp_path_factory.mktemp("world"))
    photo = sent(world.telegram, "photo", 1)
    texts = [f"/{name}{between}{words}"[:4096] for name, (between, words) in zip(COMMANDS, said, strict=True)]
    with no_tracebacks():
        async with bot_wing(world) as wing:
            await wing.receives(*[update(10 + n, text=text) for n, text in enumerate(texts)], update(900, photo))
            assert world.files() == [photo.body]
            assert restarts(wing.tree) == {}
            assert_for_people(wing.said())
            answered = {bubble.reply_to for bubble in wing.telegram.bubbles if bubble.chat_id == ANNA}
            silent = {10 + n for n, name in enumerate(COMMANDS) if name not in ("mtcode", "mtpass")} - answered
            assert silent == set()


@examples(2, shrunk=False)
@given(st.lists(st.tuples(NEARLY, st.sampled_from([ANNA, BORIS])), min_size=20, max_size=20))
@example([(button + "9" * 30, ANNA) for button in BUTTONS] + [(button + "\ud83d:\0", ANNA) for button in BUTTONS])
@example([(f"job:{action}:{JOB}", user) for action in ACTIONS for user in (BORIS, ANNA)] + [("purge:0123abcd", ANNA)])
async def test_every_button_is_answered(
    tmp_path_factory: pytest.TempPathFactory, pressed_: list[tuple[str, int]]
) -> None:
    """Also those that a curator never got: of a job of somebody else, and of a deletion that nobody began."""
    world = World(folder=tmp_path_factory.mktemp("world"))
    photo, film = sent(world.telegram, "photo", 1), sent(world.telegram, "video", 2, size=400 << 10, name="<b>&.mp4")
    with no_tracebacks():
        async with bot_wing(world) as wing:
            await wing.receives(update(1, photo), update(2, film))
            (job,) = world.facts("SELECT job_id FROM jobs")
            forged = [(data.replace(JOB, job["job_id"])[:64], user) for data, user in pressed_]
            await wing.receives(*[pressed(10 + n, data, user=user) for n, (data, user) in enumerate(forged)])
            assert {press.press_id for press in wing.telegram.presses} == {
                f"press-{10 + n}" for n in range(len(forged))
            }
            assert world.files() == [photo.body], "nothing is deleted"
            assert restarts(wing.tree) == {}
            texts = [press.text for press in wing.telegram.presses]
            assert_for_people([*wing.said(), *wing.said(BORIS), *texts])
