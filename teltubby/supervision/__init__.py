"""Supervised actors on anyio: mailboxes, addresses, trees. It knows nothing of Telegram.

Bottom up: `errors`, `mailbox`, `context` (what an incarnation is given), `actor`, `spec` and `view` (data),
`child` (one incarnation's life), `loop` (the decisions), `supervisor` (the tree). A tree is declared, then
run at its root::

    ledger = Mailbox[LedgerMessage]("ledger", capacity=256)
    tree = Supervisor("bot", [
        ChildSpec("ledger", lambda: LedgerActor(settings), mailbox=ledger),
        Supervisor("telegram", [ChildSpec("session", ...), ...], strategy=Strategy.REST_FOR_ONE),
        ChildSpec("bot", lambda: BotActor(ledger=ledger.ref)),
    ])
    context = Context("bot")
    await tree.run(context)     # elsewhere: context.stop(), and context.cancel() for those in a hurry
"""

from teltubby.supervision.actor import Actor, Pool, Runnable
from teltubby.supervision.child import TEARDOWN_WITHIN, current_path
from teltubby.supervision.context import Context
from teltubby.supervision.errors import (
    ActorCrashed,
    ActorStopped,
    Fatal,
    IntensityExceeded,
    MailboxFull,
    NotReady,
    Refused,
    SupervisionError,
)
from teltubby.supervision.mailbox import Envelope, Mailbox, Ref, Request, Signal
from teltubby.supervision.spec import Backoff, ChildSpec, Intensity, Restart, Strategy
from teltubby.supervision.supervisor import Supervisor
from teltubby.supervision.trace import Tally, current_tally, current_trace, tracing
from teltubby.supervision.view import Node, State, render

__all__ = [
    "TEARDOWN_WITHIN",
    "Actor",
    "ActorCrashed",
    "ActorStopped",
    "Backoff",
    "ChildSpec",
    "Context",
    "Envelope",
    "Fatal",
    "Intensity",
    "IntensityExceeded",
    "Mailbox",
    "MailboxFull",
    "Node",
    "NotReady",
    "Pool",
    "Ref",
    "Refused",
    "Request",
    "Restart",
    "Runnable",
    "Signal",
    "State",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "Tally",
    "current_path",
    "current_tally",
    "current_trace",
    "render",
    "tracing",
]
