"""The world's things as JSON, field by field as the Bot API gives them to one bot."""

from __future__ import annotations

from typing import assert_never

from teltubby.simulator.bot_files import BotFiles
from teltubby.simulator.bot_services import service_view
from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import (
    CallbackQuery,
    Contact,
    Entity,
    Keyboard,
    Location,
    Media,
    Message,
    Origin,
    OriginChannel,
    OriginChat,
    OriginHiddenUser,
    OriginUser,
    Poll,
    Unsupported,
    Venue,
    WebPage,
)
from teltubby.simulator.people import Chat, Peer, User

Json = dict[str, object]


def present(**fields: object) -> Json:
    """An object of the fields that have a value: None, False and "" are left out, 0 stays."""
    return {name: value for name, value in fields.items() if value is not None and value is not False and value != ""}


def user_view(user: User) -> Json:
    """User."""
    head: Json = {"id": user.id, "is_bot": user.is_bot, "first_name": user.first_name}
    return head | present(
        last_name=user.last_name,
        username=user.username,
        language_code=user.language_code,
        is_premium=user.premium,
    )


def chat_view(peer: Peer) -> Json:
    """Chat."""
    if isinstance(peer, User):
        fields = present(first_name=peer.first_name, last_name=peer.last_name, username=peer.username)
        return {"id": peer.bot_api_id, **fields, "type": "private"}
    fields = present(title=peer.title, username=peer.username)
    return {"id": peer.bot_api_id, **fields, "type": peer.kind.value}


def origin_view(origin: Origin) -> Json:
    """MessageOrigin, of the four kinds."""
    match origin:
        case OriginUser():
            return {"type": "user", "sender_user": user_view(origin.user), "date": origin.date}
        case OriginHiddenUser():
            return {"type": "hidden_user", "sender_user_name": origin.name, "date": origin.date}
        case OriginChat():
            head: Json = {"type": "chat", "sender_chat": chat_view(origin.chat)}
            return head | present(author_signature=origin.author_signature, date=origin.date)
        case OriginChannel():
            head = {"type": "channel", "chat": chat_view(origin.chat), "message_id": origin.message_id}
            return head | present(author_signature=origin.author_signature, date=origin.date)
    assert_never(origin)


def entity_view(entity: Entity) -> Json:
    """MessageEntity."""
    head: Json = {"offset": entity.offset, "length": entity.length, "type": entity.type}
    return head | present(
        url=entity.url,
        user=None if entity.user is None else user_view(entity.user),
        language=entity.language,
        custom_emoji_id=entity.custom_emoji_id,
    )


def keyboard_view(keyboard: Keyboard) -> Json:
    """InlineKeyboardMarkup."""
    rows = [
        [{"text": button.text} | present(url=button.url, callback_data=button.data) for button in row]
        for row in keyboard
    ]
    return {"inline_keyboard": rows}


