"""Who may import whom, and other rules that the source keeps; the layers are those of teltubby/__init__.py."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import teltubby

ROOT = Path(teltubby.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("supervision",),
    ("errors", "interrupts"),
    ("messages",),
    ("flavour",),
    ("config", "logs"),
    ("archive",),
    ("adapters",),
    ("transfer", "collector", "backup"),
    ("actors",),
    ("trees",),
    ("runtime",),
    ("exit_codes",),
    (
        "auditing",
        "cli",
        "collecting",
        "demo",
        "doctor",
        "fixity",
        "login",
        "probing",
        "recovery",
        "tasks",
        "tracing",
        "watching",
        "__main__",
    ),
)
"""Lowest first; a module imports its own layer and those below."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "aio_pika": ("adapters", "simulator"),
    "aioboto3": ("adapters", "simulator"),
    "aiobotocore": ("adapters", "simulator"),
    "aiogram": ("adapters", "simulator"),
    "aiohttp": ("adapters", "simulator"),
    "aiormq": ("adapters", "simulator"),
    "boto3": ("adapters", "simulator"),
    "botocore": ("adapters", "simulator"),
    "cryptg": ("adapters", "simulator"),
    "hachoir": ("adapters",),
    "jinja2": ("collector",),
    "matplotlib": ("adapters",),
    "PIL": ("adapters",),
    "pyarrow": ("adapters",),
    "sqlite3": ("adapters", "simulator"),
    "sqlite_utils": ("adapters", "simulator"),
    "supervisor": ("watching",),
    "telethon": ("adapters", "simulator"),
    "trio_asyncio": ("flavour",),
    "urlextract": ("archive",),
    "teltubby.simulator": ("simulator", "demo"),
}
"""Module → the parts of teltubby that may import it."""

PURE = ("messages", "archive")
IO_MODULES = (
    *("anyio", "asyncio", "trio", "threading", "concurrent", "selectors", "signal"),
    *("os", "io", "shutil", "tempfile", "glob", "fileinput", "subprocess"),
    *("socket", "ssl", "http", "urllib.request", "socketserver"),
)
"""What vocabulary and policy never import."""


ALONE: dict[str, tuple[str, ...]] = {
    "supervision": ("supervision",),
    "simulator": ("simulator", "errors", ""),
}
"""Part → all parts of teltubby that it may import; "" is the version in teltubby itself."""

RUNNERS = {"anyio.run", "asyncio.run", "asyncio.Runner", "trio.run", "anyio.from_thread.start_blocking_portal"}
MAY_RUN = ("runtime", "simulator")
MAY_RUN_ONCE = {
    # aiobotocore makes a client in a coroutine that only blocks; it runs in a thread, in a loop of its own.
    ("teltubby.adapters.s3_connection", "asyncio.Runner"),
}
"""(module, call) that are known and accepted."""
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
MOST_LINES = 500

SOURCES = sorted(ROOT.rglob("*.py"))
ALL_FILES = [*SOURCES, *sorted(Path(__file__).parent.rglob("*.py"))]


def name_of(path: Path) -> str:
    """`teltubby/adapters/base.py` → `teltubby.adapters.base`."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`teltubby.adapters.base` → `adapters`; "" for teltubby itself. `demo_view` and the like belong to `demo`."""
    parts = module.split(".")
    part = parts[1] if len(parts) > 1 else ""
    return "demo" if part.startswith("demo") else part


def imports(module: str, tree: ast.AST, *, is_package: bool = False) -> Iterator[str]:
    """Every module that is imported anywhere in the file, inside functions and for type checking too."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=source, names=names, level=level):
                base = module.split(".")[: len(module.split(".")) - level + is_package] if level else []
                origin = ".".join([*base, *([source] if source else [])])
                yield origin
                # What follows "import" is a module or a name in one; taking a name for a module does no harm here.
                yield from (f"{origin}.{alias.name}" for alias in names)


def violations(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Every rule that a module with this name and source breaks, one sentence each."""
    tree = ast.parse(source)
    part = part_of(module)
    found: set[str] = set()
    for target in imports(module, tree, is_package=is_package):
        found.update(_import_violations(part, target))
    for name in _calls(tree):
        if name in RUNNERS and part not in MAY_RUN and (module, name) not in MAY_RUN_ONCE:
            found.add(f"{name} is called, which only {' and '.join(MAY_RUN)} may")
        if name == "open" and part in PURE:
            found.add(f"{part} opens a file")
    return sorted(f"{module}: {what}" for what in found)


