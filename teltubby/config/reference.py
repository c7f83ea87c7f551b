"""Settings as text: the effective configuration, the tables of docs/configuration.md, and `.env.example`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from pydantic import SecretStr

from teltubby.config.group import Group
from teltubby.config.model import GROUPS, Config, variables
from teltubby.config.sources import MASK


def effective(config: Config) -> Iterator[str]:
    """The configuration that is in force, grouped, one `NAME=value  # origin` per line, secrets masked."""
    for attribute, group in GROUPS.items():
        yield f"[{attribute}] {_first_line(group.__doc__)}"
        values = getattr(config, attribute)
        for field, variable in variables(group).items():
            assignment = f"{variable.name}={as_text(getattr(values, field))}"
            yield f"{assignment:<60}  # {config.origins[variable.name]}"
        yield ""


def tables() -> str:
    """Every setting in Markdown, by group."""
    return "\n".join(
        _section(_first_line(group.__doc__).rstrip("."), [_row(group, field) for field in variables(group)])
        for group in GROUPS.values()
    )


def example() -> str:
    """The text of `.env.example`: every setting, commented out, with its default."""
    lines = [
        "# Copy to .env and fill in what you need; docs/configuration.md explains every name.",
        "# Lines that stay commented out show the default. The real environment wins over this file.",
        "# A secret can lie in a file of its own, too: NAME_FILE is then the path of what NAME would be.",
    ]
    for group in GROUPS.values():
        lines += ["", f"# --- {_first_line(group.__doc__)}"]
        for field, variable in variables(group).items():
            default = group.model_fields[field].default
            text = default.get_secret_value() if isinstance(default, SecretStr) else as_text(default)
            by_file = f" In a file: {variable.file_names[0]}." if variable.secret else ""
            lines += [f"# {variable.about}{by_file}", f"#{variable.name}={text}"]
    return "\n".join(lines) + "\n"


def as_text(value: object) -> str:
    """A value as one would write it into a `.env` file; secrets as ****, what is not set as nothing."""
    match value:
        case None:
            return ""
        case SecretStr():
            return MASK
        case bool():
            return str(value).lower()
        case Enum():
            return str(value.value)
        case float():
            return f"{value:g}"
        case tuple():
            return ",".join(str(item) for item in value)
        case _:
            return str(value)


def _section(title: str, rows: list[str]) -> str:
    return "\n".join([f"### {title}", "", "| name | default | accepted | meaning |", "|---|---|---|---|", *rows, ""])


def _row(group: type[Group], field: str) -> str:
    variable = variables(group)[field]
    default = group.model_fields[field].default
    text = default.get_secret_value() if isinstance(default, SecretStr) else as_text(default)
    names = f"`{variable.name}`" + "".join(f" (also `{alias}`)" for alias in variable.aliases)
    if variable.secret:
        names += f" or `{variable.file_names[0]}`"
    return f"| {names} | {f'`{text}`' if text else ''} | {variable.expects} | {variable.about} |"


def _first_line(doc: str | None) -> str:
    return (doc or "").strip().splitlines()[0]
