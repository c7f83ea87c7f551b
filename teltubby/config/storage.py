"""Settings of what is taken in and where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from teltubby.config.choices import ChatSlug
from teltubby.config.group import (
    AT_ONCE,
    GIB,
    MIB,
    NOT_NEGATIVE,
    PATH,
    PEM_CERTIFICATE,
    POSITIVE,
    SECONDS,
    WEB_ADDRESS,
    YES_NO,
    AtOnce,
    Count,
    Group,
    Positive,
    Seconds,
    Secret,
    Text,
)
from teltubby.config.variable import CertificateFile, Variable, WebAddress


class StorageSettings(Group):
    """Where the archive and the files on their way are kept."""

    folder: Annotated[
        Path | None,
        Variable(
            "STORAGE_FOLDER",
            PATH,
            "A folder that holds the archive, instead of S3. `teltubby run` without S3: /data/archive.",
        ),
    ] = None
    spool_dir: Annotated[
        Path,
        Variable("SPOOL_DIR", PATH, "Where files wait between Telegram and the store; needs room for the largest."),
    ] = Path("/data/spool")
    spool_keep_hours: Annotated[
        Seconds,
        Variable("SPOOL_KEEP_HOURS", "a number of hours above 0", "How long a half-fetched file waits for its job."),
    ] = 72


class S3Settings(Group):
    """An S3 bucket that holds the archive."""

    endpoint: Annotated[WebAddress | None, Variable("S3_ENDPOINT", WEB_ADDRESS, "The S3 server; unset: Amazon's.")] = (
        None
    )
    access_key_id: Annotated[
        Secret | None,
        Variable("S3_ACCESS_KEY_ID", "a key id", "The id of the access key.", secret=True),
    ] = None
    secret_access_key: Annotated[
        Secret | None, Variable("S3_SECRET_ACCESS_KEY", "a secret key", "The key that belongs to the id.", secret=True)
    ] = None
    bucket: Annotated[
        str | None,
        Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]$"),
        Variable("S3_BUCKET", "a bucket name of 3 to 63 letters, digits, dots and hyphens", "The bucket."),
    ] = None
    region: Annotated[Text, Variable("S3_REGION", "a region name", "The region that requests are signed for.")] = (
        "us-east-1"
    )
    force_path_style: Annotated[
        bool, Variable("S3_FORCE_PATH_STYLE", YES_NO, "Whether the bucket goes into the path, not into the host name.")
    ] = True
    tls_skip_verify: Annotated[
        bool, Variable("MINIO_TLS_SKIP_VERIFY", YES_NO, "Accept any certificate of the S3 server; still TLS.")
    ] = False
    ca_file: Annotated[
        CertificateFile | None,
        Variable(
            "S3_CA_FILE",
            PEM_CERTIFICATE,
            "The authority that signed the S3 server's certificate, the only one to be trusted; unset: this machine's.",
        ),
    ] = None
    multipart_threshold_mb: Annotated[
        int,
        Field(ge=0, le=5120),
        Variable("S3_MULTIPART_THRESHOLD_MB", "a whole number from 0 to 5120", "MiB from which an upload has parts."),
    ] = 8
    multipart_part_size_mb: Annotated[
        Annotated[int, Field(ge=5, le=5120)],
        Variable("S3_MULTIPART_PART_SIZE_MB", "a whole number from 5 to 5120", "MiB in a part."),
    ] = 16
    bucket_quota_bytes: Annotated[
        Count,
        Variable("S3_BUCKET_QUOTA_BYTES", NOT_NEGATIVE, "The bucket's quota in bytes: intake pauses there; 0: none."),
    ] = 0
    quota_alert_threshold_pct: Annotated[
        int,
        Field(ge=1, le=100),
        Variable(
            "QUOTA_ALERT_THRESHOLD_PCT",
            "a whole number from 1 to 100",
            "Percent of the quota from which curators are warned.",
        ),
    ] = 80
    quota_alert_cooldown_hours: Annotated[
        float,
        Field(ge=0, allow_inf_nan=False),
        Variable("QUOTA_ALERT_COOLDOWN_HOURS", "a number of hours, 0 or more", "Hours until a warning is repeated."),
    ] = 24

    @property
    def part_size(self) -> int:
        """Bytes in a part."""
        return self.multipart_part_size_mb * MIB

    @property
    def multipart_threshold(self) -> int:
        """Bytes from which an upload has parts."""
        return self.multipart_threshold_mb * MIB


class IngestSettings(Group):
    """What is taken in, and how."""

    album_window_seconds: Annotated[
        float,
        Field(ge=0, le=60),
        Variable("ALBUM_AGGREGATION_WINDOW_SECONDS", "a number of seconds from 0 to 60", "How long an album gathers."),
    ] = 2
    max_file_gb: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False),
        Variable("MAX_FILE_GB", "a number of GiB above 0", "GiB above which a file is skipped."),
    ] = 4
    bot_api_max_file_size_bytes: Annotated[
        Positive,
        Variable(
            "BOT_API_MAX_FILE_SIZE_BYTES",
            POSITIVE,
            "Bytes above which a file goes to the queue; what the Bot API server can serve is a second limit.",
        ),
    ] = 50_000_000
    concurrency: Annotated[
        AtOnce,
        Variable("CONCURRENCY", AT_ONCE, "Small files on their way at once."),
    ] = 8
    io_timeout_seconds: Annotated[
        Seconds, Variable("IO_TIMEOUT_SECONDS", SECONDS, "How long one request may go without an answer.")
    ] = 60
    dedup_enable: Annotated[
        bool, Variable("DEDUP_ENABLE", YES_NO, "Whether content that is already archived is only referred to.")
    ] = True
    media_previews: Annotated[
        bool,
        Variable(
            "MEDIA_PREVIEWS", YES_NO, "Whether pictures get small previews, where the extra `media` is installed."
        ),
    ] = True
    sqlite_path: Annotated[Path, Variable("SQLITE_PATH", PATH, "The ledger.")] = Path("/data/teltubby.db")
    key_chat_slug: Annotated[
        ChatSlug, Variable("KEY_CHAT_SLUG", "origin or curator", "Whose name stands in object keys of forwards.")
    ] = ChatSlug.ORIGIN

    @property
    def max_file_bytes(self) -> int:
        """Bytes above which a file is skipped."""
        return int(self.max_file_gb * GIB)
