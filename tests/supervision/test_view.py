"""The picture of a tree, as data and as text."""

from __future__ import annotations

import json
from typing import Any

import anyio
import pytest

from teltubby.supervision import ChildSpec, Context, Intensity, Mailbox, Node, State, Strategy, Supervisor, render
from tests.supervision.household import Add, Clerk, Crash, Message, Work, clerk, while_running

pytestmark = pytest.mark.anyio

PICTURE = Node(
    name="bot",
    kind="one_for_one, 3 in 60 s",
    state=State.READY,
    since=1_795_176_000.5,
    children=(
        Node(name="ledger", kind="LedgerActor", state=State.READY, mailbox=2),
        Node(
            name="telegram",
            kind="rest_for_one, 5 in 300 s",
            state=State.STARTING,
            restarts=1,
            last_error="IntensityExceeded: too\n  often",
            children=(
                Node(name="session", kind="SessionActor", state=State.BACKOFF, restarts=5, last_error="OSError: no"),
                Node(name="download", kind="Actor", state=State.WAITING),
            ),
        ),
        Node(name="queue", kind="QueueActor", state=State.READY),
    ),
)

TEXT = """\
bot             one_for_one, 3 in 60 s    ready     since 2026-11-20 12:00:00Z
├─ ledger       LedgerActor               ready     2 queued
├─ telegram     rest_for_one, 5 in 300 s  starting  1 restart, last error: IntensityExceeded: too often
│  ├─ session   SessionActor              backoff   5 restarts, last error: OSError: no
│  └─ download  Actor                     waiting
└─ queue        QueueActor                ready"""


def test_the_text_view() -> None:
    assert render(PICTURE) == TEXT


def test_a_picture_survives_json() -> None:
    assert Node.from_dict(json.loads(json.dumps(PICTURE.as_dict()))) == PICTURE


@pytest.mark.parametrize("spoil", [{"state": "dancing"}, {"colour": "red"}, {"children": [{}]}])
def test_a_malformed_picture_is_an_error(spoil: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError, KeyError)):
        Node.from_dict({**PICTURE.as_dict(), **spoil})


async def test_a_snapshot_shows_the_tree_before_while_and_after_it_runs() -> None:
    inner = Supervisor(
        "inner",
        [clerk("x", []), ChildSpec("y", lambda: Clerk("y", []))],
        strategy=Strategy.REST_FOR_ONE,
        intensity=Intensity(restarts=5, within=300),
    )
    tree = Supervisor("root", [clerk("a", []), inner])

    def shape(node: Node) -> Any:
        return node.name, node.kind, node.state.value, [shape(child) for child in node.children]

    def expected(state: str, kind: str = "Clerk") -> Any:
        below: list[Any] = [("x", kind, state, []), ("y", kind, state, [])]
        inner = ("inner", "rest_for_one, 5 in 300 s", state, below)
        return "root", "one_for_one, 3 in 60 s", state, [("a", kind, state, []), inner]

    assert shape(tree.snapshot()) == expected("waiting", "Actor")

    async def body(context: Context[Any]) -> None:
        assert shape(tree.snapshot()) == expected("ready")
        tree.ref("inner/x").tell(Crash())
        await anyio.sleep(1)
        tree.ref("inner/y").tell(Work(name="work", seconds=2))
        for _ in range(3):
            tree.ref("inner/y").tell(Add(n=1))
        await anyio.sleep(1)
        x, y = tree.snapshot().children[1].children
        assert (x.restarts, x.last_error, x.mailbox) == (1, "Bug: crash", 0)
        assert (y.restarts, y.last_error, y.mailbox) == (0, None, 3)
        assert x.since > 1.7e9

    await while_running(tree, body)
    assert shape(tree.snapshot()) == expected("stopped")


async def test_a_long_error_is_cut() -> None:
    class Verbose(Clerk):
        async def handle(self, message: Message, /) -> object:
            raise OSError("x" * 10_000)

    tree = Supervisor("root", [ChildSpec("a", lambda: Verbose("a", []))])

    async def body(context: Context[Any]) -> None:
        tree.ref("a").tell(Crash())
        await anyio.sleep(1)
        assert len(tree.snapshot().children[0].last_error or "") == 300

    await while_running(tree, body)


def test_a_class_as_start_shows_its_name_before_it_runs() -> None:
    class Porter(Clerk):
        def __init__(self) -> None:
            super().__init__("porter", [])

    assert Supervisor("root", [ChildSpec("p", Porter)]).snapshot().children[0].kind == "Porter"


def test_mistakes_in_a_declaration_are_errors_at_once() -> None:
    mailbox = Mailbox[Message]("shared")
    inner = Supervisor("inner", [clerk("x", [], mailbox=mailbox)])
    with pytest.raises(ValueError, match="name of its own"):
        Supervisor("root", [])
    with pytest.raises(ValueError, match="name of its own"):
        Supervisor("root", [clerk("a", []), clerk("a", [])])
    with pytest.raises(ValueError, match="one reader"):
        Supervisor("root", [clerk("a", [], mailbox=mailbox), inner])
    for name in ("", "a/b"):
        with pytest.raises(ValueError, match="name"):
            clerk(name, [])
    with pytest.raises(ValueError, match="ready_within"):
        clerk("a", [], ready_within=0)
    with pytest.raises(KeyError):
        inner.ref("nobody")
    with pytest.raises(KeyError):
        inner.ref("x/nobody")
