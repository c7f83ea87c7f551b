"""What is said of what was handed in beyond its acknowledgement, as Telegram HTML: albums, edits, a full archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from teltubby.actors.phrases.words import size
from teltubby.archive.album import album_order, late_messages
from teltubby.archive.quota import QuotaStanding
from teltubby.archive.recall import recorded_items
from teltubby.messages.history import QuotaAlertKind
from teltubby.messages.media import ItemOutcome, ItemStatus, JsonObject

KEPT_WHILE_FULL = (
    "⏸ Received and kept: the archive is full at the moment. This and everything else that you send is archived by "
    "itself as soon as there is room; you need not send it again."
)
FILE_REPLACED = (
    "✏️ You replaced the file of a message that is archived already. That is noted in the archive, but an edited file "
    "is not archived anew: send or forward it again if you want it kept too."
)
FILE_ADDED = (
    "✏️ There is a file in the message that you edited, but the message is not in the archive, and an edit does not "
    "bring it there: send or forward it again if you want the file kept."
)
OUT_OF_REACH = (
    "⚠️ This message was not archived: its files are in a form in which bots cannot archive them (paid media, a story, "
    "or files inside a rich text). Save them and send them as photos, videos or documents."
)
PARTLY_OUT_OF_REACH = (
    "⚠️ There are more files in this message, which are not archived: they are in a form in which bots cannot archive "
    "them. Save them and send them as photos, videos or documents."
)
UNREADABLE = (
    "❌ This version of teltubby cannot read this message, so it is not archived. Send its file again by itself, not "
    "as a forward or a reply; the operator's log has the details."
)
EDIT_UNREADABLE = (
    "❌ This version of teltubby cannot read this message as you edited it. The edit is not recorded, and a file that "
    "came with it is not archived; the operator's log has the details."
)
PRESS_UNREADABLE = "This version of teltubby cannot read this button; the operator's log has the details."
EDIT_OF_DAMAGED = (
    "⚠️ Your edit is not recorded: what the archive's database keeps of this message is damaged. Its files are where "
    "they were. The operator's log and audit trail name the message; <code>teltubby verify</code> shows more."
)
ITEM_OF_DAMAGED = (
    "⚠️ Not archived: what the archive's database keeps of this album is damaged, so that nothing can join it. Forward "
    "it once more by itself, not with the album, if you want it kept."
)
RECORD_DAMAGED = (
    "⚠️ What the archive's database keeps of this message is damaged; its files are where they were. The operator's "
    "log and audit trail name it; <code>teltubby verify</code> shows more."
)
PRESS_FAILED = "Something inside teltubby went wrong with this button; the operator's log has the details."

_WORDS = {
    ItemStatus.STORED: "archived",
    ItemStatus.DUPLICATE: "archived before",
    ItemStatus.QUEUED: "queued",
    ItemStatus.SKIPPED: "skipped",
    ItemStatus.FAILED: "failed",
}


def joined(outcomes: Sequence[ItemOutcome], artifact: JsonObject) -> str:
    """These came late and joined the album that the artifact describes."""
    numbers = ", ".join(str(outcome.ordinal) for outcome in sorted(outcomes, key=lambda outcome: outcome.ordinal))
    return f"➕ {'Item' if len(outcomes) == 1 else 'Items'} {numbers} joined the album: {album(artifact)}"


def album(artifact: JsonObject) -> str:
    """How complete an album is, and in which order its items belong."""
    items = recorded_items(artifact)
    counts = Counter(_WORDS[ItemStatus(str(item["status"]))] for item in items)
    text = f"{len(items)} items, " + ", ".join(f"{counts[word]} {word}" for word in _WORDS.values() if counts[word])
    late = late_messages(artifact)
    if late:
        ordinals = [item["ordinal"] for item in items if item.get("message_id") in {str(number) for number in late}]
        text += f"; came late: {', '.join(map(str, ordinals))}"
    order = album_order(artifact)
    if list(order) != sorted(order):
        text += f"; in the album's order: {', '.join(map(str, order))}"
    return text


def quota_alert(kind: QuotaAlertKind, standing: QuotaStanding, *, used: int, quota: int, was_full: bool) -> str:
    """What the admins are told of the quota; NONE says that there is room again."""
    share = f"{standing.ratio:.0%} of the quota, {size(used)} of {size(quota)}"
    match kind:
        case QuotaAlertKind.FULL:
            return (
                f"🛑 The archive is full ({share}). Intake pauses: what arrives is kept, and archived by itself as "
                "soon as there is room. Delete what is not needed, or raise S3_BUCKET_QUOTA_BYTES. Large files that "
                "are queued already go on as long as the store takes them."
            )
        case QuotaAlertKind.NEARLY_FULL:
            again = "There is room in the archive again, but it" if was_full else "The archive"
            return f"⚠️ {again} is nearly full ({share}). When it is full, intake pauses until there is room."
        case QuotaAlertKind.NONE:
            return f"✅ There is room in the archive again ({share}): what was kept is being archived."