def _import_violations(part: str, target: str) -> Iterator[str]:
    for guarded, allowed in ONLY_IN.items():
        if _is_in(target, guarded) and part not in allowed:
            yield f"imports {guarded}, which only {' and '.join(allowed)} may"
    for guarded in IO_MODULES:
        if part in PURE and _is_in(target, guarded):
            yield f"imports {guarded}, but {part} does no I/O"
    if not _is_in(target, "teltubby"):
        return
    target_part = part_of(target)
    if part in ALONE and target_part in set(_parts()) and target_part not in ALONE[part]:
        yield f"imports {target_part}, but {part} stands alone"
    if part in _parts() and target_part in _parts() and _height(target_part) > _height(part):
        yield f"imports {target_part}, which is a higher layer than {part}"


def _calls(tree: ast.AST) -> Iterator[str]:
    """Dotted names that are called, with names that `from … import` brought resolved to where they came from."""
    brought = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and not node.level
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (name := ast.unparse(node.func)):
            yield brought.get(name, name)


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _parts() -> list[str]:
    return [part for layer in LAYERS for part in layer]


def _height(part: str) -> int:
    return next(height for height, layer in enumerate(LAYERS) if part in layer)


def _unfinished(source: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT and UNFINISHED.search(token.string)]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_the_layers_hold(path: Path) -> None:
    is_package = path.name == "__init__.py"
    assert violations(name_of(path), path.read_text(encoding="utf-8"), is_package=is_package) == []


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_files_are_short_and_finished(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MOST_LINES, f"split it: more than {MOST_LINES} lines"
    assert _unfinished(source) == []


def test_every_part_has_its_layer() -> None:
    parts = {part_of(name_of(path)) for path in SOURCES} - {"", "simulator"}
    assert parts <= set(_parts())


def test_the_layers_are_drawn_in_the_package() -> None:
    drawn = (teltubby.__doc__ or "").split("::")[1]
    for part in _parts():
        assert part in drawn or not (ROOT / part).is_dir(), f"{part} is missing in teltubby/__init__.py"


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        (
            "teltubby.messages.x",
            "from teltubby.adapters.base import ObjectStore",
            "imports adapters, which is a higher",
        ),
        ("teltubby.messages.x", "from teltubby import actors", "imports actors, which is a higher"),
        ("teltubby.actors.x", "from .. import trees", "imports trees, which is a higher"),
        ("teltubby.supervision.x", "import teltubby.messages.jobs", "supervision stands alone"),
        ("teltubby.actors.x", "def f():\n    import aiogram.types", "imports aiogram, which only adapters"),
        ("teltubby.archive.x", "import sqlite3", "imports sqlite3, which only adapters"),
        ("teltubby.adapters.x", "from trio_asyncio import open_loop", "imports trio_asyncio, which only flavour"),
        ("teltubby.runtime", "from teltubby.simulator import world", "imports teltubby.simulator, which only"),
        ("teltubby.simulator.x", "from teltubby.messages import jobs", "simulator stands alone"),
        ("teltubby.messages.x", "import os.path", "messages does no I/O"),
        ("teltubby.archive.x", "def f(): return open('x')", "archive opens a file"),
        ("teltubby.cli", "import anyio\nanyio.run(main)", "anyio.run is called"),
        ("teltubby.cli", "from anyio import run as go\ngo(main)", "anyio.run is called"),
        ("teltubby.actors.x", "import asyncio\nasyncio.run(main())", "asyncio.run is called"),
    ],
)
def test_a_violation_is_caught(module: str, source: str, complaint: str) -> None:
    assert any(complaint in found for found in violations(module, source))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("teltubby.actors.x", "from teltubby.messages.jobs import Job\nfrom teltubby.supervision import Actor"),
        ("teltubby.adapters.x", "import aiogram, sqlite3\nfrom teltubby.errors import Transient"),
        ("teltubby.demo", "from teltubby.simulator.server import SimulatedTelegram"),
        ("teltubby.demo_view", "from teltubby.simulator.server import SimulatedTelegram"),
        ("teltubby.runtime", "import anyio\nanyio.run(main)"),
        ("teltubby.simulator.x", "from teltubby import __version__\nfrom teltubby.errors import Transient"),
        ("teltubby.archive.x", "import osmosis\nfrom pathlib import PurePosixPath"),
    ],
)
def test_what_is_allowed_is_not_caught(module: str, source: str) -> None:
    assert violations(module, source) == []


def test_unfinished_comments_are_caught_and_strings_are_not() -> None:
    assert _unfinished("a = 1  # TO" + "DO: more\n") and not _unfinished("a = 'TO" + "DO'\n")
