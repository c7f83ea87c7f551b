"""How a report writes numbers, moments, posts and addresses: pure, and as plain text; the page escapes it."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from teltubby.collector.report_facts import Bucket, Facts
from teltubby.messages.collected import Channel, Post

SNIPPET = 220
LONGEST_SHOWN = 90
LONGEST_ADDRESS = 2000
BEST_HOURS = 3
_JOINERS = "\u200c\u200d"
"""What holds the parts of an emoji together, and letters."""
FEWEST_OF_AN_HOUR = 2
"""A single post makes no best hour, where others have more."""


def number(value: float | None) -> str:
    """`12 345` with narrow spaces; `–` for what is not known."""
    return "–" if value is None else f"{value:,.0f}".replace(",", "\u202f")


def signed(value: float) -> str:
    """With its sign: `+12`, `−3`, `±0`."""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{number(abs(value))}"


def percent(share: float | None) -> str:
    """`3.2 %`."""
    return "–" if share is None else f"{share * 100:.1f}\u202f%"


def change(now: float | None, before: float | None) -> str:
    """How it changed against the span before, in percent; empty where there was nothing before."""
    return "" if not before or now is None else f"{signed(round((now - before) / before * 100))}\u202f%"


def moment(at: datetime) -> str:
    """`2026-11-21 12:00 UTC`."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def snippet(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else f"{line[: SNIPPET - 1]}…"


def shown_address(url: str) -> str:
    """An address as it is shown: without its scheme, and not too long."""
    bare = url.removeprefix("https://").removeprefix("http://").removesuffix("/")
    return bare if len(bare) <= LONGEST_SHOWN else f"{bare[: LONGEST_SHOWN - 1]}…"


def address(url: str) -> str | None:
    """The address, if it is one of the web that a page may link to; anything else (`javascript:`) is text only."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    is_web = parts.scheme in ("http", "https") and bool(parts.netloc)
    return url if is_web and len(url) <= LONGEST_ADDRESS else None


def post_address(channel: Channel, msg_id: int) -> str:
    """Where a post is at Telegram (core.telegram.org/api/links#message-links)."""
    return f"https://t.me/{channel.username or f'c/{channel.channel_id}'}/{msg_id}"


def post_line(post: Post) -> str:
    """A post in one line: its text, or what it carries."""
    carried = post.service or (None if post.media is None else post.media.kind.replace("_", " "))
    text = snippet(post.text)
    if text:
        return text
    return f"({carried})" if carried else "(no text)"


def reaction(key: str) -> str:
    """A reaction as people name it."""
    if key == "paid":
        return "⭐ paid"
    if key.startswith("custom_"):
        return f"custom emoji {key.removeprefix('custom_')}"
    return key


def bucket_name(bucket: Bucket, grain: str) -> str:
    """`2026-11-21`, and of a month `2026-11`."""
    return f"{bucket.begins:%Y-%m}" if grain == "month" else bucket.begins.isoformat()


def best_hours(facts: Facts) -> tuple[str, ...]:
    """The hours whose posts have the most views in the median, best first: `18:00`."""
    hours = [hour for hour in facts.hours if hour.posts >= FEWEST_OF_AN_HOUR] or facts.hours
    best = sorted(hours, key=lambda hour: (-hour.median, hour.hour))[:BEST_HOURS]
    return tuple(f"{hour.hour:02d}:00" for hour in best)


def name_of(channel: Channel) -> str:
    """The title in one line, which cannot move a cursor; the name where it is empty."""
    title = "".join(char if char.isprintable() or char in _JOINERS else " " for char in channel.title)
    return " ".join(title.split()) or (f"@{channel.username}" if channel.username else str(channel.channel_id))


def summary_text(facts: Facts) -> str:
    """The report's figures in a few lines."""
    told, channel = facts.summary, facts.channel
    span = "the day" if facts.days == 1 else f"the {facts.days} days"
    name = name_of(channel) + (f" (@{channel.username})" if channel.username else "")
    lines = [f"{name}, {span} until {moment(facts.at)}"]
    compared = change(told.posts, None if facts.before is None else facts.before.posts)
    lines.append(f"Posts: {number(told.posts)}" + (f" ({compared} against {span} before)" if compared else ""))
    if told.counted:
        lines.append(f"Views: {number(told.views)}, {number(told.views_per_post)} a post")
        lines.append(f"Reactions: {number(told.reactions)}, engagement rate {percent(told.engagement_rate)}")
    if facts.subscribers:
        first, last = facts.subscribers[0][1], facts.subscribers[-1][1]
        gained = f" ({signed(last - first)})" if len(facts.subscribers) > 1 else ""
        lines.append(f"{'Subscribers' if channel.kind == 'channel' else 'Members'}: {number(last)}{gained}")
    if hours := best_hours(facts):
        lines.append(f"Best hours (UTC): {', '.join(hours)}")
    if facts.top and facts.top[0].metrics is not None:
        best = facts.top[0]
        lines.append(
            f"Most viewed: {post_address(channel, best.post.msg_id)} ({number(facts.top[0].metrics.views)} views)"
        )
    return "\n".join(lines)
