"""`python -m teltubby` is the `teltubby` command; a signal ends it with its code from its first moment."""

from __future__ import annotations

import sys

from teltubby.interrupts import EX_INTERRUPTED, forget_interrupt, until_signalled

try:
    with until_signalled():  # libraries take a second to import, and each command takes signals in its own way then
        from teltubby.cli import main
except KeyboardInterrupt:
    forget_interrupt()
    sys.exit(EX_INTERRUPTED)

main()
