"""Where raw values come from: the environment, the `.env` file, and what a role implies."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from teltubby.config.checks import Mistake
from teltubby.config.model import Origin, all_variables
from teltubby.config.secret_files import read_secret_files
from teltubby.config.variable import Variable

ENV_FILE_VARIABLE = "TELTUBBY_ENV_FILE"
MASK = "****"
_OWN_PREFIX = "TELTUBBY_"
_LONGEST_SHOWN = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Raw values by source; what stands first wins. `mistakes` are those of reading the sources themselves, `absent` is
    the `.env` file where there is none.
    """

    by_origin: Mapping[Origin, Mapping[str, str]]
    mistakes: tuple[Mistake, ...] = field(default=())
    absent: Path | None = None

    def find(self, variable: Variable) -> tuple[str, str, Origin] | None:
        """The name under which the variable is set, its raw value, and where; None if it is not set."""
        for origin in self.by_origin:
            for name, raw in self._given(variable, origin).items():
                return name, raw, origin
        return None

    def contradictions(self) -> Iterator[Mistake]:
        """Variables that are set twice in one source, under two names and to two values."""
        for variable in all_variables():
            for origin in self.by_origin:
                given = self._given(variable, origin)
                if len(set(given.values())) > 1:
                    yield Mistake(
                        about=variable.names,
                        sentence=f"{' and '.join(given)} are set to different values, "
                        "but must agree: they are two names of one setting.",
                    )

    def unknown(self) -> Iterator[Mistake]:
        """Names that look like ours and are not: most likely a typing error."""
        known = {name for variable in all_variables() for name in (*variable.names, *variable.file_names)}
        own = [name.removeprefix(_OWN_PREFIX) for name in sorted(known) if name.startswith(_OWN_PREFIX)]
        for values in self.by_origin.values():
            for name in sorted(name for name in values if name.startswith(_OWN_PREFIX) and name not in known):
                close = difflib.get_close_matches(name.removeprefix(_OWN_PREFIX), own, n=1)
                hint = f"did you mean {_OWN_PREFIX}{close[0]}?" if close else "docs/configuration.md lists all names."
                yield Mistake(about=(name,), sentence=f"{name} is no setting of teltubby: {hint}")

    def _given(self, variable: Variable, origin: Origin) -> dict[str, str]:
        """The names under which one source sets the variable, with their values, the first to be heeded first."""
        values = self.by_origin[origin]
        if origin.is_secret_file:  # as they are: a password may end in a space
            return {name: values[name] for name in variable.file_names if name in values}
        return {name: raw for name in variable.names if (raw := values.get(name, "").strip())}


def gather(environ: Mapping[str, str], env_file: Path | None) -> Sources:
    """Read the `.env` file, the one that TELTUBBY_ENV_FILE names if it is set, and put the environment before it.

    What a NAME_FILE names is read too, and stands where NAME would: the environment's before the `.env` file's.
    """
    named = environ.get(ENV_FILE_VARIABLE, "").strip()
    path = Path(named) if named else env_file
    values: dict[str, str] = {}
    mistakes: list[Mistake] = []
    absent: Path | None = None
    if path is not None:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            text = ""
            if named:
                mistakes.append(_file_mistake(path, "no such file"))
            else:
                absent = path
        except OSError as error:
            text = ""
            mistakes.append(_file_mistake(path, error.strerror or "cannot be read"))
        except UnicodeDecodeError:
            text = ""
            mistakes.append(_file_mistake(path, "it is not UTF-8"))
        for binding in parse_stream(io.StringIO(text)):
            if binding.error:
                # The line itself may hold a secret.
                sentence = f"{path}, line {binding.original.line}, cannot be read, but must be NAME=value."
                mistakes.append(Mistake(about=(), sentence=sentence))
            elif binding.key is not None and binding.value is not None:
                values[binding.key] = binding.value
    if values.pop(ENV_FILE_VARIABLE, ""):
        sentence = f"{ENV_FILE_VARIABLE} is set in {path}, but must be in the environment: the file is already open."
        mistakes.append(Mistake(about=(ENV_FILE_VARIABLE,), sentence=sentence))
    secrets, more_secrets = read_secret_files(environ), read_secret_files(values)
    return Sources(
        by_origin={
            Origin.ENVIRONMENT: environ,
            Origin.ENVIRONMENT_SECRET: secrets.values,
            Origin.ENV_FILE: values,
            Origin.ENV_FILE_SECRET: more_secrets.values,
        },
        mistakes=(*mistakes, *secrets.mistakes, *more_secrets.mistakes),
        absent=absent,
    )


def shown(raw: str, *, secret: bool) -> str:
    """A raw value as it may stand in a message: secrets masked, control characters escaped, not too long."""
    if secret:
        return MASK
    text = printable(raw)
    text = re.sub(r"//[^/@\s]*@", f"//{MASK}@", text)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def printable(text: str) -> str:
    """The text without what moves the cursor of a terminal: control characters escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def _file_mistake(path: Path, reason: str) -> Mistake:
    sentence = f"{ENV_FILE_VARIABLE} or .env is '{path}', but must be a readable file of NAME=value lines ({reason})."
    return Mistake(about=(ENV_FILE_VARIABLE,), sentence=sentence)
