"""Updates as the Bot API sends them, and the files that they speak of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from teltubby.adapters.bot_updates import raw_update
from teltubby.archive.identity import unique_id_of_document
from teltubby.messages.media import RawUpdate
from tests.actors.stage import ANNA, noise
from tests.twins import Telegram
from tests.virtual_time import BEGINNING

SENT_AT = int(BEGINNING.timestamp()) - 60


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A file that somebody sends: `size` is what Telegram announces, None where it does not say."""

    kind: str
    number: int
    body: bytes
    size: int | None
    name: str | None

    @property
    def file_id(self) -> str:
        return f"file-{self.number}"

    @property
    def unique_id(self) -> str:
        return f"photo-{self.number}" if self.kind == "photo" else unique_id_of_document(1000 + self.number)

    def view(self) -> dict[str, Any]:
        """The field of the message that carries it."""
        file: dict[str, Any] = {"file_id": self.file_id, "file_unique_id": self.unique_id}
        if self.size is not None:
            file["file_size"] = self.size
        match self.kind:
            case "photo":
                small = {**file, "file_id": "small", "file_unique_id": "s", "width": 90, "height": 60}
                return {"photo": [small, {**file, "width": 900, "height": 600}]}
            case "video":
                more = {"width": 640, "height": 360, "duration": 9, "mime_type": "video/mp4"}
                return {"video": {**file, **more, "file_name": self.name}}
            case _:
                return {self.kind: {**file, "mime_type": "application/pdf", "file_name": self.name}}


def sent(
    telegram: Telegram,
    kind: str,
    number: int,
    *,
    body: bytes | None = None,
    size: int | None = None,
    size_known: bool = True,
    name: str | None = None,
) -> Sent:
    """A file that Telegram serves; with `size` only announced to be of that size."""
    content = noise(100 + number, seed=number) if body is None else body
    announced = (len(content) if size is None else size) if size_known else None
    file = Sent(kind=kind, number=number, body=content, size=announced, name=name or f"name {number}")
    telegram.files[file.file_id] = content
    return file


def update(
    update_id: int,
    file: Sent | None = None,
    *,
    message_id: int | None = None,
    text: str | None = None,
    caption: str | None = None,
    user: int = ANNA,
    chat: int | None = None,
    chat_type: str = "private",
    group: str | None = None,
    **more: Any,
) -> RawUpdate:
    """A new message in the bot's chat; its id is that of the update unless given."""
    chat_id = user if chat is None else chat
    message: dict[str, Any] = {
        "message_id": update_id if message_id is None else message_id,
        "date": SENT_AT,
        "chat": {"id": chat_id, "type": chat_type, "username": f"user{user}"},
        "from": {"id": user, "is_bot": False, "first_name": "A", "username": f"user{user}"},
    }
    if file is not None:
        message |= file.view()
    fields = {"text": text, "caption": caption, "media_group_id": group, **more}
    message |= {name: value for name, value in fields.items() if value is not None}
    return raw_update({"update_id": update_id, "message": message})


def edited(
    update_id: int, message_id: int, file: Sent | None, *, at: int = 30, caption: str | None = None, **more: Any
) -> RawUpdate:
    """A message that was edited `at` seconds after it was sent."""
    message = json.loads(update(update_id, file, message_id=message_id, caption=caption, **more).payload)["message"]
    return raw_update({"update_id": update_id, "edited_message": message | {"edit_date": SENT_AT + at}})


def pressed(
    update_id: int, data: str, *, user: int = ANNA, chat_type: str = "private", message_id: int = 999
) -> RawUpdate:
    """Somebody presses a button under a message of the bot's, in the chat with it; one that is gone unless given."""
    who = {"id": user, "is_bot": False, "first_name": "A"}
    chat = {"id": user, "type": chat_type}
    query = {
        "id": f"press-{update_id}",
        "from": who,
        "chat_instance": "1",
        "data": data,
        "message": {"message_id": message_id, "date": SENT_AT, "chat": chat, "text": "…"},
    }
    return raw_update({"update_id": update_id, "callback_query": query})


def raw(update_id: int, payload: dict[str, Any]) -> RawUpdate:
    """Any update, as the gateway hands it on."""
    message = payload.get("message") or {}
    return RawUpdate(
        update_id=update_id,
        payload=json.dumps(payload),
        chat_id=(message.get("chat") or {}).get("id"),
        message_id=message.get("message_id"),
        media_group_id=message.get("media_group_id"),
    )
