"""A disk that forgets: what a power cut leaves of a folder in which only some writes were synced."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

SECTOR = 16
"""Bytes that a cut leaves whole; small, so that even a line of a journal can be torn."""

Choose = Callable[[int], int]
"""A number from 0 to the given one, that one included."""


class Killed(BaseException):
    """The process dies here."""


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    size: int


@dataclass(slots=True)
class Inode:
    """A file as the disk has it, and what the operating system has yet to bring there."""

    durable: bytes = b""
    pending: list[Write | Truncate] = field(default_factory=list)

    def sync(self, count: int) -> None:
        """Bring the oldest `count` changes to the disk."""
        self.durable = after(self.durable, self.pending[:count])
        del self.pending[:count]

    def survivor(self, choose: Choose) -> bytes:
        """The disk after a cut: any of the changes made it there, whole or torn."""
        kept: list[Write | Truncate] = []
        for change in self.pending:
            match change:
                case Truncate() if choose(1):
                    kept.append(change)
                case Write(offset=offset, data=data):
                    sectors = list(pieces(offset, data))
                    mask = choose(2 ** len(sectors) - 1)
                    kept.extend(piece for number, piece in enumerate(sectors) if mask >> number & 1)
        return after(self.durable, kept)


def pieces(offset: int, data: bytes) -> Iterator[Write]:
    """A write, sector by sector."""
    end = offset + len(data)
    while offset < end:
        stop = min(end, (offset // SECTOR + 1) * SECTOR)
        yield Write(offset, data[offset - end + len(data) : stop - end + len(data)])
        offset = stop


def after(content: bytes, changes: list[Write | Truncate]) -> bytes:
    body = bytearray(content)
    for change in changes:
        match change:
            case Truncate(size=size):
                body[size:] = b""
                body.extend(bytes(size - len(body)))
            case Write(offset=offset, data=data):
                body.extend(bytes(max(0, offset - len(body))))
                body[offset : offset + len(data)] = data
    return bytes(body)


def relink(names: dict[str, Inode], name: str, inode: Inode | None) -> None:
    if inode is None:
        names.pop(name, None)
    else:
        names[name] = inode


class ForgetfulDisk:
    """Watches what is done to a folder, on the way to the operating system; `meanwhile` runs inside the next sync of
    data, and after `dies_after` more bytes or calls the process dies in the middle of one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meanwhile: Callable[[], None] | None = None
        self.dies_after: int | None = None
        self.syncs = 0
        self._inodes: dict[int, Inode] = {}
        self._names: dict[str, Inode] = {}
        self._renamed: list[tuple[str, Inode | None]] = []
        self._descriptors: set[int] = set()
        self._real = {name: getattr(os, name) for name in ("open", "close", "pwrite", "ftruncate", "fsync", "unlink")}

    @contextmanager
    def watched(self) -> Iterator[None]:
        """While this lasts, every call goes through us."""
        with pytest.MonkeyPatch.context() as patch:
            for name in (*self._real, "fdatasync"):
                patch.setattr(os, name, getattr(self, "_fsync" if name == "fdatasync" else f"_{name}"))
            yield

    def kill(self) -> None:
        """What the kernel does when a process dies: it closes what was open, and with that lets go of locks."""
        self.dies_after = None
        while self._descriptors:
            self._real["close"](self._descriptors.pop())

    def cut_power(self, choose: Choose) -> None:
        """Leave in the folder what was synced, and of the rest whatever the disk had got to."""
        self.kill()
        names = dict(self._names)
        for name, inode in self._renamed:
            if choose(1):
                relink(names, name, inode)
        for path in self.folder.iterdir():
            self._real["unlink"](path)
        self._inodes, self._names, self._renamed = {}, {}, []
        for name, inode in names.items():
            content = inode.survivor(choose)
            (self.folder / name).write_bytes(content)
            self._names[name] = self._inodes[(self.folder / name).stat().st_ino] = Inode(content)

    def _dies(self, size: int) -> bool:
        """Whether the process dies before so many bytes (or calls) are through."""
        if self.dies_after is None:
            return False
        self.dies_after -= size
        return self.dies_after < 0

    def _open(self, path: str | os.PathLike[str], flags: int, mode: int = 0o777) -> int:
        ours = Path(path).parent == self.folder
        is_new = ours and flags & os.O_CREAT and not Path(path).exists()
        if is_new and self._dies(1):
            raise Killed
        descriptor = int(self._real["open"](path, flags, mode))
        if ours or Path(path) == self.folder:
            self._descriptors.add(descriptor)
        if is_new:
            inode = self._inodes[os.fstat(descriptor).st_ino] = Inode()
            self._renamed.append((Path(path).name, inode))
        return descriptor

    def _close(self, descriptor: int) -> None:
        self._descriptors.discard(descriptor)
        self._real["close"](descriptor)

    def _pwrite(self, descriptor: int, data: bytes | memoryview, offset: int) -> int:
        body = bytes(data)
        if self._dies(len(body)):
            assert self.dies_after is not None
            body = body[: self.dies_after]  # it is below zero by what does not get through
            self._inode(descriptor).pending.append(Write(offset, body))
            self._real["pwrite"](descriptor, body, offset)
            raise Killed
        self._inode(descriptor).pending.append(Write(offset, body))
        return int(self._real["pwrite"](descriptor, body, offset))

    def _ftruncate(self, descriptor: int, size: int) -> None:
        if self._dies(1):
            raise Killed
        self._inode(descriptor).pending.append(Truncate(size))
        self._real["ftruncate"](descriptor, size)

    def _unlink(self, path: str | os.PathLike[str]) -> None:
        if self._dies(1):
            raise Killed
        self._real["unlink"](path)
        if Path(path).parent == self.folder:
            self._renamed.append((Path(path).name, None))

    def _fsync(self, descriptor: int) -> None:
        if self._dies(1):
            raise Killed
        self.syncs += 1
        inode = self._inodes.get(os.fstat(descriptor).st_ino)
        if inode is None:  # the folder
            for name, target in self._renamed:
                relink(self._names, name, target)
            self._renamed = []
            return
        count = len(inode.pending)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        inode.sync(count)

    def _inode(self, descriptor: int) -> Inode:
        return self._inodes[os.fstat(descriptor).st_ino]
