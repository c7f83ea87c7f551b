"""Whatever somebody writes after a command, or a forged button says: an answer for people, and nothing breaks."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.actors.bot_wing import bot_wing
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
BUTTONS = ["queue:", "jobs:", "find:", "find:0:", "purge:", "job:cancel:", "job:retry:", "track:", "qr:", "alerts:", ""]
SAID = st.lists(TEXTS | NUMBERS.map(str), max_size=3).map(" ".join)
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
@given(st.lists(st.tuples(st.sampled_from(BUTTONS), SAID | WORDS), min_size=15, max_size=15))
@example([(button, "9" * 30) for button in BUTTONS] + [(button, "\ud83d:\0") for button in BUTTONS])
async def test_every_button_is_answered(tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str]]) -> None:
    world = World(folder=tmp_path_factory.mktemp("world"))
    with no_tracebacks():
        async with bot_wing(world) as wing:
            await wing.receives(*[pressed(10 + n, (name + words)[:64]) for n, (name, words) in enumerate(said)])
            assert {press.press_id for press in wing.telegram.presses} == {f"press-{10 + n}" for n in range(len(said))}
            assert restarts(wing.tree) == {}
            assert_for_people([*wing.said(), *(press.text for press in wing.telegram.presses)])
