"""Mailboxes, addresses, answers, pools, pollers."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from teltubby.supervision import (
    Actor,
    ActorCrashed,
    ActorStopped,
    ChildSpec,
    Context,
    Mailbox,
    MailboxFull,
    Pool,
    Ref,
    Refused,
    Restart,
    State,
    Strategy,
    Supervisor,
    current_trace,
    tracing,
)
from tests.supervision.household import Add, Bug, Crash, Decline, Message, Work, clerk, node, while_running

pytestmark = pytest.mark.anyio


async def test_a_mailbox_is_first_in_first_out_and_bounded() -> None:
    mailbox = Mailbox[Message]("a", capacity=2)
    mailbox.ref.tell(Add(n=1))
    mailbox.ref.tell(Add(n=2))
    with pytest.raises(MailboxFull, match="2 messages"):
        mailbox.ref.tell(Add(n=3))
    sent: list[int] = []

    async def send(n: int) -> None:
        await mailbox.ref.send(Add(n=n))
        sent.append(n)

    async with anyio.create_task_group() as tasks:
        for n in (3, 4):
            tasks.start_soon(send, n)
            await anyio.sleep(1)
        assert sent == []
        taken = [mailbox.take()]
        with pytest.raises(MailboxFull):
            mailbox.ref.tell(Add(n=5))
        await anyio.sleep(1)
        assert sent == [3]
        taken += [mailbox.take() for _ in range(4)]
        assert [envelope and envelope.message for envelope in taken] == [*(Add(n=n) for n in (1, 2, 3, 4)), None]


async def test_a_sender_that_is_cancelled_while_it_waits_leaves_nothing() -> None:
    mailbox = Mailbox[Message]("a", capacity=1)
    mailbox.ref.tell(Add(n=1))
    with anyio.move_on_after(1) as scope:
        await mailbox.ref.send(Add(n=2))
    assert scope.cancelled_caught
    assert mailbox.take() is not None
    assert mailbox.take() is None


async def test_closing_a_mailbox_fails_everybody_who_waits_there() -> None:
    mailbox = Mailbox[Message]("a", capacity=1)
    failed: list[str] = []

    async def ask() -> None:
        try:
            await mailbox.ref.ask(Add(n=1), within=100)
        except ActorStopped as exc:
            failed.append(str(exc))

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(ask)
        await anyio.sleep(1)
        assert mailbox.close() == 1
    assert failed == ["a: actor has stopped"] * 3


def test_a_mailbox_has_room() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Mailbox[Message]("a", capacity=0)


async def test_mail_may_come_before_the_start() -> None:
    ledger = Mailbox[Message]("ledger")
    ref: Ref[Message] = ledger.ref
    ref.tell(Add(n=1))
    tree = Supervisor("root", [clerk("a", [], mailbox=ledger)])

    async def body(context: Context[Any]) -> None:
        assert await ref.ask(Add(n=1), within=1) == 2
        assert tree.ref("a") == ref

    await while_running(tree, body)


async def test_an_ask_that_takes_too_long_times_out_and_the_actor_goes_on() -> None:
    journal: list[str] = []
    tree = Supervisor("root", [clerk("a", journal)])

    async def body(context: Context[Any]) -> None:
        began = anyio.current_time()
        with pytest.raises(TimeoutError):
            await tree.ref("a").ask(Work(name="late", seconds=5), within=2)
        assert anyio.current_time() - began == pytest.approx(2)
        assert await tree.ref("a").ask(Add(n=1), within=10) == 1
        assert journal == ["+a", "late"]
        assert node(tree, "a").restarts == 0

    await while_running(tree, body)


async def test_room_in_the_mailbox_counts_into_the_time_of_an_ask() -> None:
    tree = Supervisor("root", [clerk("a", [], mailbox=1)])

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Work(name="first", seconds=10))
        await anyio.sleep(0.1)
        tree.ref("a").tell(Work(name="second", seconds=0))
        with pytest.raises(TimeoutError):
            await tree.ref("a").ask(Add(n=1), within=2)
        await anyio.sleep(20)
        assert await tree.ref("a").ask(Add(n=1), within=1) == 1

    await while_running(tree, body)


async def test_a_refusal_goes_to_the_asker_and_is_no_crash(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    tree = Supervisor("root", [clerk("a", [])])

    async def body(context: Context[Any]) -> None:
        with pytest.raises(Refused, match="no"):
            await tree.ref("a").ask(Decline(), within=1)
        tree.ref("a").tell(Decline())
        await anyio.sleep(1)
        assert node(tree, "a").restarts == 0

    await while_running(tree, body)
    assert caplog.messages == ["root/a refused Decline: no"]


async def test_a_crash_goes_to_its_asker_drops_the_message_and_leaves_the_rest_of_the_mail() -> None:
    tree = Supervisor("root", [clerk("a", [])])
    answers: list[int] = []

    async def ask() -> None:
        answers.append(await tree.ref("a").ask(Add(n=1), within=10))

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Work(name="first", seconds=1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crash)
            await anyio.sleep(0.1)
            tasks.start_soon(ask)
        assert answers == [1]
        assert node(tree, "a").restarts == 1

    async def crash() -> None:
        with pytest.raises(Bug):
            await tree.ref("a").ask(Crash(), within=10)

    await while_running(tree, body)


async def test_who_is_stopped_for_a_siblings_sake_in_the_middle_of_a_message_fails_its_asker() -> None:
    children = [clerk("a", []), clerk("b", [], stop_within=3)]
    tree = Supervisor("root", children, strategy=Strategy.ONE_FOR_ALL)

    async def body(context: Context[Any]) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(crash_soon)
            with pytest.raises(ActorCrashed, match="root/b: ended before it answered"):
                await tree.ref("b").ask(Work(name="long", seconds=50), within=60)
        assert await tree.ref("b").ask(Add(n=1), within=1) == 1

    async def crash_soon() -> None:
        await anyio.sleep(1)
        tree.ref("a").tell(Crash())

    await while_running(tree, body)


async def test_asking_who_has_ended_for_good_fails_at_once() -> None:
    tree = Supervisor("root", [clerk("a", []), clerk("t", [], restart=Restart.TEMPORARY)])
    failed: list[ActorStopped] = []

    async def ask() -> None:
        try:
            await tree.ref("t").ask(Add(n=1), within=100)
        except ActorStopped as exc:
            failed.append(exc)

    async def body(context: Context[Any]) -> None:
        began = anyio.current_time()
        async with anyio.create_task_group() as tasks:
            tree.ref("t").tell(Crash())
            tasks.start_soon(ask)
        await ask()
        assert len(failed) == 2
        assert anyio.current_time() - began < 1
        assert node(tree, "t").state is State.FINISHED

    await while_running(tree, body)


async def test_a_nested_supervisor_that_ends_for_good_takes_its_mailboxes_with_it() -> None:
    inner = Supervisor("inner", [clerk("x", [], restart=Restart.TRANSIENT)], restart=Restart.TEMPORARY)
    tree = Supervisor("root", [clerk("a", []), inner])

    async def body(context: Context[Any]) -> None:
        for _ in range(4):
            tree.ref("inner/x").tell(Crash())
        with pytest.raises(ActorStopped):
            await tree.ref("inner/x").ask(Add(n=1), within=100)
        assert node(tree, "inner").state is State.FINISHED

    await while_running(tree, body)


async def test_what_work_is_for_goes_with_its_messages() -> None:
    """Told or asked, at once or by way of others; who is told by nobody in particular works for nothing."""
    heard: list[tuple[str, str | None]] = []
    second = Mailbox[str]("second")

    class Second(Pool[str]):
        width = 2

        async def handle(self, message: str, /) -> None:
            await anyio.sleep(1)
            heard.append((message, current_trace.get()))

    class First(Actor[str]):
        async def handle(self, message: str, /) -> None:
            heard.append((message, current_trace.get()))
            second.ref.tell(f"{message}, passed on")

    first = Mailbox[str]("first")
    tree = Supervisor("root", [ChildSpec("second", Second, mailbox=second), ChildSpec("first", First, mailbox=first)])

    async def body(context: Context[Any]) -> None:
        with tracing("job 1"):
            first.ref.tell("a")
        with tracing("job 2"):
            await first.ref.send("b")
        first.ref.tell("c")
        await anyio.sleep(10)

    await while_running(tree, body)
    assert heard[:3] == [("a", "job 1"), ("b", "job 2"), ("c", None)]
    assert sorted(heard[3:]) == [("a, passed on", "job 1"), ("b, passed on", "job 2"), ("c, passed on", None)]
    assert current_trace.get() is None
