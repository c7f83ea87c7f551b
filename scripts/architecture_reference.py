"""What docs/architecture.md and docs/messages.md have from the code: the trees, and who says what to whom.

Trees are those that the processes run; actors and messages are described by the first sentence of their docstrings, and
where a message is made is read from the sources. write-reference.py puts it into the pages; a test compares them.
"""

from __future__ import annotations

import ast
import re
import types
import typing
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path

import anyio

from teltubby.adapters.rabbitmq_topology import BROADCAST_SECONDS, BrokerNames
from teltubby.config import Role, load
from teltubby.messages.collector import CollectorReport
from teltubby.messages.control import Order
from teltubby.messages.jobs import Job, JobEvent
from teltubby.messages.questions import AnswerTold, QuestionAsked
from teltubby.messages.workers import WorkerReport
from teltubby.supervision import Actor, ChildSpec, Request, Strategy, Supervisor
from teltubby.supervision.child import TEARDOWN_WITHIN
from teltubby.trees.bot import bot_tree
from teltubby.trees.box import box_tree
from teltubby.trees.stopping import stop_seconds
from teltubby.trees.worker import worker_tree

PACKAGE = Path(__file__).resolve().parent.parent / "teltubby"
PLAIN = {
    "TELEGRAM_BOT_TOKEN": "1:token",
    "TELEGRAM_WHITELIST_IDS": "1",
    "MTPROTO_API_ID": "1",
    "MTPROTO_API_HASH": "0123456789abcdef",
    "STORAGE_FOLDER": "/nowhere",
}
WIDEST = PLAIN | {"MTPROTO_ENABLED": "true", "MTPROTO_HISTORY_ENABLED": "true", "BACKUP_INTERVAL_HOURS": "24"}
TREES = {Role.BOT: bot_tree, Role.WORKER: worker_tree, Role.BOX: box_tree}
NAMES = BrokerNames()
_OVER_THE_BROKER: tuple[tuple[object, str, str], ...] = (
    (Job, f"bot → worker, `{NAMES.jobs}` or `{NAMES.priority}`", "durable until its final event is confirmed"),
    (JobEvent, f"worker → bot, `{NAMES.events}`", "durable until it is recorded and the curator told"),
    (WorkerReport, f"worker → bot, `{NAMES.events}`", "durable until it is recorded or told"),
    (CollectorReport, f"worker → bot, `{NAMES.events}`", "durable until it is recorded or told"),
    (QuestionAsked, f"worker → bot, `{NAMES.questions}`", "as long as its asker waits"),
    (AnswerTold, f"bot → the worker that asked, `{NAMES.answers}.<id>`", "as long as its connection"),
    (Order, f"bot → all workers that listen, `{NAMES.control}`", f"{BROADCAST_SECONDS} s at most"),
)
Declared = ChildSpec | Supervisor


def picture() -> str:
    """Both wings side by side, by name and actor."""
    wings = [list(_drawn(_tree(role, WIDEST))) for role in (Role.BOT, Role.WORKER)]
    width = max(map(len, wings[0])) + 4
    lines = [f"{left:<{width}}{right}".rstrip() for left, right in zip_longest(*wings, fillvalue="")]
    return "\n".join(["```", *lines, "```", ""])


def trees() -> str:
    """Every child of every tree with what is said of it in its declaration."""
    usual = ChildSpec("usual", lambda: _tree(Role.BOT, PLAIN))
    lines = [
        f"Unless its row says otherwise, a child that ends is started again (`{usual.restart}`): at once, and when it "
        f"ends again soon, after up to {usual.backoff.first:g} s, doubled each time, {usual.backoff.cap:g} s at most. "
        f"It has {usual.ready_within:g} s to be ready, {usual.stop_within:g} s to stop and {TEARDOWN_WITHIN:g} s for "
        f"its teardown, and a mailbox for {usual.mailbox} messages.",
        "",
    ]
    for role, what in ((Role.BOT, "teltubby bot"), (Role.WORKER, "teltubby worker"), (Role.BOX, "teltubby run")):
        tree = _tree(role, WIDEST)
        always = {path for path, *_ in _below(_tree(role, PLAIN))}
        lines += [
            f"**`{what}`**: {_strategy(tree)}. An orderly stop takes {stop_seconds(tree)} s at most.",
            "",
            "| child | actor | declared with | |",
            "|---|---|---|---|",
        ]
        if role is Role.BOX:
            lines += [f"| `{tree.name}/{child.name}` | | {_strategy_of_wing(child)} | |" for child in tree.declared]
        else:
            lines += [_row(path, child, above, path in always) for path, child, above in _below(tree)]
        lines.append("")
    return "\n".join(lines)


def crossing() -> str:
    """What goes over the broker: from whom, where, and how long it is kept."""
    rows = [
        f"| `{each.__name__}` | {where} | {kept} | {_first_sentence(each)} |"
        for union, where, kept in _OVER_THE_BROKER
        for each in _members(union)
    ]
    return "\n".join(["| message | goes | is kept | |", "|---|---|---|---|", *rows, ""])


def messages() -> str:
    """Every message that an actor of one of the trees takes, by actor."""
    made, silent = _makers(), []
    lines = []
    for actor in sorted(_actors(), key=lambda actor: actor.__name__):
        mail = _mail(actor)
        if mail is typing.Never:
            silent.append(actor.__name__)
            continue
        lines += [f"## {actor.__name__}", "", "| message | is answered with | made in | |", "|---|---|---|---|"]
        for each in _members(mail):
            makers = ", ".join(f"`{name}`" for name in sorted(made[each.__name__]))
            lines.append(f"| `{each.__name__}` | {_answer(each)} | {makers} | {_first_sentence(each)} |")
        lines.append("")
    lines += [f"Without a mailbox that anybody knows: {', '.join(silent)}.", ""]
    return "\n".join(lines)


