"""multipart/form-data bodies, parsed in one go.

aiohttp's own reader is not used: it warns about itself on some chunk sizes and suppresses that with
`warnings.catch_warnings`, which changes the filters of the whole process from the simulator's thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser

from aiohttp import web
from aiohttp.multipart import content_disposition_filename, parse_content_disposition

from teltubby.simulator.bot_errors import ApiError, bad_request


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a form; `filename` is None for plain fields."""

    name: str
    filename: str | None
    content_type: str | None
    data: bytes


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises ApiError 413 beyond `limit` bytes, but reads on, so that the client sees the answer."""
    body = bytearray()
    size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size <= limit:
            body += chunk
        else:
            body.clear()
    if size > limit:
        raise ApiError(413, "Request Entity Too Large")
    return bytes(body)


def parts_of(body: bytes, content_type: str) -> Iterator[Part]:
    """The named parts of a form, in order (RFC 7578). Raises ApiError 400 when the body is no such form."""
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if not boundary:
        raise bad_request("can't find boundary of multipart/form-data")
    delimiter = b"\r\n--" + boundary.encode()
    at = body.find(delimiter[2:])
    if at < 0 or (at > 0 and body[at - 2 : at] != b"\r\n"):
        raise bad_request("can't parse multipart/form-data")
    at += len(delimiter) - 2
    while body[at : at + 2] != b"--":
        blank = body.find(b"\r\n\r\n", at)
        end = body.find(delimiter, blank + 4)
        if blank < 0 or end < 0:
            raise bad_request("unexpected end of multipart/form-data")
        part = _part(body[at:blank], body[blank + 4 : end])
        if part is not None:
            yield part
        at = end + len(delimiter)


def _part(head: bytes, data: bytes) -> Part | None:
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace").strip())
    _, parameters = parse_content_disposition(headers.get("Content-Disposition"))
    name = content_disposition_filename(parameters, "name")
    if not name:
        return None
    return Part(
        name=name,
        filename=content_disposition_filename(parameters),
        content_type=headers.get("Content-Type"),
        data=data,
    )
