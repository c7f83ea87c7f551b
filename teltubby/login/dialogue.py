"""What is said while a person signs in at a terminal: a QR code or a login code, then perhaps the password."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from teltubby.actors.qr_codes_shown import scanned
from teltubby.adapters import qr_codes
from teltubby.adapters.base import Account, PersonalGateway
from teltubby.adapters.clock import utc_now
from teltubby.errors import CodeRejected, PasswordNeeded, PasswordRejected, Permanent, TeltubbyError
from teltubby.login.terminal import Terminal
from teltubby.messages.session import ShownQr

TRIES = 3
"""For a code, and for a password: Telegram counts them too, and makes who goes on wait for a day."""

SCAN_SECONDS = 600.0
"""A terminal that was left alone asks for no more codes then."""

_SCAN = "In Telegram on your phone: Settings > Devices > Link Desktop Device. Scan this; it is renewed as it expires."


class SignInFailed(TeltubbyError):
    """Nobody was signed in, for what the person did or did not do."""


async def by_qr(gateway: PersonalGateway, terminal: Terminal) -> Account:
    """Show QR codes until one is scanned. Raises SignInFailed, NothingTyped, and what the gateway raises."""
    terminal.say(_SCAN)

    def show(shown: ShownQr) -> None:
        terminal.draw(qr_codes.terminal(shown.url, colours=terminal.can_draw))

    try:
        account = await scanned(gateway, show, clock=utc_now, within=SCAN_SECONDS)
    except PasswordNeeded as needed:
        terminal.erase()
        return await _with_password(gateway, terminal, needed)
    finally:
        terminal.erase()
    if account is None:
        raise SignInFailed(f"Nobody scanned the code within {SCAN_SECONDS / 60:.0f} minutes.")
    return account


async def by_code(gateway: PersonalGateway, terminal: Terminal) -> Account:
    """Have a code sent and ask for it. Raises SignInFailed, NothingTyped, and what the gateway raises."""
    terminal.require_somebody("The login code")
    terminal.say(f"A login code was sent {await gateway.send_code()}.")

    async def try_once() -> Account:
        code = "".join(filter(str.isalnum, await terminal.ask("Login code")))
        return await gateway.submit_code(code)

    try:
        return await _tries(try_once, CodeRejected, terminal)
    except PasswordNeeded as needed:
        return await _with_password(gateway, terminal, needed)


async def _with_password(gateway: PersonalGateway, terminal: Terminal, needed: PasswordNeeded) -> Account:
    hint = f" (hint: {''.join(filter(str.isprintable, needed.hint))})" if needed.hint else ""

    async def try_once() -> Account:
        return await gateway.submit_password(await terminal.ask_secret(f"Password of the second factor{hint}"))

    return await _tries(try_once, PasswordRejected, terminal)


async def _tries(
    try_once: Callable[[], Awaitable[Account]], rejection: type[CodeRejected | PasswordRejected], terminal: Terminal
) -> Account:
    for left in reversed(range(TRIES)):
        try:
            return await try_once()
        except Permanent as error:
            if not isinstance(error, rejection):
                raise
            if not left:
                raise SignInFailed(f"{error}; that was the last of {TRIES} tries") from error
            terminal.say(f"Not accepted: {error} ({left} more {'try' if left == 1 else 'tries'}).")
    raise AssertionError("the last try either succeeds or fails")
