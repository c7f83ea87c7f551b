"""The border between the flavours, on real loops of both backends as the runtime opens them."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
import sniffio

from teltubby import flavour
from teltubby.flavour import Backend, ForeignCancelled, asyncio_hosted

Run = Callable[[Callable[[], Awaitable[Any]]], Any]


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    name: Backend = request.param
    return name


@pytest.fixture
def run(backend: Backend) -> Run:
    def run_hosted(main: Callable[[], Awaitable[Any]]) -> Any:
        async def whole() -> Any:
            async with flavour.hosted():
                return await main()

        return anyio.run(whole, backend=backend, backend_options=flavour.backend_options(backend))

    return run_hosted


class Adapter:
    """An asyncio library in a wrapper, with an object that lives across calls."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[int] | None = None

    @asyncio_hosted
    async def open(self, *, size: int) -> None:
        """Opens."""
        self._queue = asyncio.Queue(size)

    @asyncio_hosted
    async def put(self, item: int) -> None:
        assert self._queue is not None
        await self._queue.put(item)

    @asyncio_hosted
    async def get(self) -> int:
        assert self._queue is not None
        return await self._queue.get()

    @asyncio_hosted
    async def flavour_and_loop(self) -> tuple[str, asyncio.AbstractEventLoop]:
        return flavour.current(), asyncio.get_running_loop()

    @asyncio_hosted
    async def nested(self) -> str:
        return (await self.flavour_and_loop())[0]

    @asyncio_hosted
    async def fail(self, error: Exception) -> None:
        await asyncio.sleep(0)
        raise error


def test_calls_run_in_the_asyncio_flavour_on_one_loop(run: Run, backend: Backend) -> None:
    async def main() -> None:
        adapter = Adapter()
        assert flavour.current() == backend
        first = await adapter.flavour_and_loop()
        assert first == await adapter.flavour_and_loop()
        assert first[0] == "asyncio"
        assert await adapter.nested() == "asyncio"
        assert flavour.current() == backend

    run(main)


def test_an_object_lives_across_calls_and_calls_run_beside_each_other(run: Run) -> None:
    async def main() -> None:
        adapter = Adapter()
        await adapter.open(size=1)
        got: list[int] = []

        async def consume() -> None:
            while len(got) < 5:
                got.append(await adapter.get())

        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(consume)
                for item in range(5):
                    await adapter.put(item)
        assert got == [0, 1, 2, 3, 4]

    run(main)


def test_errors_and_results_pass(run: Run) -> None:
    async def main() -> None:
        error = OSError("no")
        with pytest.raises(OSError, match="no") as caught:
            await Adapter().fail(error)
        assert caught.value is error

    run(main)


def test_the_name_and_the_docstring_stay() -> None:
    assert Adapter.open.__name__ == "open"
    assert Adapter.open.__doc__ == "Opens."


@pytest.mark.parametrize("how", ["timeout", "group", "before it starts"])
def test_a_cancellation_of_ours_reaches_the_asyncio_code_and_stays_ours(run: Run, how: str) -> None:
    seen: list[str] = []

    async def main() -> None:
        started = anyio.Event()

        @asyncio_hosted
        async def wait() -> None:
            started.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        match how:
            case "timeout":
                with pytest.raises(TimeoutError), anyio.fail_after(0.05):
                    await wait()
            case "group":
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(wait)
                    await started.wait()
                    tasks.cancel_scope.cancel()
            case _:
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await wait()
                assert scope.cancelled_caught

    run(main)
    if how != "before it starts":
        assert seen == ["cancelled"]


def test_a_timeout_inside_asyncio_code_is_just_a_timeout(run: Run) -> None:
    @asyncio_hosted
    async def impatient() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(3600)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await impatient()
        with anyio.fail_after(30), pytest.raises(TimeoutError):
            await impatient()

    run(main)


@asyncio_hosted
async def await_a_cancelled_future() -> None:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.cancel)
    await future


@asyncio_hosted
async def await_a_cancelled_task() -> None:
    task = asyncio.create_task(asyncio.sleep(3600))
    await asyncio.sleep(0)
    task.cancel()
    await task


@pytest.mark.parametrize("library", [await_a_cancelled_future, await_a_cancelled_task])
def test_a_cancellation_by_the_library_is_an_error(run: Run, library: Callable[[], Awaitable[None]]) -> None:
    @asyncio_hosted
    async def from_asyncio_code() -> None:
        with pytest.raises(ForeignCancelled):
            await library()
        async with asyncio.timeout(30):
            with pytest.raises(ForeignCancelled):
                await library()

    async def main() -> None:
        with pytest.raises(ForeignCancelled, match="await_a_cancelled") as caught:
            await library()
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        with anyio.fail_after(30), pytest.raises(ForeignCancelled):
            await library()
        await from_asyncio_code()

    run(main)


