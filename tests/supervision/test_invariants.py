"""Whatever happens in whatever order: incarnations never overlap, order is kept, nobody is forgotten, nothing hangs."""

from __future__ import annotations

from typing import Any

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from teltubby.supervision import Backoff, ChildSpec, Context, Intensity, Restart, State, Strategy, Supervisor
from tests.supervision.household import Crash, Message, Work, clerk, states
from tests.supervision.virtual_time import VirtualTimeLoop

NAMES = "abcd"

events = st.tuples(
    st.sampled_from(NAMES),
    st.one_of(
        st.builds(Crash),
        st.builds(Work, name=st.just("work"), seconds=st.sampled_from([0.0, 0.5, 3.0, 30.0])),
    ),
    st.sampled_from([0.0, 0.0, 0.1, 1.0, 20.0]),
)


def household(strategy: Strategy, policies: list[Restart], journal: list[str]) -> Supervisor:
    children: list[ChildSpec] = [
        clerk(name, journal, restart=policy, stop_within=2, backoff=Backoff(first=1, cap=10), mailbox=1000)
        for name, policy in zip(NAMES, policies, strict=True)
    ]
    return Supervisor("root", children, strategy=strategy, intensity=Intensity(restarts=1000))


@given(
    strategy=st.sampled_from(Strategy),
    policies=st.lists(st.sampled_from(Restart), min_size=len(NAMES), max_size=len(NAMES)),
    script=st.lists(events, max_size=25),
    patient=st.booleans(),
)
@settings(deadline=None, max_examples=150)
def test_a_tree_keeps_its_promises(
    strategy: Strategy, policies: list[Restart], script: list[tuple[str, Message, float]], patient: bool
) -> None:
    journal: list[str] = []
    tree = household(strategy, policies, journal)

    async def main() -> None:
        context = Context[Any]("root")
        with anyio.fail_after(10_000):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tree.run, context)
                await context.ready.wait()
                for name, message, pause in script:
                    if states(tree)[NAMES.index(name)] is not State.FINISHED:
                        tree.ref(name).tell(message)
                    await anyio.sleep(pause)
                if patient:
                    await anyio.sleep(2000)
                    assert set(states(tree)) <= {State.READY, State.FINISHED}
                context.stop()
        assert set(states(tree)) <= {State.STOPPED, State.FINISHED}

    anyio.run(main, backend_options={"loop_factory": VirtualTimeLoop})
    up: list[str] = []
    for line in journal:
        match line[0], line[1:]:
            case "+", name:
                assert name not in up
                if strategy is not Strategy.ONE_FOR_ONE:
                    assert not [other for other in up if other > name], "started before those after it were down"
                up.append(name)
            case "-", name:
                up.remove(name)
    assert up == []
    for name, policy in zip(NAMES, policies, strict=True):
        assert journal.count(f"+{name}") == 1 or policy is not Restart.TEMPORARY
