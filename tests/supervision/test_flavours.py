"""Asyncio-flavoured code in and around actors, on both backends, and cancellations that nobody of ours asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from teltubby.flavour import ForeignCancelled, asyncio_hosted
from teltubby.supervision import (
    ActorCrashed,
    ActorStopped,
    ChildSpec,
    Context,
    MailboxFull,
    Pool,
    Refused,
    Supervisor,
    current_path,
)
from tests.supervision.household import Add, Bug, Clerk, Crash, Decline, Message, Work, clerk, node, while_running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("hosted_loop")]


async def test_asyncio_flavoured_code_can_tell_send_and_ask() -> None:
    tree = Supervisor("root", [clerk("a", [], mailbox=1)])

    @asyncio_hosted
    async def handler() -> None:
        ref = tree.ref("a")
        await asyncio.sleep(0.1)
        ref.tell(Add(n=1))
        with pytest.raises(MailboxFull):
            ref.tell(Add(n=1))
        await ref.send(Add(n=1))
        await ref.send(Add(n=1))
        assert await ref.ask(Add(n=5), within=1) == 8
        with pytest.raises(Refused):
            await ref.ask(Decline(), within=1)
        with pytest.raises(Bug):
            await ref.ask(Crash(), within=1)
        with pytest.raises(TimeoutError):
            await ref.ask(Work(name="long", seconds=5), within=1)

    async def body(context: Context[Any]) -> None:
        await handler()

    await while_running(tree, body)


async def test_asyncio_flavoured_askers_learn_that_the_actor_stopped() -> None:
    tree = Supervisor("root", [clerk("a", [], stop_within=1)])
    failed: list[str] = []

    @asyncio_hosted
    async def asker(seconds: float) -> None:
        try:
            await tree.ref("a").ask(Work(name="long", seconds=seconds), within=100)
        except ActorStopped as exc:
            failed.append(str(exc))

    async with anyio.create_task_group() as tasks:

        async def body(context: Context[Any]) -> None:
            tasks.start_soon(asker, 50)
            tasks.start_soon(asker, 50)
            await anyio.sleep(1)

        await while_running(tree, body)
    assert failed == ["root/a: actor has stopped"] * 2


async def test_an_actor_may_use_asyncio_flavoured_adapters() -> None:
    class Adapter:
        @asyncio_hosted
        async def double(self, n: int) -> int:
            await asyncio.sleep(0.1)
            return n * 2

    class Doubler(Clerk):
        async def handle(self, message: Message, /) -> object:
            assert isinstance(message, Add)
            return await Adapter().double(message.n)

    tree = Supervisor("root", [ChildSpec("d", lambda: Doubler("d", []))])

    async def body(context: Context[Any]) -> None:
        assert await tree.ref("d").ask(Add(n=4), within=1) == 8

    await while_running(tree, body)


async def test_a_stop_reaches_asyncio_flavoured_work() -> None:
    journal: list[str] = []

    class Waits(Clerk):
        async def handle(self, message: Message, /) -> object:
            await self.wait()
            return None

        @asyncio_hosted
        async def wait(self) -> None:
            try:
                await asyncio.sleep(900)
            except asyncio.CancelledError:
                journal.append("cancelled")
                raise

    tree = Supervisor("root", [ChildSpec("w", lambda: Waits("w", journal), stop_within=2)])

    async def body(context: Context[Any]) -> None:
        tree.ref("w").tell(Add(n=1))
        await anyio.sleep(1)

    began = anyio.current_time()
    await while_running(tree, body)
    assert anyio.current_time() - began == pytest.approx(3, abs=0.1)
    assert journal == ["+w", "cancelled", "-w"]


async def test_a_poll_in_an_adapter_is_interrupted_by_the_stop() -> None:
    class Poller(Clerk):
        async def run(self, context: Context[Message]) -> None:
            async def poll() -> None:
                while not context.stopping.is_set():
                    with context.interruptible():
                        await long_poll()

            context.started()
            await context.serve(self.handle, poll)

    @asyncio_hosted
    async def long_poll() -> None:
        await asyncio.sleep(900)

    tree = Supervisor("root", [ChildSpec("p", lambda: Poller("p", []))])

    async def body(context: Context[Any]) -> None:
        await anyio.sleep(5)

    began = anyio.current_time()
    await while_running(tree, body)
    assert anyio.current_time() - began == pytest.approx(5, abs=0.1)


class Fragile(Clerk):
    """Its library cancels itself."""

    async def handle(self, message: Message, /) -> object:
        if isinstance(message, Crash):
            raise asyncio.CancelledError
        return await super().handle(message)


class FragilePool(Pool[Message]):
    async def handle(self, message: Message, /) -> object:
        return await Fragile("f", []).handle(message)


@pytest.mark.parametrize("make", [lambda: Fragile("f", []), FragilePool])
async def test_a_stray_cancellation_in_a_handler_is_a_crash(make: Any) -> None:
    tree = Supervisor("root", [ChildSpec("f", make)])

    async def body(context: Context[Any]) -> None:
        with pytest.raises(ActorCrashed, match="a library cancelled Crash"):
            await tree.ref("f").ask(Crash(), within=10)
        assert await tree.ref("f").ask(Add(n=1), within=10) == 1
        assert node(tree, "f").restarts == 1

    await while_running(tree, body)


@pytest.mark.parametrize("where", ["setup", "run", "beside"])
async def test_a_stray_cancellation_elsewhere_is_a_crash(where: str) -> None:
    class Once(Clerk):
        times = 0

        async def setup(self) -> None:
            self.stray("setup")

        async def run(self, context: Context[Message]) -> None:
            self.stray("run")
            context.started()
            await context.serve(self.handle, self.beside)

        async def beside(self) -> None:
            self.stray("beside")

        def stray(self, here: str) -> None:
            if here == where and Once.times == 0:
                Once.times += 1
                raise asyncio.CancelledError

    tree = Supervisor("root", [ChildSpec("o", lambda: Once("o", []))])

    async def body(context: Context[Any]) -> None:
        await anyio.sleep(1)
        assert node(tree, "o").restarts == 1
        assert (node(tree, "o").last_error or "").startswith("ActorCrashed: root/o: a library cancelled")
        assert await tree.ref("o").ask(Add(n=1), within=10) == 1

    await while_running(tree, body)


async def test_a_stray_cancellation_in_an_actors_own_task_group_ends_that_actor_only() -> None:
    class Grouped(Clerk):
        times = 0

        async def run(self, context: Context[Message]) -> None:
            context.started()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self.fail_once)
                await context.serve(self.handle)

        async def fail_once(self) -> None:
            Grouped.times += 1
            if Grouped.times == 1:
                raise asyncio.CancelledError

    tree = Supervisor("root", [clerk("a", []), ChildSpec("g", lambda: Grouped("g", []))])

    async def body(context: Context[Any]) -> None:
        await anyio.sleep(1)
        assert [child.restarts for child in tree.snapshot().children] == [0, 1]
        assert await tree.ref("g").ask(Add(n=1), within=10) == 1

    await while_running(tree, body)


async def test_an_adapter_turns_a_stray_cancellation_into_an_error() -> None:
    class Acknowledges(Clerk):
        @asyncio_hosted
        async def ack(self) -> None:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

        async def handle(self, message: Message, /) -> object:
            try:
                await self.ack()
            except ForeignCancelled as exc:
                raise Refused("connection lost") from exc
            return None

    tree = Supervisor("root", [ChildSpec("a", lambda: Acknowledges("a", []))])

    async def body(context: Context[Any]) -> None:
        with pytest.raises(Refused, match="connection lost"):
            await tree.ref("a").ask(Add(n=1), within=10)

    await while_running(tree, body)


async def test_every_actor_knows_its_path_also_in_asyncio_flavoured_code() -> None:
    seen: list[str | None] = []

    class Asks(Clerk):
        async def handle(self, message: Message, /) -> object:
            seen.append(current_path.get())
            await self.hosted()
            return None

        @asyncio_hosted
        async def hosted(self) -> None:
            seen.append(current_path.get())

    inner = Supervisor("inner", [ChildSpec("a", lambda: Asks("a", []))])
    tree = Supervisor("root", [inner])

    async def body(context: Context[Any]) -> None:
        await tree.ref("inner/a").ask(Add(n=1), within=1)
        assert current_path.get() is None

    await while_running(tree, body)
    assert seen == ["root/inner/a"] * 2
