"""Parameters of a Bot API call, however they came: query, form, multipart or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from aiohttp import web

from teltubby.simulator.bot_errors import ApiError, bad_request
from teltubby.simulator.bot_multipart import parts_of, read_body

MAX_UPLOAD = 50 * 1000 * 1000
MAX_FIELDS = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A file in a multipart body."""

    name: str
    data: bytes
    mime_type: str | None


@dataclass(slots=True)
class Parameters:
    """Names are exact; values are texts (structured ones as JSON), read by type on demand."""

    values: dict[str, str] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The value as it is; None when it is missing."""
        return self.values.get(name)

    def integer(self, name: str, default: int = 0) -> int:
        """A whole number; what is no number counts as 0, as at the real server."""
        value = self.values.get(name)
        if value is None:
            return default
        try:
            return int(value)
        except ValueError:
            return 0

    def flag(self, name: str) -> bool:
        """true, yes and 1 in any case are true; everything else is false."""
        return (self.values.get(name) or "").strip().lower() in ("true", "yes", "1")

    def structure(self, name: str, what: str) -> object | None:
        """A JSON value; None when it is missing. Raises ApiError 400 that names `what`."""
        value = self.values.get(name)
        if not value:
            return None
        try:
            return cast(object, json.loads(value))
        except ValueError as exc:
            raise bad_request(f"can't parse {what} JSON object") from exc

    def file(self, name: str) -> Upload | str | None:
        """An uploaded file (its own part, or attach://part), or the file_id or URL given instead."""
        return self.uploads[name] if name in self.uploads else self.attached(self.values.get(name))

    def attached(self, value: str | None) -> Upload | str | None:
        """The uploaded file that attach://part names, or the file_id or URL that the value is."""
        if value and value.startswith("attach://"):
            return self.uploads.get(value.removeprefix("attach://"))
        return value or None


async def read_parameters(request: web.Request) -> Parameters:
    """All parameters of a request; those of the body win. Raises ApiError 400, or 413 when an upload exceeds 50 MB."""
    parameters = Parameters(values=dict(request.query))
    match request.content_type if request.can_read_body else "":
        case "application/json":
            parameters.values.update(_from_json(await request.text()))
        case "application/x-www-form-urlencoded":
            form = await request.post()
            parameters.values.update({name: value for name, value in form.items() if isinstance(value, str)})
        case "multipart/form-data":
            await _read_multipart(request, parameters)
    return parameters


def _from_json(text: str) -> dict[str, str]:
    try:
        body = json.loads(text or "{}")
    except ValueError as exc:
        raise bad_request("can't parse JSON object") from exc
    if not isinstance(body, Mapping):
        raise bad_request("object expected")
    return {
        str(name): value if isinstance(value, str) else json.dumps(value)
        for name, value in body.items()
        if value is not None
    }


async def _read_multipart(request: web.Request, parameters: Parameters) -> None:
    body = await read_body(request, MAX_UPLOAD + MAX_FIELDS)
    for part in parts_of(body, request.headers["Content-Type"]):
        if part.filename is None:
            parameters.values[part.name] = part.data.decode("utf-8", "replace")
        elif len(part.data) > MAX_UPLOAD:
            raise ApiError(413, "Request Entity Too Large")
        else:
            parameters.uploads[part.name] = Upload(name=part.filename, data=part.data, mime_type=part.content_type)
