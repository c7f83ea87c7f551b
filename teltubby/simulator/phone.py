"""A person's phone, on which their own Telegram is signed in: it scans QR codes and shows what Telegram tells them."""

from __future__ import annotations

import base64
import re
import threading
from urllib.parse import parse_qs, urlsplit

from teltubby.simulator.messages import Event, Message, MessageAdded
from teltubby.simulator.mtproto.rpc import RpcError
from teltubby.simulator.people import SERVICE_ACCOUNT, User
from teltubby.simulator.server import SimulatedTelegram

LOGIN_CODE = re.compile(r"Login code: (\d+)\.")


class Phone:
    """For any thread but the simulator's own; like a Curator, it is told nothing but what the person sees."""

    def __init__(self, telegram: SimulatedTelegram, user: User) -> None:
        self.user = user
        self._telegram = telegram
        self._arrived = threading.Condition()
        self._codes: list[str] = telegram.call(self._known)

    def scan(self, url: str) -> None:
        """Point the camera at tg://login?token=… and confirm, which lets whoever shows it sign in as this person.

        Raises RpcError as auth.acceptLoginToken does: AUTH_TOKEN_EXPIRED, AUTH_TOKEN_INVALIDX,
        AUTH_TOKEN_ALREADY_ACCEPTED and so on.
        """
        token = token_of(url)
        self._telegram.call(lambda: self._telegram.mtproto_server.accept_login_token(self.user, token))

    def codes(self) -> tuple[str, ...]:
        """The login codes that Telegram sent to this person, oldest first, good or not."""
        with self._arrived:
            return tuple(self._codes)

    def wait_for_code(self, within: float, *, seen: int = 0) -> str:
        """Block until there are more codes than `seen`; the newest. Raises TimeoutError after `within` seconds."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._codes) > seen, within):
                raise TimeoutError(f"no login code within {within} s")
            return self._codes[-1]

    def end_other_sessions(self) -> None:
        """Terminate all other sessions, as the settings of an official client can: they hear SESSION_REVOKED."""
        self._telegram.call(
            lambda: self._telegram.mtproto_server.sign_out(self.user, refusal="SESSION_REVOKED", cut=True)
        )

    def _known(self) -> list[str]:
        world = self._telegram.world
        world.subscribe(self._see)
        return [code for message in world.history(self.user, world.service_account()) for code in _codes_in(message)]

    def _see(self, event: Event) -> None:
        if isinstance(event, MessageAdded) and event.mailbox is self.user.mailbox:
            with self._arrived:
                self._codes.extend(_codes_in(event.message))
                self._arrived.notify_all()


def token_of(url: str) -> bytes:
    """The token in tg://login?token=…; raises RpcError AUTH_TOKEN_INVALIDX when there is none."""
    parts = urlsplit(url)
    (text, *_) = parse_qs(parts.query).get("token", [""])
    try:
        if (parts.scheme, parts.netloc) == ("tg", "login") and text:
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as exc:
        raise RpcError(400, "AUTH_TOKEN_INVALIDX") from exc
    raise RpcError(400, "AUTH_TOKEN_INVALIDX")


def _codes_in(message: Message) -> list[str]:
    if not isinstance(message.peer, User) or message.peer.id != SERVICE_ACCOUNT or message.out:
        return []
    return LOGIN_CODE.findall(message.post.text)
