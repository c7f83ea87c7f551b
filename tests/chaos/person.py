"""A person whose account fetches the large files, through the relay channel, and who signs in whenever it is lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from teltubby.simulator.mtproto.rpc import RpcError
from teltubby.simulator.people import User
from tests.acceptance.accounts import person, pictures, relay_channel, said, scan_newest
from tests.acceptance.accounts import sign_in_by_qr as sign_in
from tests.acceptance.household import Household
from tests.chaos.recoveries import Recoveries

BACK = "a person scanned the QR code → consuming"
AGAIN_SECONDS = 15.0
"""How long a picture is waited for until it is asked for again."""


class Nobody:
    """The bot's account fetches."""

    account: User | None = None
    """Whose sessions are ended, and made again by hand."""
    is_signed_out = False

    def sign_in_first(self) -> None:
        """Nothing to do."""

    @contextmanager
    def signing_in_again(self) -> Iterator[None]:
        """Nothing to do."""
        yield

    def left_in_relay(self) -> int:
        """There is none."""
        return 0


class PersonWhoFetches(Nobody):
    """The house has no other way to large files; made before its processes are."""

    def __init__(self, house: Household, recoveries: Recoveries, is_consuming: Callable[[], bool]) -> None:
        self._house = house
        self._recoveries = recoveries
        self._is_consuming = is_consuming
        self._someone = person(house)
        self._relay = relay_channel(house, self._someone.user)
        self.account = self._someone.user
        house.settings["MTPROTO_ROUTES"] = "relay"

    def sign_in_first(self) -> None:
        """By QR code, as soon as the processes ask for it."""
        self._house.ada.send_text("/start")
        said(self._house.ada, "nobody is signed in")
        sign_in(self._house, self._someone)

    @contextmanager
    def signing_in_again(self) -> Iterator[None]:
        """In the background, until all is quiet: nobody knows when the worker notices that it is signed out."""
        if not self.is_signed_out:
            yield
            return
        enough = threading.Event()
        thread = threading.Thread(target=self._keep_trying, args=(enough,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join(2 * AGAIN_SECONDS)

    def left_in_relay(self) -> int:
        return int(self._house.in_world(lambda: len(self._relay.mailbox.messages)))

    def _keep_trying(self, enough: threading.Event) -> None:
        ada = self._house.ada
        while not enough.wait(1.0):
            ada.send_text("/mtlogin")
            try:
                ada.wait_for(lambda _: pictures(ada) or enough.is_set(), AGAIN_SECONDS)
            except TimeoutError:
                continue
            if enough.is_set():
                return
            try:
                scan_newest(ada, self._someone.phone)
            except (RpcError, LookupError):  # it was renewed, or deleted, in this moment
                continue
            if not self._is_consuming():
                self._recoveries.expect(BACK, self._is_consuming)
            if enough.wait(AGAIN_SECONDS):
                return
