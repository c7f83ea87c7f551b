"""The columns of exported rows, by the names that compatibility.md ("Collector records") and the tables have."""

from __future__ import annotations

from teltubby.adapters.parquet_rows import Column

POSTS = (
    Column("channel_id", "integer"),
    Column("username", "text"),
    Column("title", "text"),
    Column("msg_id", "integer"),
    Column("date", "moment"),
    Column("text", "text"),
    Column("links_json", "json"),
    Column("mentions_json", "json"),
    Column("hashtags_json", "json"),
    Column("entities_json", "json"),
    Column("media_kind", "text"),
    Column("document_id", "integer"),
    Column("mime_type", "text"),
    Column("file_name", "text"),
    Column("size_bytes", "integer"),
    Column("duration", "number"),
    Column("width", "integer"),
    Column("height", "integer"),
    Column("grouped_id", "integer"),
    Column("reply_to", "integer"),
    Column("topic_id", "integer"),
    Column("forward_json", "json"),
    Column("author", "text"),
    Column("service", "text"),
    Column("protected", "yes_no"),
    Column("restrictions_json", "json"),
    Column("edited_at", "moment"),
    Column("content_edited_at", "moment"),
    Column("deleted_at", "moment"),
    Column("first_seen_at", "moment"),
    Column("seen_at", "moment", "posts.seen_at"),
    # The newest counters, as they were read at `ts`.
    Column("views", "integer"),
    Column("forwards", "integer"),
    Column("replies_count", "integer"),
    Column("comments_count", "integer"),
    Column("reactions_json", "json"),
    Column("reactions_count", "integer"),
    Column("ts", "moment"),
)
METRICS = (
    Column("channel_id", "integer"),
    Column("msg_id", "integer"),
    Column("snapshot_time", "moment"),
    Column("views", "integer"),
    Column("forwards", "integer"),
    Column("replies_count", "integer"),
    Column("comments_count", "integer"),
    Column("reactions_json", "json"),
    Column("reactions_count", "integer"),
    Column("ts", "moment"),
)
