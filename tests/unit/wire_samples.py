"""A job and the reports of it, as the broker carries them, and hypothesis strategies for any others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

from teltubby.messages.details import FileDetails, Preview, file_details
from teltubby.messages.jobs import (
    FileInfo,
    Job,
    JobCancelled,
    JobCompleted,
    JobEvent,
    JobFailed,
    JobMetadata,
    JobProgress,
    JobRetrying,
    JobStarted,
    Priority,
    Target,
    TelegramContext,
)
from teltubby.messages.media import MediaKind, Route
from teltubby.messages.routes import FileRoute, RouteTry
from teltubby.messages.stages import Stage

JOB_ID = "0b5c7a52-3f0e-4c55-9a3b-9d2f6f1c2a10"
SHA = "ab" * 32
MOMENT = datetime(2025, 1, 27, 10, 11, 12, tzinfo=UTC)
KEY = "teltubby/2025/01/my_news/7/20250127-101112_my_news_curator_m7_001_otchet.mp4"

JOB = Job(
    job_id=JOB_ID,
    user_id=42,
    chat_id=42,
    message_id=7,
    file_info=FileInfo(
        file_id="BAADBAAD",
        file_unique_id="AgADuwgAAj0d4FE",
        file_size=104857600,
        file_type=MediaKind.VIDEO,
        file_name="large_video.mp4",
        mime_type="video/mp4",
    ),
    telegram_context=TelegramContext(
        forward_origin={"type": "channel", "chat": {"id": -100123, "username": "My_News"}, "message_id": 9},
        caption="Отчёт",
        entities=({"type": "bold", "offset": 0, "length": 5},),
        media_group_id=None,
    ),
    job_metadata=JobMetadata(created_at=MOMENT, priority=Priority.HIGH, estimated_duration=12.5, ticket=2),
    target=Target(key=KEY),
)
GOLDEN_JOB = (
    b'{"job_id":"0b5c7a52-3f0e-4c55-9a3b-9d2f6f1c2a10","user_id":42,"chat_id":42,"message_id":7,'
    b'"file_info":{"file_id":"BAADBAAD","file_unique_id":"AgADuwgAAj0d4FE","file_size":104857600,'
    b'"file_type":"video","file_name":"large_video.mp4","mime_type":"video/mp4"},'
    b'"telegram_context":{"forward_origin":{"type":"channel","chat":{"id":-100123,"username":"My_News"},'
    b'"message_id":9},"caption":"\\u041e\\u0442\\u0447\\u0451\\u0442",'
    b'"entities":[{"type":"bold","offset":0,"length":5}],"media_group_id":null},'
    b'"job_metadata":{"created_at":"2025-01-27T10:11:12Z","priority":"high","retry_count":0,"max_retries":3,'
    b'"estimated_duration":12.5,"times_parked":0,"ticket":2},'
    b'"target":{"key":"teltubby/2025/01/my_news/7/20250127-101112_my_news_curator_m7_001_otchet.mp4"}}'
)

COMMON: dict[str, Any] = {"job_id": JOB_ID, "worker": "host-1", "attempt": 1, "at": MOMENT}
GOLDEN_START = (
    b'{"job_id":"0b5c7a52-3f0e-4c55-9a3b-9d2f6f1c2a10","worker":"host-1","attempt":1,"at":"2025-01-27T10:11:12Z"'
)
GOLDEN_EVENTS: list[tuple[str, JobEvent, bytes]] = [
    ("teltubby.job.started", JobStarted(**COMMON, stages={Stage.TURN: 0.5}), b',"stages":{"turn":0.5}}'),
    (
        "teltubby.job.progress",
        JobProgress(
            **COMMON, downloaded_bytes=5, uploaded_bytes=3, total_bytes=9, bytes_per_second=1.5, seconds_left=4.0
        ),
        b',"downloaded_bytes":5,"uploaded_bytes":3,"total_bytes":9,"bytes_per_second":1.5,"seconds_left":4.0}',
    ),
    (
        "teltubby.job.completed",
        JobCompleted(
            **COMMON,
            key=KEY,
            size_bytes=9,
            sha256=SHA,
            route=Route.MTPROTO_BOT,
            seconds=2.5,
            via=FileRoute.BOT,
            routes=(RouteTry(route=FileRoute.RELAY, reason="not a member"), RouteTry(route=FileRoute.BOT)),
            details=FileDetails(duration=2.5, width=640, height=360, codec="avc1", taken_at=MOMENT),
            preview=Preview(key=KEY, size_bytes=5),
            stages={Stage.FETCH_LARGE: 2.25, Stage.STORE: 2.5},
        ),
        b',"key":"' + KEY.encode() + b'","size_bytes":9,"sha256":"' + SHA.encode() + b'","route":"mtproto_bot",'
        b'"seconds":2.5,"duplicate_of":null,"via":"bot",'
        b'"routes":[{"route":"relay","reason":"not a member"},{"route":"bot","reason":null}],'
        b'"details":{"duration":2.5,"width":640,"height":360,"codec":"avc1","audio_codec":null,'
        b'"taken_at":"2025-01-27T10:11:12Z"},"preview":{"key":"' + KEY.encode() + b'","size_bytes":5},'
        b'"stages":{"fetch_large":2.25,"store":2.5}}',
    ),
    (
        "teltubby.job.retrying",
        JobRetrying(
            **COMMON,
            reason="no answer",
            delay_seconds=60.0,
            transferred_bytes=5,
            seconds=2.5,
            route=Route.MTPROTO_BOT,
        ),
        b',"reason":"no answer","delay_seconds":60.0,"transferred_bytes":5,"seconds":2.5,"route":"mtproto_bot",'
        b'"routes":[],"stages":{}}',
    ),
    (
        "teltubby.job.failed",
        JobFailed(**COMMON, reason="gone"),
        b',"reason":"gone","transferred_bytes":0,"seconds":0.0,"route":null,"routes":[],"stages":{}}',
    ),
    (
        "teltubby.job.cancelled",
        JobCancelled(**COMMON, transferred_bytes=5, seconds=2.5, route=Route.MTPROTO_BOT),
        b',"transferred_bytes":5,"seconds":2.5,"route":"mtproto_bot","routes":[],"stages":{}}',
    ),
]


TEXT = st.text(st.characters(), max_size=50)
IDS = st.integers(-(2**63), 2**63 - 1)
COUNTS = st.integers(0, 2**63 - 1)
MEASURES = st.floats(0, allow_nan=False, allow_infinity=False)
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda moment: moment.replace(tzinfo=UTC))
UUIDS = st.uuids().map(str)
KEYS = st.lists(st.from_regex(r"[a-z0-9_-][a-z0-9._-]{0,30}", fullmatch=True), min_size=1, max_size=5).map(
    lambda segments: "/".join(["teltubby", *segments])
)
JSON = st.recursive(
    st.none() | st.booleans() | IDS | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
JOBS = st.builds(
    Job,
    job_id=UUIDS,
    user_id=IDS,
    chat_id=IDS,
    message_id=st.integers(1, 2**63 - 1),
    file_info=st.builds(
        FileInfo,
        file_id=TEXT.filter(bool),
        file_unique_id=TEXT.filter(bool),
        file_size=st.none() | COUNTS,
        file_type=st.sampled_from(MediaKind),
        file_name=st.none() | TEXT,
        mime_type=st.none() | TEXT,
    ),
    telegram_context=st.builds(
        TelegramContext,
        forward_origin=st.none() | st.dictionaries(TEXT, JSON, max_size=3),
        caption=st.none() | TEXT,
        entities=st.lists(JSON, max_size=3).map(tuple),
        media_group_id=st.none() | TEXT,
    ),
    job_metadata=st.builds(
        JobMetadata,
        created_at=MOMENTS,
        priority=st.sampled_from(Priority),
        retry_count=COUNTS,
        max_retries=COUNTS,
        estimated_duration=st.none() | MEASURES,
        times_parked=COUNTS,
        ticket=COUNTS,
    ),
    target=st.builds(Target, key=KEYS),
)
REPORT: dict[str, st.SearchStrategy[Any]] = {
    "job_id": UUIDS,
    "worker": TEXT.filter(bool),
    "attempt": st.integers(1, 2**31),
    "at": MOMENTS,
}
TRIES = st.lists(
    st.builds(RouteTry, route=st.sampled_from(FileRoute), reason=st.none() | st.text("a <&\"'\\я😀", max_size=50)),
    max_size=4,
).map(tuple)
STAGES = st.dictionaries(st.sampled_from(Stage), st.floats(0, 10**9))
EFFORT: dict[str, st.SearchStrategy[Any]] = {
    "stages": STAGES,
    "transferred_bytes": COUNTS,
    "seconds": MEASURES,
    "route": st.none() | st.sampled_from(Route),
    "routes": TRIES,
}
DETAILS: st.SearchStrategy[FileDetails | None] = st.fixed_dictionaries(
    {},
    optional={
        "duration": st.floats(0, 10**7),
        "width": st.integers(1, 10**6),
        "height": st.integers(1, 10**6),
        "codec": TEXT,
        "audio_codec": TEXT,
        "taken_at": st.datetimes(timezones=st.none() | st.timezones()),
    },
).map(file_details)
EVENTS: st.SearchStrategy[JobEvent] = st.one_of(
    st.builds(JobStarted, **REPORT, stages=STAGES),
    st.builds(
        JobProgress,
        **REPORT,
        downloaded_bytes=COUNTS,
        uploaded_bytes=COUNTS,
        total_bytes=COUNTS,
        bytes_per_second=MEASURES,
        seconds_left=st.none() | MEASURES,
    ),
    st.builds(
        JobCompleted,
        **REPORT,
        key=KEYS,
        size_bytes=COUNTS,
        sha256=st.from_regex("[0-9a-f]{64}", fullmatch=True),
        route=st.sampled_from(Route),
        seconds=MEASURES,
        duplicate_of=st.none() | KEYS,
        via=st.none() | st.sampled_from(FileRoute),
        routes=TRIES,
        details=DETAILS,
        preview=st.none() | st.builds(Preview, key=KEYS, size_bytes=COUNTS),
        stages=STAGES,
    ),
    st.builds(JobRetrying, **REPORT, **EFFORT, reason=TEXT, delay_seconds=MEASURES),
    st.builds(JobFailed, **REPORT, **EFFORT, reason=TEXT),
    st.builds(JobCancelled, **REPORT, **EFFORT),
)


def altered(path: str, value: object) -> bytes:
    """The golden job with one field set to `value`."""
    fields = json.loads(GOLDEN_JOB)
    *sections, name = path.split(".")
    inner = fields
    for section in sections:
        inner = inner[section]
    inner[name] = value
    return json.dumps(fields).encode()


def without(path: str) -> bytes:
    """The golden job without one field."""
    fields = json.loads(GOLDEN_JOB)
    *sections, name = path.split(".")
    inner = fields
    for section in sections:
        inner = inner[section]
    del inner[name]
    return json.dumps(fields).encode()
