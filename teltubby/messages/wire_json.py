"""How any message is written as JSON and read again, and the version that stands beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read

SCHEMA = "1.0"
"""The version that is written, and the only one that is read; it travels in the message header `schema`."""

MAX_BODY_BYTES = 1 << 20
"""No message without files in it is nearly as long: Telegram bounds captions, entities and names."""

Readers = Mapping[str, Callable[[object], object]]
"""Fields whose values have to satisfy more than their type; what else there is, the dataclasses say."""

M = TypeVar("M")


def encode(value: object) -> bytes:
    """The value as JSON in ASCII, without a space too many."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def decode(body: bytes, schema: str | None, *, most: int = MAX_BODY_BYTES) -> dict[str, Any]:
    """The JSON object of a message whose header `schema` is given (None: it had none), of at most `most` bytes.

    Raises MalformedMessage.
    """
    if schema != SCHEMA:
        found = "no schema version" if schema is None else f"schema version {read.shown(schema)!r}"
        raise MalformedMessage(f"the message has {found}; this teltubby reads {SCHEMA!r}")
    if len(body) > most:
        raise MalformedMessage(f"the message has {len(body)} bytes, more than {most}")
    try:
        value = json.loads(
            body.decode("utf-8"), object_pairs_hook=_object, parse_float=_finite, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"not UTF-8: byte {error.start} cannot be read") from error
    except RecursionError as error:
        raise MalformedMessage("not JSON that can be read: nested too deeply") from error
    except ValueError as error:
        raise MalformedMessage(f"not JSON: {read.shown(error)}") from error
    if not isinstance(value, dict):
        raise MalformedMessage("not a JSON object")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a key occurs twice in one object")
    return fields


def _finite(literal: str) -> float:
    number = float(literal)
    if math.isinf(number):
        raise ValueError(f"{literal} is more than a number can be")
    return number


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


def apply(readers: Readers, fields: dict[str, Any], *, within: str = "") -> None:
    """Read these fields where they are there. Raises MalformedMessage with the field's name, `within` before it."""
    for name, reader in readers.items():
        if fields.get(name) is not None:
            try:
                fields[name] = reader(fields[name])
            except ValueError as error:
                raise MalformedMessage(f"{within}{name}: {error}") from error


def validate(adapter: TypeAdapter[M], fields: Mapping[str, Any]) -> M:
    """The message that these fields make. Raises MalformedMessage with the first of the mistakes."""
    try:
        return adapter.validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MalformedMessage(f"{read.shown(where)}: {read.shown(first['msg'])}") from error


class Kinds(Generic[M]):
    """The codec of messages of several kinds: which one a message is, the type says under which the broker carries it.

    `readers` are those of the fields of all kinds; `what` is such a message in the words of a refusal, as "an order";
    none that is read has more than `most` bytes.
    """

    def __init__(
        self, kinds: Mapping[str, type[M]], readers: Readers, *, what: str, most: int = MAX_BODY_BYTES
    ) -> None:
        self._types: Mapping[type[M], str] = {kind: name for name, kind in kinds.items()}
        self._adapters: Mapping[str, TypeAdapter[M]] = {name: TypeAdapter(kind) for name, kind in kinds.items()}
        self._readers = readers
        self._what = what
        self._most = most

    def __contains__(self, type: str) -> bool:
        return type in self._adapters

    def type_of(self, message: M) -> str:
        """The type under which the broker carries this message."""
        return self._types[type(message)]

    def encode(self, message: M) -> bytes:
        """The message as JSON in ASCII; its kind is `type_of(message)`."""
        return encode(self._adapters[self.type_of(message)].dump_python(message, mode="json"))

    def decode(self, body: bytes, type: str, schema: str | None) -> M:
        """The message of this type whose header `schema` is given. Raises MalformedMessage."""
        adapter = self._adapters.get(type)
        if adapter is None:
            raise MalformedMessage(f"{read.shown(type)!r} is not the type of {self._what}")
        fields = decode(body, schema, most=self._most)
        apply(self._readers, fields)
        return validate(adapter, fields)