# -- the trees


def _tree(role: Role, settings: dict[str, str]) -> Supervisor:
    return TREES[role](load(role, settings, None))


def _below(tree: Supervisor, lead: str = "") -> Iterator[tuple[str, Declared, Supervisor]]:
    """Every child, under the path by which the log and `teltubby tree` name it."""
    path = f"{lead}{tree.name}/"
    for child in tree.declared:
        yield f"{path}{child.name}", child, tree
        if isinstance(child, Supervisor):
            yield from _below(child, path)


def _drawn(tree: Supervisor) -> Iterator[str]:
    yield f"{tree.name}  {tree.strategy}, {tree.intensity}"
    yield from _branches(tree, "")


def _branches(tree: Supervisor, lead: str) -> Iterator[str]:
    widest = max(len(child.name) for child in tree.declared)
    for child in tree.declared:
        last = child is tree.declared[-1]
        kind = f"{child.strategy}, {child.intensity}" if isinstance(child, Supervisor) else _actor(child).__name__
        yield f"{lead}{'└' if last else '├'}─ {child.name:<{widest}}  {kind}"
        if isinstance(child, Supervisor):
            yield from _branches(child, lead + ("   " if last else "│  "))


def _actor(spec: ChildSpec) -> type[Actor[typing.Any]]:
    async def make() -> object:  # some make events, which belong to a loop
        return spec.start()

    made = anyio.run(make)
    assert isinstance(made, Actor)
    return type(made)


def _actors() -> set[type[Actor[typing.Any]]]:
    declared = [child for role in (Role.BOT, Role.WORKER) for _, child, _ in _below(_tree(role, WIDEST))]
    return {_actor(child) for child in declared if isinstance(child, ChildSpec)}


def _row(path: str, child: Declared, above: Supervisor, always: bool) -> str:
    if isinstance(child, Supervisor):
        return f"| `{path}` | | {_strategy(child)} | |"
    usual, actor, remarks = ChildSpec("usual", child.start), _actor(child), []
    if not always:
        remarks.append("only where it is switched on")
    if above.strategy is Strategy.REST_FOR_ONE and (after := _after(child, above)):
        remarks.append(f"restarts {', '.join(f'`{name}`' for name in after)} with it")
    if child.restart is not usual.restart:
        remarks.append(child.restart)
    if child.backoff != usual.backoff:
        remarks.append(f"started again after up to {child.backoff.first:g} s, {child.backoff.cap:g} s at most")
    for what, own, others in (
        ("to be ready", child.ready_within, usual.ready_within),
        ("to stop", child.stop_within, usual.stop_within),
    ):
        if own != others:
            remarks.append(f"{own:g} s {what}")
    capacity = child.mailbox if isinstance(child.mailbox, int) else child.mailbox.capacity
    if capacity != usual.mailbox:
        remarks.append(f"{capacity} messages")
    return f"| `{path}` | {actor.__name__} | {'; '.join(remarks)} | {_first_sentence(actor)} |"


def _after(child: ChildSpec, above: Supervisor) -> list[str]:
    names = [each.name for each in above.declared]
    return names[names.index(child.name) + 1 :]


def _strategy(tree: Supervisor) -> str:
    return (
        f"`{tree.strategy}`, gives up after more than {tree.intensity.restarts} restarts in {tree.intensity.within:g} s"
    )


def _strategy_of_wing(child: Declared) -> str:
    if isinstance(child, ChildSpec):
        return "as above"
    return f"{_strategy(child)}; children as above"


# -- the messages


def _members(union: object) -> list[type]:
    """The classes of a union, or the one class that it is."""
    if typing.get_origin(union) in (types.UnionType, typing.Union):
        return [member for part in typing.get_args(union) for member in _members(part)]
    return [typing.cast(type, union)]


def _mail(actor: type) -> object:
    """What stands between the brackets of its base class."""
    [base] = vars(actor)["__orig_bases__"]
    [mail] = typing.get_args(base)
    return mail


def _answer(message: type) -> str:
    """What stands between the brackets of `Request[…]`, as the source has it; nothing where nobody is answered."""
    if not issubclass(message, Request):
        return ""
    [asked] = [base for base in _definitions()[message.__name__].bases if isinstance(base, ast.Subscript)]
    answer = ast.unparse(asked.slice)
    return "done" if answer == "None" else f"`{answer}`".replace("|", "\\|")


@cache
def _definitions() -> dict[str, ast.ClassDef]:
    bodies = [ast.parse(path.read_text(encoding="utf-8")).body for path in (PACKAGE / "messages").glob("*.py")]
    return {node.name: node for body in bodies for node in body if isinstance(node, ast.ClassDef)}


def _makers() -> dict[str, set[str]]:
    """The modules in which an object of a class of that name is made, by the class's name."""
    made: dict[str, set[str]] = defaultdict(set)
    for path in _sources():
        module = path.relative_to(PACKAGE).with_suffix("")
        name = module.name if module.parts[0] == "actors" else module.as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id=called)):
                    made[called].add(name)
                case ast.IfExp(body=ast.Name(id=one), orelse=ast.Name(id=other)):  # which of two is called, later
                    made[one].add(name)
                    made[other].add(name)
                case _:
                    pass
    return made


def _sources() -> Iterable[Path]:
    return (path for folder in ("actors", "trees") for path in sorted((PACKAGE / folder).glob("*.py")))


def _first_sentence(described: type) -> str:
    text = " ".join((described.__doc__ or "").split())
    return re.split(r"(?<=[.?!])\s", text, maxsplit=1)[0].replace("|", "\\|")
