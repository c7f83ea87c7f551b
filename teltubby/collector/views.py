"""Views for people who open the collector's database with Datasette or any other tool; nothing here reads them.

The engagement rate is that of queries.Summary: reactions, comments and forwards for each view.
"""

from __future__ import annotations

_ADDRESS = (
    "CASE WHEN username IS NULL THEN 'https://t.me/c/' || posts.channel_id || '/' || posts.msg_id"
    " ELSE 'https://t.me/' || username || '/' || posts.msg_id END"
)

VIEWS = (
    """CREATE VIEW channels_overview AS SELECT
        title, username, kind, channel_id, (SELECT subscribers FROM channel_metrics
            WHERE channel_metrics.channel_id = channels.channel_id ORDER BY snapshot_time DESC LIMIT 1) AS subscribers,
        newest, oldest, backfill_done, complete_at, about, linked_chat_id, seen_at
        FROM channels LEFT JOIN cursors USING (channel_id)""",
    f"""CREATE VIEW posts_overview AS SELECT
        title AS channel, date, text, views, forwards, replies_count, comments_count, reactions_count, reactions_json,
        round(1.0 * (reactions_count + coalesce(comments_count, 0) + coalesce(forwards, 0)) / nullif(views, 0), 4)
            AS engagement_rate,
        media_kind, file_name, size_bytes, links_json, {_ADDRESS} AS address, content_edited_at, deleted_at,
        ts AS counted_at, posts.channel_id, posts.msg_id
        FROM posts JOIN channels USING (channel_id) LEFT JOIN post_latest USING (channel_id, msg_id)
        ORDER BY date DESC""",
    """CREATE VIEW edits_overview AS SELECT
        title AS channel, post_edits.msg_id, coalesce(post_edits.edited_at, date) AS since, post_edits.text,
        post_edits.media_kind, post_edits.content_hash = posts.content_hash AS is_current, posts.channel_id
        FROM post_edits JOIN posts USING (channel_id, msg_id) JOIN channels USING (channel_id)
        ORDER BY posts.channel_id, post_edits.msg_id, since""",
    """CREATE VIEW links_overview AS SELECT
        title AS channel, url, count(*) AS posts, max(links.msg_id) AS newest_msg_id, links.channel_id
        FROM links JOIN channels USING (channel_id) GROUP BY links.channel_id, url""",
    """CREATE VIEW unreadable_overview AS SELECT title AS channel, unreadable.* FROM unreadable
        JOIN channels USING (channel_id)
        WHERE NOT EXISTS (SELECT 1 FROM posts
            WHERE posts.channel_id = unreadable.channel_id AND posts.msg_id = unreadable.msg_id)""",
)
