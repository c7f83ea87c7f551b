"""A channel in which much happens, and the person whose account collects it: signed in again whenever that is lost."""

from __future__ import annotations

import random
import threading
from functools import partial

from teltubby.simulator.mtproto.rpc import RpcError
from tests.acceptance.accounts import SIGNED_IN, person, pictures, said, scan_newest
from tests.acceptance.accounts import sign_in_by_qr as sign_in
from tests.acceptance.channels import Kept, seeded
from tests.acceptance.household import Household

POSTS = 200
"""In the channel before anything happens."""
PAUSE_SECONDS = 60.0
"""Before it is asked for, and asked for again: who asks more often is refused."""
AGAIN_SECONDS = 15.0
"""How long a picture, and a word that it was seen, is waited for until it is asked for again."""
SETTINGS = {
    "MTPROTO_ENABLED": "true",
    "MTPROTO_HISTORY_ENABLED": "true",
    "MTPROTO_UPDATES_ENABLED": "true",
    "MTPROTO_SYNC_INTERVAL": "30",
    # Counters are read again for three minutes: a post costs its share of the database then, and nothing later.
    "METRICS_SCHEDULE": "3m:1m",
    "MTPROTO_PEERS": "@the_news",
}


class Reading:
    """Made before the processes of the house are."""

    def __init__(self, house: Household, rng: random.Random) -> None:
        self._house = house
        self._rng = rng
        self._someone = person(house)
        self.kept: Kept = seeded(house, POSTS, self._someone)
        self._own: list[int] = []
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        house.settings |= {**SETTINGS, "MTPROTO_DATABASE_PATH": str(self.kept.database)}

    def ask_first(self) -> None:
        """Before the processes start: the bot can tell nobody else that it wants somebody to sign in."""
        self._house.ada.send_text("/start")

    def sign_in_first(self) -> None:
        """By QR code, as soon as the processes ask for it."""
        said(self._house.ada, "nobody is signed in")
        sign_in(self._house, self._someone)

    def change(self) -> None:
        """Somebody posts, edits, reads or likes."""
        world, chat, writer = self._house.telegram.world, self.kept.chat, self._house.ada.user
        dice, chosen = self._rng.random(), self._rng.choice(self._own) if self._own else 0

        def do() -> None:
            if not chosen or dice < 0.5:
                self._own.append(world.send(writer, chat, f"{dice} https://example.org/{dice} #news").id)
                return
            message = chat.mailbox.messages[chosen]
            if dice < 0.75:
                world.edit(message, text=f"{dice}, corrected https://example.org/{dice}")
            elif dice < 0.9:
                world.view(message, times=7)
            else:
                world.react(message, writer, "👍")

        self._house.in_world(do)

    def sign_in_again(self) -> None:
        """In the background, until it is done: nobody knows when the worker notices that nobody is signed in."""
        if any(thread.is_alive() for thread in self._threads):
            return
        thread = threading.Thread(target=self._keep_trying, name="signing in", daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Give up trying."""
        self._closing.set()
        self.wait()

    def wait(self, within: float = 300.0) -> None:
        """Return when the person is signed in, as far as that was asked for."""
        for thread in self._threads:
            thread.join(within)

    def _keep_trying(self) -> None:
        ada = self._house.ada
        while not self._closing.wait(PAUSE_SECONDS):
            said_before = self._times_signed_in()
            ada.send_text("/mtlogin")
            try:
                ada.wait_for(lambda _: pictures(ada) or self._closing.is_set(), AGAIN_SECONDS)
                scan_newest(ada, self._someone.phone)
                ada.wait_for(partial(self._is_signed_in_since, said_before), AGAIN_SECONDS)
            except (TimeoutError, RpcError, LookupError):  # nothing yet, or it was renewed or deleted in this moment
                continue
            return

    def _is_signed_in_since(self, said_before: int, _: object) -> bool:
        return self._closing.is_set() or self._times_signed_in() > said_before

    def _times_signed_in(self) -> int:
        return sum(line.from_bot and SIGNED_IN in line.text for line in self._house.ada.conversation())