class Views:
    """Messages and media for one bot, whose file ids they carry."""

    def __init__(self, files: BotFiles) -> None:
        self._files = files

    def message(self, message: Message, *, with_reply: bool = True) -> Json:
        """Message; the message it answers is included once, without its own."""
        post = message.post
        view: Json = {"message_id": message.id}
        match post.sender:
            case User():
                view["from"] = user_view(post.sender)
            case Chat():
                view["sender_chat"] = chat_view(post.sender)
        view |= {"chat": chat_view(message.peer), "date": post.date}
        if post.edit_date is not None:
            view["edit_date"] = post.edit_date
        if post.origin is not None:
            view["forward_origin"] = origin_view(post.origin)
        if with_reply and message.reply_to is not None:
            view["reply_to_message"] = self.message(message.reply_to, with_reply=False)
        if post.grouped_id is not None:
            view["media_group_id"] = str(post.grouped_id)
        if message.protected:
            view["has_protected_content"] = True
        if post.service is not None:
            view |= service_view(post.service)
        is_text = post.media is None or isinstance(post.media, WebPage | Unsupported)
        text, entities = ("text", "entities") if is_text else ("caption", "caption_entities")
        if post.media is not None:
            view |= self.media(post.media)
        if post.text:
            view[text] = post.text
        if post.entities:
            view[entities] = [entity_view(entity) for entity in post.entities]
        if post.keyboard:
            view["reply_markup"] = keyboard_view(post.keyboard)
        return view

    def media(self, media: Media) -> Json:
        """The field or fields of Message that hold the media (an animation is also a document, a venue a location)."""
        match media:
            case File(kind=FileKind.ANIMATION):
                return {"animation": self._animation(media), "document": self._document(media)}
            case File():
                return {media.kind.value: self._file(media)}
            case Location():
                return {"location": _location(media)}
            case Venue():
                location = _location(media.location)
                venue: Json = {"location": location, "title": media.title, "address": media.address}
                return {"venue": venue, "location": location}
            case Contact():
                head: Json = {"phone_number": media.phone_number, "first_name": media.first_name}
                return {"contact": head | present(last_name=media.last_name, user_id=media.user_id)}
            case Poll():
                return {"poll": _poll(media)}
            case WebPage() | Unsupported():
                return {}
        assert_never(media)

    def callback_query(self, query: CallbackQuery) -> Json:
        """CallbackQuery."""
        return {
            "id": str(query.id),
            "from": user_view(query.user),
            "message": self.message(query.message),
            "chat_instance": str(query.message.peer.id * 1_000_003),
            "data": query.data,
        }

    def _file(self, file: File) -> object:
        ids = self._ids(file)
        match file.kind:
            case FileKind.PHOTO:
                return self._photo(file)
            case FileKind.DOCUMENT | FileKind.ANIMATION:
                return self._document(file)
            case FileKind.VIDEO:
                head: Json = {"duration": file.duration, "width": file.width, "height": file.height}
                return head | present(file_name=file.name, mime_type=file.mime_type) | ids
            case FileKind.AUDIO:
                return (
                    {"duration": file.duration}
                    | present(file_name=file.name, mime_type=file.mime_type, title=file.title, performer=file.performer)
                    | ids
                )
            case FileKind.VOICE:
                return {"duration": file.duration} | present(mime_type=file.mime_type) | ids
            case FileKind.VIDEO_NOTE:
                return {"duration": file.duration, "length": file.width} | ids
            case FileKind.STICKER:
                head = {"width": file.width or 512, "height": file.height or 512}
                kind: Json = {"is_animated": file.is_animated, "is_video": file.is_video, "type": "regular"}
                return head | present(emoji=file.emoji) | kind | ids
        assert_never(file.kind)

    def _ids(self, file: File) -> Json:
        ids: Json = {"file_id": self._files.file_id(file), "file_unique_id": file.unique_id}
        return ids | ({"file_size": file.stated_size} if file.size_known else {})

    def _document(self, file: File) -> Json:
        return present(file_name=file.name, mime_type=file.mime_type) | self._ids(file)

    def _animation(self, file: File) -> Json:
        shape: Json = {"duration": file.duration, "width": file.width, "height": file.height}
        return present(file_name=file.name, mime_type=file.mime_type) | shape | self._ids(file)

    def _photo(self, file: File) -> list[Json]:
        views = []
        for size in file.sizes:
            view: Json = {
                "file_id": self._files.file_id(file, size.letter),
                "file_unique_id": file.size_unique_id(size),
            }
            if file.size_known:
                view["file_size"] = size.content.size
            views.append(view | {"width": size.width, "height": size.height})
        return views


def _location(location: Location) -> Json:
    return {"latitude": location.latitude, "longitude": location.longitude}


def _poll(poll: Poll) -> Json:
    return {
        "id": str(poll.id),
        "question": poll.question,
        "options": [
            {"persistent_id": str(number), "text": text, "voter_count": 0} for number, text in enumerate(poll.options)
        ],
        "total_voter_count": 0,
        "is_closed": False,
        "is_anonymous": True,
        "type": "regular",
        "allows_multiple_answers": False,
        "allows_revoting": False,
        "members_only": False,
    }
