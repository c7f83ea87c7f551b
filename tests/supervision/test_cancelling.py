"""What a second signal, a cancelled runner or a limit cuts off, and what still runs then."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    TEARDOWN_WITHIN,
    ActorStopped,
    ChildSpec,
    Context,
    State,
    Supervisor,
)
from tests.supervision.household import Add, Bug, Clerk, Crash, Work, clerk, node, states, while_running

pytestmark = pytest.mark.anyio


async def test_a_stop_without_patience_cancels_at_once() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal, stop_within=0)])

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Work(name="long", seconds=900))
        await anyio.sleep(1)

    began = anyio.current_time()
    await while_running(tree, body)
    assert anyio.current_time() - began == pytest.approx(1, abs=0.1)
    assert journal == ["+a", "-a"]


async def test_an_interruptible_wait_does_not_begin_after_the_stop() -> None:
    context = Context[Any]("a")
    context.stop()
    with anyio.fail_after(1), context.interruptible() as scope:
        await anyio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.parametrize("ordered_before", [True, False])
async def test_cancel_ends_everything_at_once_and_still_tears_down(ordered_before: bool) -> None:
    journal: list[str] = []
    inner = Supervisor("inner", [clerk("x", journal)])
    tree = Supervisor("root", [clerk("a", journal), inner, clerk("b", journal)])
    context = Context[Any]("root")
    asked: list[type[Exception]] = []

    async def ask(path: str) -> None:
        try:
            await tree.ref(path).ask(Work(name="long", seconds=900), within=1000)
        except ActorStopped as exc:
            asked.append(type(exc))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tree.run, context)
        await context.ready.wait()
        for path in ("b", "b", "inner/x"):
            tasks.start_soon(ask, path)
        await anyio.sleep(1)
        if ordered_before:
            context.stop()
            await anyio.sleep(1)
            assert states(tree) == [State.READY, State.READY, State.STOPPING]
        began = anyio.current_time()
        context.cancel()
    assert anyio.current_time() - began < 0.1
    assert sorted(journal[3:]) == ["-a", "-b", "-x"]
    assert len(asked) == 3
    assert states(tree) == [State.STOPPED] * 3


async def test_the_runner_being_cancelled_is_like_cancel() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal), Supervisor("inner", [clerk("x", journal)])])
    tree.ref("a").tell(Work(name="long", seconds=900))
    with anyio.move_on_after(5):
        await tree.run(Context("root"))
    assert sorted(journal) == ["+a", "+x", "-a", "-x"]
    assert states(tree) == [State.STOPPED] * 2
    with pytest.raises(ActorStopped):
        tree.ref("inner/x").tell(Add(n=1))


async def test_a_teardown_is_shielded_but_not_for_ever() -> None:
    journal: list[str] = []

    class Sticky(Clerk):
        def __init__(self, name: str, journal: list[str], seconds: float) -> None:
            super().__init__(name, journal)
            self.seconds = seconds

        async def teardown(self) -> None:
            await anyio.sleep(self.seconds)
            await super().teardown()

    tree = Supervisor(
        "root",
        [
            ChildSpec("a", lambda: Sticky("a", journal, TEARDOWN_WITHIN - 1), stop_within=0),
            ChildSpec("b", lambda: Sticky("b", journal, 900), stop_within=0),
        ],
    )
    began = anyio.current_time()
    with anyio.move_on_after(1):
        await tree.run(Context("root"))
    assert anyio.current_time() - began == pytest.approx(1 + TEARDOWN_WITHIN, abs=0.1)
    assert journal == ["+a", "+b", "-a"]


async def test_a_teardown_that_fails_does_not_hide_the_crash(caplog: pytest.LogCaptureFixture) -> None:
    class Clumsy(Clerk):
        async def teardown(self) -> None:
            raise OSError("cannot close")

    tree = Supervisor("root", [ChildSpec("a", lambda: Clumsy("a", []))])

    async def body(context: Context[Any]) -> None:
        with pytest.raises(Bug):
            await tree.ref("a").ask(Crash(), within=1)
        await anyio.sleep(1)
        assert node(tree, "a").last_error == "Bug: crash"

    await while_running(tree, body)
    assert "root/a: teardown failed" in caplog.text
    assert "root/a crashed: Bug: crash" in caplog.text
