"""What a worker reports of itself; as durable as its reports of jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from teltubby.messages.health import Standing
from teltubby.messages.routes import FileRoute
from teltubby.messages.session import SessionStanding, SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStanding:
    """How a worker stands: said when one of its sessions changes, and on order (DescribeWorkers).

    `worker` is the name of the process, `place` says in the same words after a restart where it runs (host and session
    file). `public_key` is what secrets for it are sealed to; `routes` are those that it may take, in order.
    `collects`: it has a collector of channels (None: it does not say); `collector` says why that cannot work, where an
    operator must act. `unwell` is what else of its process is not as it should be, sessions apart. The last one of a
    process that ends as it was told to `leaves`.
    """

    worker: str
    place: str
    at: datetime
    public_key: str
    routes: tuple[FileRoute, ...]
    sessions: tuple[SessionStanding, ...]
    collects: bool | None = None
    collector: str | None = None
    unwell: tuple[Standing, ...] = ()
    leaves: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInTold:
    """A step of the sign-in that `sign_in_id` names: what is waited for now (`state`), and in words (`detail`).

    With QR_SHOWN, `sealed_qr` is the code's address, sealed to the `reply_key` of the order, good until `expires_at`.
    The last one `is_over`: signed in when `state` is READY, given up otherwise.
    """

    worker: str
    sign_in_id: str
    at: datetime
    state: SessionState
    detail: str
    sealed_qr: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None
    is_over: bool = False


WorkerReport = WorkerStanding | SignInTold
