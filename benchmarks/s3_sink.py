"""An S3 server that takes everything and keeps none of it but small objects: so much of S3 as the product speaks.

A real store on the same two cores would be measured instead of the product. It hashes what comes (SHA-256 of each part,
compared with what was declared) and remembers sizes, digests and how often each part came. One bucket, no signatures.
Run as a process: its first line on stdout names the port; then `{"parts": KEY}`, `{"object": KEY}` and `{"keys": ""}`
are answered.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import sys
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

READ_BYTES = 1 << 20
KEPT_BYTES = 1 << 20
"""Objects up to this size are kept whole: artifacts."""

_NUMBERS = re.compile(rb"<PartNumber>(\d+)</PartNumber>")


@dataclass(frozen=True)
class Part:
    """A part as it came."""

    size: int
    sha256: str


@dataclass
class Stored:
    """An object: its parts in order (one for a plain PUT), and its bytes if they are few."""

    parts: list[Part]
    body: bytes | None = None

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    @property
    def etag(self) -> str:
        digest = hashlib.md5("".join(part.sha256 for part in self.parts).encode()).hexdigest()
        return f'"{digest}"' if self.body is not None else f'"{digest}-{len(self.parts)}"'


@dataclass
class Bucket:
    """What is there and what was begun; `came` counts the parts that arrived, by key and number."""

    objects: dict[str, Stored] = field(default_factory=dict)
    begun: dict[str, tuple[str, dict[int, Part]]] = field(default_factory=dict)
    came: Counter[tuple[str, int]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)
    numbers: itertools.count[int] = field(default_factory=itertools.count)


BUCKET = Bucket()


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        key, _ = self._target()
        found = BUCKET.objects.get(key)
        if key and found is None:
            self._answer(404)
        elif found is None:
            self._answer(200)
        else:
            self._answer(200, headers={"ETag": found.etag}, length=found.size)

    def do_GET(self) -> None:
        key, query = self._target()
        found = BUCKET.objects.get(key)
        if "uploads" in query:
            self._answer(200, self._unfinished(query.get("prefix", "")))
        elif "uploadId" in query:
            self._answer(200, self._parts(query["uploadId"]))
        elif not key:
            self._answer(200, self._list(query.get("prefix", "")))
        elif found is None or found.body is None:
            self._answer(404, _error("NoSuchKey"))
        else:
            self._answer(200, found.body, headers={"ETag": found.etag})

    def do_PUT(self) -> None:
        key, query = self._target()
        part, body = self._receive()
        declared = self.headers.get("x-amz-checksum-sha256")
        if declared is not None and base64.b64decode(declared).hex() != part.sha256:
            self._answer(400, _error("BadDigest"))
            return
        if "partNumber" in query:
            number, upload = int(query["partNumber"]), BUCKET.begun.get(query["uploadId"])
            BUCKET.came[key, number] += 1
            if upload is None:
                self._answer(404, _error("NoSuchUpload"))
                return
            upload[1][number] = part
        elif self.headers.get("If-None-Match") == "*" and key in BUCKET.objects:
            self._answer(412, _error("PreconditionFailed"))
            return
        else:
            BUCKET.objects[key] = Stored([part], body)
        self._answer(200, headers={"ETag": f'"{part.sha256[:32]}"'})

    def do_POST(self) -> None:
        key, query = self._target()
        _, body = self._receive()
        if "uploads" in query:
            upload_id = f"upload-{next(BUCKET.numbers)}"
            BUCKET.begun[upload_id] = (key, {})
            self._answer(200, _document("InitiateMultipartUploadResult", Key=key, UploadId=upload_id))
        elif query.get("uploadId") not in BUCKET.begun:
            self._answer(404, _error("NoSuchUpload"))
        elif self.headers.get("If-None-Match") == "*" and key in BUCKET.objects:
            self._answer(412, _error("PreconditionFailed"))
        else:
            _, parts = BUCKET.begun.pop(query["uploadId"])
            found = Stored([parts[int(number)] for number in _NUMBERS.findall(body or b"")])
            BUCKET.objects[key] = found
            self._answer(200, _document("CompleteMultipartUploadResult", Key=key, ETag=found.etag))

    def do_DELETE(self) -> None:
        key, query = self._target()
        if "uploadId" in query:
            BUCKET.begun.pop(query["uploadId"], None)
        else:
            BUCKET.objects.pop(key, None)
        self._answer(204)

    def log_message(self, format: str, *arguments: object) -> None:
        """No line for every request."""

    def _target(self) -> tuple[str, dict[str, str]]:
        """The key ("" for the bucket itself) and the query."""
        address = urlsplit(self.path)
        _, _, key = unquote(address.path).lstrip("/").partition("/")
        return key, {name: values[0] for name, values in parse_qs(address.query, keep_blank_values=True).items()}

    def _receive(self) -> tuple[Part, bytes | None]:
        """The body's size and digest, and the body itself unless it is large."""
        left = size = int(self.headers.get("Content-Length") or 0)
        digest, buffer, kept = hashlib.sha256(), bytearray(READ_BYTES), bytearray()
        while left:
            view = memoryview(buffer)[: min(left, READ_BYTES)]
            count = self.rfile.readinto(view)
            if not count:
                raise ConnectionError("the body is cut off")
            digest.update(view[:count])
            if size <= KEPT_BYTES:
                kept += view[:count]
            left -= count
        return Part(size, digest.hexdigest()), bytes(kept) if size <= KEPT_BYTES else None

    def _answer(
        self, status: int, body: bytes = b"", *, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _unfinished(self, prefix: str) -> bytes:
        found = [(key, number) for number, (key, _) in BUCKET.begun.items() if key.startswith(prefix)]
        uploads = "".join(_element("Upload", Key=key, UploadId=number) for key, number in found)
        return _document("ListMultipartUploadsResult", uploads, IsTruncated="false")

    def _parts(self, upload_id: str) -> bytes:
        _, parts = BUCKET.begun.get(upload_id, ("", {}))
        listed = "".join(
            _element("Part", PartNumber=str(number), ETag=f'"{part.sha256[:32]}"', Size=str(part.size))
            for number, part in sorted(parts.items())
        )
        return _document("ListPartsResult", listed, IsTruncated="false")

    def _list(self, prefix: str) -> bytes:
        found = sorted((key, stored.size) for key, stored in BUCKET.objects.items() if key.startswith(prefix))
        contents = "".join(_element("Contents", Key=key, Size=str(size)) for key, size in found)
        return _document("ListBucketResult", contents, IsTruncated="false")


def _element(tag: str, inner: str = "", **texts: str) -> str:
    return (
        f"<{tag}>" + inner + "".join(f"<{name}>{escape(text)}</{name}>" for name, text in texts.items()) + f"</{tag}>"
    )


def _document(tag: str, inner: str = "", **texts: str) -> bytes:
    return ('<?xml version="1.0" encoding="UTF-8"?>' + _element(tag, inner, **texts)).encode()


def _error(code: str) -> bytes:
    return _document("Error", Code=code, Message=code)


def answer(request: dict[str, str]) -> dict[str, object]:
    """What is known of a key: its parts as (size, SHA-256) and how often each came, or a small object; or all keys."""
    if "keys" in request:
        return {"keys": sorted(BUCKET.objects)}
    if "parts" in request:
        key = request["parts"]
        stored = BUCKET.objects.get(key)
        came = {number: count for (name, number), count in BUCKET.came.items() if name == key}
        return {
            "parts": None if stored is None else [(part.size, part.sha256) for part in stored.parts],
            "came": sum(came.values()),
            "different": len(came),
        }
    found = BUCKET.objects.get(request["object"])
    return {"body": None if found is None or found.body is None else found.body.decode()}


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": server.server_address[1]}), flush=True)  # noqa: T201 - its answer
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)  # noqa: T201 - its answer
    server.shutdown()


if __name__ == "__main__":
    main()
