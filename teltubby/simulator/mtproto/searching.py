"""messages.search in one conversation: by words, by the kind of file, by date; barred to bots."""

from __future__ import annotations

import re
from typing import Any

from teltubby.simulator.files import File, FileKind
from teltubby.simulator.messages import Message
from teltubby.simulator.mtproto.messages import MAX_MESSAGES, page_view
from teltubby.simulator.mtproto.paging import page_of, seconds_of
from teltubby.simulator.mtproto.peers import peer_of
from teltubby.simulator.mtproto.rpc import Caller, Handlers, RpcError
from teltubby.simulator.mtproto.tl import functions, types
from teltubby.simulator.timeline import Listed, messages_of

WORD = re.compile(r"\w+")
KINDS: dict[type[Any], frozenset[FileKind]] = {
    types.InputMessagesFilterPhotos: frozenset({FileKind.PHOTO}),
    types.InputMessagesFilterVideo: frozenset({FileKind.VIDEO}),
    types.InputMessagesFilterPhotoVideo: frozenset({FileKind.PHOTO, FileKind.VIDEO}),
    types.InputMessagesFilterDocument: frozenset({FileKind.DOCUMENT}),
    types.InputMessagesFilterMusic: frozenset({FileKind.AUDIO}),
    types.InputMessagesFilterVoice: frozenset({FileKind.VOICE}),
    types.InputMessagesFilterRoundVideo: frozenset({FileKind.VIDEO_NOTE}),
    types.InputMessagesFilterGif: frozenset({FileKind.ANIMATION}),
}


def search(caller: Caller, request: Any) -> Any:
    """messages.search; words are found in texts, captions and names of files, by their beginnings."""
    account = caller.person
    peer = peer_of(caller, request.peer)
    kinds = KINDS.get(type(request.filter))
    if kinds is None and not isinstance(request.filter, types.InputMessagesFilterEmpty):
        raise RpcError(400, "INPUT_FILTER_INVALID")
    if kinds is None and not request.q:
        raise RpcError(400, "SEARCH_QUERY_EMPTY")
    if not 0 <= request.limit <= MAX_MESSAGES:
        raise RpcError(400, "LIMIT_INVALID")
    since, until = seconds_of(request.min_date), seconds_of(request.max_date)
    found = [
        message
        for message in messages_of(caller.world.timeline(account, peer))
        if _is_meant(message, request.q, kinds)
        and (not since or message.post.date > since)
        and (not until or message.post.date < until)
    ]
    return page_view(caller, peer, page_of(Listed(found), request), count=len(found))


def _is_meant(message: Message, words: str, kinds: frozenset[FileKind] | None) -> bool:
    file = message.post.media if isinstance(message.post.media, File) else None
    if kinds is not None and (file is None or file.kind not in kinds):
        return False
    text = f"{message.post.text} {file.name if file and file.name else ''}".casefold()
    said = WORD.findall(text)
    return all(any(one.startswith(word) for one in said) for word in WORD.findall(words.casefold()))


HANDLERS: Handlers = {functions.messages.SearchRequest: search}
