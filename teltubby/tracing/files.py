"""Log files, each with what was rotated away from it, as streams of bytes; they may grow and rotate meanwhile."""

from __future__ import annotations

import gzip
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is open; `name` is what it is called in what is told."""

    name: str
    stream: BinaryIO


def opened(names: Sequence[str], stack: ExitStack) -> Iterator[Log]:
    """The logs with these names, `-` for stdin, one after the other; of each first what was rotated away, oldest first.

    One that is named twice is read once. Raises FileNotFoundError for a name under which there is nothing, and other
    OSErrors for what cannot be opened.
    """
    seen: set[tuple[int, int]] = set()
    for name in dict.fromkeys(names):
        if name == STDIN:
            yield Log("stdin", sys.stdin.buffer)
            continue
        for path in _family(Path(name)):
            stream = stack.enter_context(path.open("rb"))
            found = path.stat()
            if (found.st_dev, found.st_ino) not in seen:  # one that was rotated just now has two names here
                seen.add((found.st_dev, found.st_ino))
                packed = path.suffix == ".gz"
                yield Log(path.name, cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if packed else stream)


def _family(path: Path) -> list[Path]:
    """`bot.log.10`, …, `bot.log.1`, `bot.log`: supervisord and logrotate count up, and perhaps pack."""
    number = re.compile(re.escape(path.name) + r"\.(\d{1,4})(\.gz)?", re.ASCII)
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    rotated = [(int(match[1]), each) for each in beside if (match := number.fullmatch(each.name))]
    family = [each for _, each in sorted(rotated, reverse=True)]
    if path.exists() or not family:
        family.append(path)
    return family
