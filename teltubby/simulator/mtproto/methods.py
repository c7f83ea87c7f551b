"""Every method that the server knows; any other is answered with INPUT_METHOD_INVALID."""

from __future__ import annotations

from teltubby.simulator.mtproto import auth, config, files, messages, peers, updates
from teltubby.simulator.mtproto.rpc import Handlers

HANDLERS: Handlers = {
    **auth.HANDLERS,
    **config.HANDLERS,
    **files.HANDLERS,
    **messages.HANDLERS,
    **peers.HANDLERS,
    **updates.HANDLERS,
}
