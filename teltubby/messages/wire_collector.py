"""The codec of what collectors tell: of channels, of the files of their posts, and reports with their pictures."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import Any

from teltubby.errors import MalformedMessage
from teltubby.messages import wire_fields as read
from teltubby.messages.collector import ChannelMediaFound, ChannelsTold, CollectorReport, ReportTold, TrackTold
from teltubby.messages.wire_json import SCHEMA, Kinds, Readers, apply

PAGE_BYTES = 4 << 20
"""The largest page of a report, before base64."""
PICTURE_BYTES = 2 << 20
"""The largest picture of a report, before base64."""
REPORT_BYTES = 9 << 20
"""A message with both in base64, and what stands beside them; RabbitMQ takes 16 MiB."""
SUMMARY_LINES = 40
REPORT_DAYS = 3650
"""The longest time that a report is about."""
_LIST_MAX = 100
_WORD_MAX = 64
_TITLE_MAX = 500
_FILE_NAME_MAX = 120


def media_filter(value: object) -> object:
    """The fields of a MediaFilter."""
    return _fields(value, _FILTER_READERS)


def report_days(value: object) -> int:
    """Over how many days a report goes."""
    days = read.ordinal(value)
    if days > REPORT_DAYS:
        raise ValueError(f"{days} is more than {REPORT_DAYS}")
    return days


def _fields(value: object, readers: Readers) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("not an object")
    try:
        apply(readers, value)
    except MalformedMessage as error:
        raise ValueError(str(error)) from error  # and whose field it is
    return value


def _each(reader: Callable[[object], object], *, most: int) -> Callable[[object], object]:
    """Reads a list, value by value."""

    def read_list(value: object) -> object:
        if not isinstance(value, list) or len(value) > most:
            raise ValueError(f"not a list of {most} at most")
        return [reader(each) for each in value]

    return read_list


def _word(value: object) -> str:
    """A word to look for; what joins the parts of an emoji is one of its characters, and does not print."""
    word = read.text(value)
    if len(word) > _WORD_MAX:
        raise ValueError(f"{read.shown(word)!r} is too long")
    return word


def _title(value: object) -> str:
    """As its owner wrote it, which is what artifacts keep; who shows it makes one line of it."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    return value[:_TITLE_MAX]


def _channel(value: object) -> object:
    return _fields(value, _CHANNEL_READERS)


def _channels(value: object) -> object:
    """As many as the message has room for."""
    if not isinstance(value, list):
        raise ValueError("not a list")
    return [_channel(each) for each in value]


def _post(value: object) -> object:
    return _fields(value, _POST_READERS)


def _media(value: object) -> object:
    return _fields(value, _MEDIA_READERS)


def _forward(value: object) -> object:
    return _fields(value, _FORWARD_READERS)


def _file_name(value: object) -> str:
    """A name for a file that leads nowhere."""
    name = read.label(value)
    if len(name) > _FILE_NAME_MAX or "/" in name or "\\" in name or name.startswith("."):
        raise ValueError(f"{read.shown(name)!r} is no file name")
    return name


def _lines(value: object) -> str:
    """What a person is told in several lines."""
    if not isinstance(value, str):
        raise ValueError("not a string")
    return "\n".join(read.words(line) for line in value.splitlines()[:SUMMARY_LINES])


def _file(most: int) -> Callable[[object], object]:
    """Reads base64 of so many bytes at most, which stay in base64."""

    def read_file(value: object) -> object:
        text = read.text(value)
        try:
            size = len(b64decode(text, validate=True))
        except ValueError:
            raise ValueError("not base64") from None
        if size > most:
            raise ValueError(f"{size} bytes are more than {most}")
        return value

    return read_file


_FILTER_READERS: Readers = {
    "max_bytes": read.count,
    "min_bytes": read.count,
    "since": read.moment,
    "until": read.moment,
    "words": _each(_word, most=_LIST_MAX),
    "topics": _each(read.ordinal, most=_LIST_MAX),
}
_CHANNEL_READERS: Readers = {
    "peer": read.label,
    "channel_id": read.ordinal,
    "title": _title,
    "username": read.label,
    "posts": read.count,
    "total": read.count,
    "complete_at": read.moment,
    "trouble": read.words,
    "media": media_filter,
}
_MEDIA_READERS: Readers = {"document_id": read.whole, "size_bytes": read.count, "duration": read.measure}
_FORWARD_READERS: Readers = {"from_id": read.whole, "message_id": read.whole, "date": read.moment}
_POST_READERS: Readers = {
    "channel_id": read.ordinal,
    "msg_id": read.ordinal,
    "date": read.moment,
    "media": _media,
    "grouped_id": read.whole,
    "reply_to": read.whole,
    "topic_id": read.whole,
    "forward": _forward,
    "edited_at": read.moment,
    "deleted_at": read.moment,
}
_FILE_READERS: Readers = {"page": _file(PAGE_BYTES), "picture": _file(PICTURE_BYTES)}
_REPORTS: Kinds[CollectorReport] = Kinds(
    {
        "teltubby.collector.tracked": TrackTold,
        "teltubby.collector.channels": ChannelsTold,
        "teltubby.collector.report": ReportTold,
        "teltubby.collector.media_found": ChannelMediaFound,
    },
    {
        "worker": read.label,
        "order_id": read.label,
        "at": read.moment,
        "peer": read.label,
        "refusal": read.words,
        "channel": _channel,
        "media_before": media_filter,
        "channels": _channels,
        "collector": read.words,
        "title": _title,
        "username": read.label,
        "file_name": _file_name,
        "summary": _lines,
        "post": _post,
        "user_id": read.whole,
        **_FILE_READERS,
    },
    what="what a collector tells",
    most=REPORT_BYTES,
)


def collector_report_type(report: CollectorReport) -> str:
    """The message type under which the broker carries this, as `teltubby.collector.channels`."""
    return _REPORTS.type_of(report)


def is_collector_report(type: str) -> bool:
    """Whether a message of this type is what a collector tells."""
    return type in _REPORTS


def encode_collector_report(report: CollectorReport) -> bytes:
    """What is told as JSON in ASCII; its kind is the message's type, `collector_report_type(report)`.

    Raises MalformedMessage when it is longer than anybody reads, in its files or in all.
    """
    if isinstance(report, ReportTold):
        apply(_FILE_READERS, {"page": report.page, "picture": report.picture})
    body = _REPORTS.encode(report)
    if len(body) > REPORT_BYTES:
        raise MalformedMessage(f"the message would have {len(body)} bytes, more than {REPORT_BYTES}")
    return body


def decode_collector_report(body: bytes, type: str, schema: str | None = SCHEMA) -> CollectorReport:
    """What is told in a message of this type whose header `schema` is given. Raises MalformedMessage."""
    return _REPORTS.decode(body, type, schema)
