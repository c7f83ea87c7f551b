"""Secrets from files, as Podman, Docker and systemd hand them over: NAME_FILE is the path of what NAME would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from teltubby.config.checks import Mistake
from teltubby.config.model import all_variables
from teltubby.config.variable import Variable, Wrong

LARGEST_FILE = 64 * 1024
"""Bytes that a file with a secret has at most: a device, or a wrong path, is not read for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFiles:
    """What the files hold, under the NAME_FILE that named each, and what is wrong with them."""

    values: Mapping[str, str]
    mistakes: tuple[Mistake, ...]


def read_secret_files(given: Mapping[str, str]) -> SecretFiles:
    """Read every file that a NAME_FILE in one source of settings names."""
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for variable, name, raw in _named(given):
        plain = [other for other in variable.names if given.get(other, "").strip()]
        if plain:
            sentence = f"{plain[0]} and {name} are both set, but only one can be: they are two ways to one setting."
            mistakes.append(Mistake(about=variable.names, sentence=sentence))
            continue
        try:
            values[name] = _secret_in(Path(raw))
        except Wrong as wrong:
            sentence = f"{name} is '{raw}', but must be the path of a file that holds {variable.expects} ({wrong})."
            mistakes.append(Mistake(about=variable.names, sentence=sentence))
    return SecretFiles(values=values, mistakes=tuple(mistakes))


def _named(given: Mapping[str, str]) -> Iterator[tuple[Variable, str, str]]:
    for variable in all_variables():
        for name in variable.file_names:
            if raw := given.get(name, "").strip():
                yield variable, name, raw


def _secret_in(path: Path) -> str:
    """Without the line end and the byte order mark that editors put there. Raises Wrong."""
    try:
        if not path.is_file():  # a pipe would be waited for
            raise Wrong("it is no file" if path.exists() else "no such file")
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Wrong(error.strerror or "cannot be read") from None
    if len(content) > LARGEST_FILE:
        raise Wrong(f"it has more than {LARGEST_FILE} bytes")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Wrong("it is not UTF-8") from None
    if not text.strip():
        raise Wrong("it is empty")
    if not {"\n", "\r", "\0"}.isdisjoint(text):
        raise Wrong("it has more than one line, or is no text")
    return text
