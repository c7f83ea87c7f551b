"""Orders by lines of JSON about accounts and channels; see console. `who` is "bot" or "curator".

- scan: `url` of a QR code, by the curator's phone, which answers as Telegram does.  codes: those it was sent.
- sign_out: `who` (the bot unless said), everywhere or at a `dc`; `refusal` is what requests hear from then on, such as
  SESSION_REVOKED, and `cut` takes the connections down as well.
- account: `who` is `banned`, `deactivated` or `frozen` (true or false).
- revoke_token: of the bot; answers the new `token`.
- relay: a new private channel that the curator made, with the bot as an admin; answers its `chat_id`.
- channel: a new public channel `username` of the curator's with so many `posts`; answers its `channel_id`.
- membership: `who` becomes a "member", "administrator" (with `can_post` and `can_delete` unless false), "left" or
  "kicked" in `chat_id`.  delete_chat: `chat_id`.
- clock: `skew` is by how many seconds Telegram's clock is ahead, `advance` lets that many pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from teltubby.simulator.curator import Curator
from teltubby.simulator.mtproto.keys import NOBODY
from teltubby.simulator.people import AdminRights, Chat, ChatKind, Membership, User
from teltubby.simulator.phone import Phone
from teltubby.simulator.server import SimulatedTelegram

Fields = Mapping[str, object]
Answer = dict[str, object]
Order = Callable[[Fields], Answer]


class AccountOrders:
    """Carries them out, each on the world's thread."""

    def __init__(self, telegram: SimulatedTelegram, bot: User, curator: Curator) -> None:
        self._telegram = telegram
        self._world = telegram.world
        self._bot = bot
        self._curator = curator.user
        self._phone = Phone(telegram, curator.user)
        self.orders: dict[str, Order] = {
            "scan": self._scan,
            "codes": self._codes,
            "sign_out": self._sign_out,
            "account": self._account,
            "revoke_token": self._revoke_token,
            "relay": self._relay,
            "channel": self._channel,
            "membership": self._membership,
            "delete_chat": self._delete_chat,
            "clock": self._clock,
        }

    def _scan(self, order: Fields) -> Answer:
        self._phone.scan(str(order["url"]))
        return {}

    def _codes(self, order: Fields) -> Answer:
        return {"codes": list(self._phone.codes())}

    def _sign_out(self, order: Fields) -> Answer:
        dc = order.get("dc")
        if dc is not None and not isinstance(dc, int):
            raise TypeError(f"{dc!r} is no data centre")
        self._telegram.mtproto_server.sign_out(
            self._who(order, "bot"), dc=dc, refusal=str(order.get("refusal", NOBODY)), cut=bool(order.get("cut"))
        )
        return {}

    def _account(self, order: Fields) -> Answer:
        user = self._who(order)
        for trouble in ("banned", "deactivated", "frozen"):
            setattr(user, trouble, bool(order.get(trouble, getattr(user, trouble))))
        user.deactivated = user.deactivated or user.banned
        return {"banned": user.banned, "deactivated": user.deactivated, "frozen": user.frozen}

    def _revoke_token(self, order: Fields) -> Answer:
        return {"token": self._world.revoke_token(self._bot)}

    def _relay(self, order: Fields) -> Answer:
        chat = self._world.add_chat(ChatKind.CHANNEL, "Relay", admins=(self._curator, self._bot))
        return {"chat_id": chat.bot_api_id}

    def _channel(self, order: Fields) -> Answer:
        posts, username = order["posts"], str(order["username"])
        if not isinstance(posts, int):
            raise TypeError(f"{posts!r} is no number of posts")
        chat = self._world.add_seeded_channel(username, posts, username=username, admins=(self._curator,))
        return {"channel_id": chat.id}

    def _membership(self, order: Fields) -> Answer:
        chat, user, wanted = self._chat(order), self._who(order), Membership(str(order["membership"]))
        match wanted:
            case Membership.MEMBER:
                self._world.join(chat, user)
            case Membership.ADMINISTRATOR:
                can_post, can_delete = (bool(order.get(right, True)) for right in ("can_post", "can_delete"))
                self._world.join(chat, user, rights=AdminRights(can_post=can_post, can_delete=can_delete))
            case Membership.LEFT:
                self._world.leave(chat, user)
            case Membership.KICKED:
                self._world.kick(chat, user)
        return {}

    def _delete_chat(self, order: Fields) -> Answer:
        self._world.delete_chat(self._chat(order))
        return {}

    def _clock(self, order: Fields) -> Answer:
        skew, advance = order.get("skew"), order.get("advance", 0)
        if not isinstance(skew, int | float | None) or not isinstance(advance, int | float):
            raise TypeError("skew and advance are seconds")
        if skew is not None:
            self._telegram.mtproto_server.clock_skew = skew
        self._world.advance(advance)
        return {"skew": self._telegram.mtproto_server.clock_skew, "now": self._world.now()}

    def _who(self, order: Fields, otherwise: str = "") -> User:
        return {"bot": self._bot, "curator": self._curator}[str(order.get("who", otherwise))]

    def _chat(self, order: Fields) -> Chat:
        chat_id = order["chat_id"]
        for chat in self._world.chats.values():
            if chat.bot_api_id == chat_id:
                return chat
        raise LookupError(f"no chat {chat_id!r}")
