"""The Bot API's way to say no; the texts are those of api.telegram.org, which clients match on."""

from __future__ import annotations

import math
from collections.abc import Mapping

from teltubby.simulator.people import Chat, Peer
from teltubby.simulator.rules import Reason

STANDARD = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    409: "Conflict",
    413: "Request Entity Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
}


class ApiError(Exception):
    """An answer with ok=false: HTTP status `code`, `description`, and `parameters` such as retry_after."""

    def __init__(self, code: int, description: str, parameters: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code} {description}")
        self.code = code
        self.description = description
        self.parameters = parameters

    def body(self) -> dict[str, object]:
        """The JSON object that is sent."""
        body: dict[str, object] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            body["parameters"] = dict(self.parameters)
        return body


def bad_request(text: str) -> ApiError:
    """400 with that reason."""
    return ApiError(400, f"Bad Request: {text}")


def forbidden(text: str) -> ApiError:
    """403 with that reason."""
    return ApiError(403, f"Forbidden: {text}")


def too_many_requests(seconds: float) -> ApiError:
    """429 with the whole seconds to wait, in the text and in parameters.retry_after."""
    wait = max(1, math.ceil(seconds))
    return ApiError(429, f"Too Many Requests: retry after {wait}", {"retry_after": wait})


def refusal(reason: Reason, peer: Peer) -> ApiError:
    """How the Bot API words the world's refusal to write to, or act on, something in `peer`."""
    kind = f"{peer.kind} chat" if isinstance(peer, Chat) else "user"
    match reason:
        case Reason.NOT_STARTED:
            return forbidden("bot can't initiate conversation with a user")
        case Reason.BLOCKED:
            return forbidden("bot was blocked by the user")
        case Reason.BOT_TO_BOT:
            return forbidden("bots can't send messages to bots")
        case Reason.DEACTIVATED:
            return forbidden("user is deactivated")
        case Reason.KICKED:
            return forbidden(f"bot was kicked from the {kind}")
        case Reason.NOT_A_MEMBER:
            return forbidden(f"bot is not a member of the {kind}")
        case Reason.ADMIN_REQUIRED:
            return bad_request(f"need administrator rights in the {kind}")
        case Reason.PROTECTED:
            return bad_request("the message can't be copied")
        case Reason.NOT_AUTHOR:
            return bad_request("message can't be edited")
        case Reason.MIGRATED:
            return _migrated(peer)
        case Reason.NOT_MODIFIED:
            return bad_request(
                "message is not modified: specified new message content and reply markup are exactly the same"
                " as a current content and reply markup of the message"
            )


def _migrated(peer: Peer) -> ApiError:
    text = "Bad Request: group chat was upgraded to a supergroup chat"
    new = peer.migrated_to if isinstance(peer, Chat) else None
    return ApiError(400, text, {"migrate_to_chat_id": new.bot_api_id} if new else {})
