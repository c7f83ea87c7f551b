"""The stores that jobs end in, and whether what is in them is what was sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from benchmarks.child import Child, Failed, cpu_seconds
from benchmarks.settings import folder_store, s3_store
from benchmarks.telegram import Film
from teltubby.simulator.content import GeneratedContent


class Store(Protocol):
    """A place that jobs end in."""

    name: str

    @property
    def settings(self) -> Mapping[str, str]:
        """How a process of the product reaches it."""
        ...

    def artifact(self, key: str) -> Mapping[str, Any] | None:
        """A message.json, if it is there."""
        ...

    def artifacts(self) -> list[str]:
        """The keys of all that are there."""
        ...

    def check(self, key: str, film: Film) -> None:
        """Raise Failed unless the object is the file, byte for byte."""


class Folder:
    """The archive in a folder."""

    name = "folder"

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True)
        self._root = root

    @property
    def settings(self) -> Mapping[str, str]:
        return folder_store(self._root)

    def artifact(self, key: str) -> Mapping[str, Any] | None:
        try:
            return dict(json.loads((self._root / key).read_bytes()))
        except FileNotFoundError:
            return None

    def artifacts(self) -> list[str]:
        return [str(path.relative_to(self._root)) for path in self._root.glob("teltubby/**/message.json")]

    def check(self, key: str, film: Film) -> None:
        with (self._root / key).open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != film.sha256():
                raise Failed(f"{key} is not what was sent")


@dataclass(frozen=True, kw_only=True)
class Came:
    """The parts of an object that arrived at the sink, all of them and without repetitions."""

    parts: int
    different: int


class S3Sink:
    """The S3 server that hashes and forgets; a context manager."""

    name = "S3 sink"

    def __init__(self, log: Path) -> None:
        self._child = Child("benchmarks.s3_sink", log=log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.__exit__(kind, error, trace)

    @property
    def port(self) -> int:
        return int(self._child.hello["port"])

    @property
    def cpu(self) -> float:
        """CPU seconds that it has used so far."""
        return cpu_seconds(self._child.pid)

    @property
    def settings(self) -> Mapping[str, str]:
        return s3_store(self.port)

    def artifact(self, key: str) -> Mapping[str, Any] | None:
        body = self._child.ask(object=key)["body"]
        return None if body is None else dict(json.loads(body))

    def artifacts(self) -> list[str]:
        keys: list[str] = self._child.ask(keys="")["keys"]
        return [key for key in keys if key.endswith("/message.json")]

    def came(self, key: str) -> Came:
        """How many of its parts came, and how many came for the first time."""
        found = self._child.ask(parts=key)
        return Came(parts=found["came"], different=found["different"])

    def check(self, key: str, film: Film) -> None:
        parts = self._child.ask(parts=key)["parts"]
        if parts is None or not _consists_of(film.content, parts):
            raise Failed(f"the parts of {key} are not what was sent")


def _consists_of(content: GeneratedContent, parts: list[tuple[int, str]]) -> bool:
    offset = 0
    for size, digest in parts:
        if hashlib.sha256(content.read(offset, size)).hexdigest() != digest:
            return False
        offset += size
    return offset == content.size
