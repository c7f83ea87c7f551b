"""Answers to commands that do something, and to buttons: how they are used, what came of them."""

from __future__ import annotations

from html import escape

from teltubby.actors.phrases.words import file_name, files, short_id, size
from teltubby.messages.jobs import Job

RETRY_USAGE = "/retry &lt;id&gt; fetches a failed or cancelled file again. /jobs lists yours."
CANCEL_USAGE = "/cancel &lt;id&gt; stops a large file that waits or is being fetched. /queue lists them."
PRIORITY_USAGE = (
    "/priority &lt;id&gt; normal|high|urgent: high and urgent overtake what is normal. /queue lists what waits."
)
FIND_USAGE = "/find words: searches captions, file names and chats; all of the words have to occur."
STATS_USAGE = "/stats, or /stats 30: the days to show, from 2 to 90."
PURGE_USAGE = (
    "⚠️ <code>/purge confirm</code> deletes the whole archive: everything that lies under <code>teltubby/</code>. "
    "First I count it and ask once more."
)
PURGE_EXPIRED = "This confirmation is not (or no longer) good. <code>/purge confirm</code> begins anew."
PURGE_NOTHING = "The archive is empty: there is nothing under <code>teltubby/</code>."
PURGE_BEGINS = "Deleting…"

# What popups say: plain text, at most 200 characters.
BUTTON_UNKNOWN = "I do not know this button."
BUTTON_TAKES_TIME = "I am at it; what comes of it is told in the chat."
BUTTON_FAILED = "That did not work just now. Please press again in a moment."
BUTTON_BUG = "Something inside teltubby went wrong with this button; the operator's log has the details."
MESSAGE_GONE = "This message is too old to be changed. Please send the command again."


def order_answer(job: Job, words: str) -> str:
    """What came of /retry, /cancel and /priority."""
    return f"{file_name(job)} · job {short_id(job.job_id)} {escape(words)}"


def purge_question(*, objects: int, used_bytes: int, code: str, minutes: int) -> str:
    return (
        f"⚠️ <b>This deletes {objects} objects, {size(used_bytes)}: the whole archive under "
        "<code>teltubby/</code>, for ever.</b>\n"
        f"The button below, or <code>/purge {escape(code)}</code>, does it within {minutes} minutes, for you only."
    )


def purge_running(count: int) -> str:
    return (
        f"Not now: {count} large files are being fetched, and one that is archived meanwhile would be deleted while "
        "the ledger still counts on it. Wait for them, or /cancel them; /queue lists them."
    )


def purge_impossible(reason: str) -> str:
    return f"The store cannot be listed now, so nothing is deleted: <i>{escape(reason[:300])}</i>"


def purge_done(*, objects: int, used_bytes: int, forgotten: int) -> str:
    return (
        f"🗑 Deleted {objects} objects, {size(used_bytes)}. {files(forgotten)} forgotten: what is sent again is "
        "archived again. The history of jobs and messages stays."
    )


def purge_stopped(reason: str) -> str:
    return (
        f"❌ The store stopped in the middle: <i>{escape(reason[:300])}</i>\n"
        "What is deleted is gone, the rest is still there but counts as not archived. "
        "<code>/purge confirm</code> goes on with it."
    )
