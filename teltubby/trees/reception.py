"""The desk with everything that it asks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from teltubby.actors.alerts_desk import AlertsDesk
from teltubby.actors.channels_desk import ChannelsDesk
from teltubby.actors.chat import Chat
from teltubby.actors.desk import Desk
from teltubby.actors.growth import Growth
from teltubby.actors.job_orders import JobOrders
from teltubby.actors.lookups import Lookups
from teltubby.actors.purge import Purge
from teltubby.actors.sign_in import SignInDesk
from teltubby.actors.standing import Paint, Standing
from teltubby.actors.trail import Trail
from teltubby.actors.workers import Workers
from teltubby.adapters.base import ObjectStore
from teltubby.adapters.charts import paint_statistics
from teltubby.adapters.clock import utc_now
from teltubby.messages.ledger import LedgerMessage
from teltubby.messages.queue import PublisherMessage
from teltubby.messages.transfer import UploadMessage
from teltubby.supervision import Ref


def furnished_desk(
    *,
    chat: Chat,
    job_orders: JobOrders,
    ledger: Ref[LedgerMessage],
    queue: Ref[PublisherMessage],
    upload: Ref[UploadMessage],
    store: ObjectStore,
    quota_bytes: int,
    growth: Growth,
    mode: str,
    workers: Workers,
    sign_in: SignInDesk,
    channels: ChannelsDesk,
    alerts: AlertsDesk,
    recount: Callable[[], None],
    trail: Trail,
    paint: Paint = paint_statistics,
    clock: Callable[[], datetime] = utc_now,
) -> Desk:
    """`store` only names places; `recount` has the usage corrected after a purge."""
    return Desk(
        chat=chat,
        lookups=Lookups(ledger=ledger, location=store.location, clock=clock),
        standing=Standing(
            ledger=ledger,
            queue=queue,
            storage=store.location(""),
            quota_bytes=quota_bytes,
            growth=growth,
            workers=workers,
            paint=paint,
            clock=clock,
            alerts=alerts.attention,
        ),
        job_orders=job_orders,
        sign_in=sign_in,
        channels=channels,
        alerts=alerts,
        purge=Purge(ledger=ledger, upload=upload, recount=recount),
        trail=trail,
        mode=mode,
    )
