"""Work of a loop that goes on whatever became of it: what was asked may be away, or crash, and comes back."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from teltubby.supervision import SupervisionError


async def survives(
    what: str,
    work: Callable[[], Awaitable[None]],
    *,
    log: logging.Logger,
    level: int = logging.INFO,
    crashed: int = logging.ERROR,
) -> bool:
    """Whether it went well. `what` says in the log what did not: on `level` where somebody was away or slow, and on
    `crashed`, with the traceback, where it is a bug of whoever was asked, which its supervisor mends.
    """
    try:
        await work()
    except (SupervisionError, TimeoutError) as error:
        log.log(level, "%s: %s", what, error)
    except Exception:  # what crashed the actor that was asked is not its asker's crash too
        log.log(crashed, "%s", what, exc_info=True)
    else:
        return True
    return False