def test_a_cancellation_by_the_library_during_shielded_cleanup_is_an_error_too(run: Run) -> None:
    outcomes: list[str] = []

    async def main() -> None:
        async def worker() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    try:
                        await await_a_cancelled_future()
                    except ForeignCancelled:
                        outcomes.append("foreign")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(worker)
            await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    run(main)
    assert outcomes == ["foreign"]


def test_when_both_cancel_at_once_ours_wins(run: Run) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:

            @asyncio_hosted
            async def both() -> None:
                future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                future.cancel()
                scope.cancel()
                await future

            await both()
        assert scope.cancelled_caught

    run(main)


def test_context_variables_pass_into_the_call(run: Run) -> None:
    path: contextvars.ContextVar[str] = contextvars.ContextVar("path", default="nowhere")

    @asyncio_hosted
    async def look() -> str:
        await asyncio.sleep(0)
        return path.get()

    async def main() -> None:
        path.set("bot/ledger")
        assert await look() == "bot/ledger"

    run(main)


def test_threads_of_both_kinds_work_in_asyncio_code(run: Run) -> None:
    @asyncio_hosted
    async def work() -> list[int]:
        return [await asyncio.to_thread(int, "1"), await anyio.to_thread.run_sync(int, "2")]

    async def main() -> None:
        assert await work() == [1, 2]

    run(main)


def test_an_error_in_a_task_that_nobody_awaits_is_logged_and_the_loop_lives(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    @asyncio_hosted
    async def stray() -> None:
        def boom() -> None:
            raise OSError("stray")

        asyncio.get_running_loop().call_soon(boom)
        await asyncio.sleep(0.01)

    async def main() -> None:
        await stray()
        assert await Adapter().nested() == "asyncio"

    run(main)
    assert "OSError: stray" in caplog.text


def test_an_exception_of_the_body_leaves_as_it_is(run: Run) -> None:
    async def main() -> None:
        raise OSError("as it is")

    with pytest.raises(OSError, match="as it is"):
        run(main)


@pytest.mark.parametrize("kind", ["task", "answer"])
def test_an_error_that_nobody_awaits_is_logged_and_an_answer_that_nobody_awaits_is_no_error(
    run: Run, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "teltubby.flavour")

    @asyncio_hosted
    async def forgetful() -> None:
        if kind == "answer":
            asyncio.get_running_loop().create_future().set_exception(ConnectionResetError("cut"))
            return

        async def fail() -> None:
            raise ConnectionResetError("cut")

        task = asyncio.create_task(fail())
        await asyncio.wait([task])

    async def main() -> None:
        await forgetful()
        gc.collect()

    run(main)
    ((level, text),) = {(record.levelname, record.getMessage()) for record in caplog.records}
    assert (level, "ConnectionResetError" in text) == (("INFO", True) if kind == "answer" else ("ERROR", False))
    assert kind == "answer" or "Task exception was never retrieved" in text


def test_the_body_can_be_cancelled_from_outside(backend: Backend) -> None:
    async def main() -> bool:
        with anyio.move_on_after(0.05) as scope:
            async with flavour.hosted():
                await anyio.sleep_forever()
        return scope.cancelled_caught

    assert anyio.run(main, backend=backend, backend_options=flavour.backend_options(backend))


def test_a_call_outside_of_the_hosted_loop_says_what_is_missing() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"Adapter\.open needs the loop that flavour\.hosted\(\) opens"):
            await Adapter().open(size=1)

    anyio.run(main, backend="trio", backend_options=flavour.backend_options("trio"))


def test_a_run_on_asyncio_does_not_get_a_loop_of_trio_asyncio() -> None:
    async def main() -> str:
        assert sniffio.current_async_library() == "asyncio"
        return type(asyncio.get_running_loop()).__module__

    assert anyio.run(main, backend_options=flavour.backend_options("asyncio")).startswith("asyncio.")


@pytest.mark.parametrize(
    ("backend", "imported"),
    [("asyncio", "False"), ("trio", "True")],
)
def test_trio_asyncio_is_imported_on_the_way_to_a_trio_run_only(backend: str, imported: str) -> None:
    program = f"""
import sys, anyio
from teltubby import flavour
async def main():
    async with flavour.hosted():
        print(await flavour.asyncio_hosted(work)())
async def work():
    return "trio_asyncio" in sys.modules
anyio.run(main, backend={backend!r}, backend_options=flavour.backend_options({backend!r}))
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == (imported, "")


def test_importing_it_too_late_is_an_error_with_a_reason() -> None:
    program = """
import anyio
from teltubby import flavour
anyio.run(anyio.sleep, 0)
try:
    flavour.backend_options("trio")
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "before anyio's asyncio backend" in done.stdout
