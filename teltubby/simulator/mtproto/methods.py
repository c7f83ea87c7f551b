"""Every method that the server knows; any other is answered with INPUT_METHOD_INVALID."""

from __future__ import annotations

from teltubby.simulator.mtproto import (
    auth,
    authorizations,
    config,
    dialogs,
    files,
    invites,
    members,
    messages,
    passwords,
    peers,
    qr,
    searching,
    threads,
    updates,
)
from teltubby.simulator.mtproto.rpc import Handlers

HANDLERS: Handlers = {
    **auth.HANDLERS,
    **authorizations.HANDLERS,
    **config.HANDLERS,
    **dialogs.HANDLERS,
    **files.HANDLERS,
    **invites.HANDLERS,
    **members.HANDLERS,
    **messages.HANDLERS,
    **passwords.HANDLERS,
    **peers.HANDLERS,
    **qr.HANDLERS,
    **searching.HANDLERS,
    **threads.HANDLERS,
    **updates.HANDLERS,
}
