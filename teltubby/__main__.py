"""`python -m teltubby` and the script `teltubby`: a signal ends the command with its code from its first moment."""

from __future__ import annotations

import sys

from teltubby.interrupts import EX_INTERRUPTED, forget_interrupt, until_signalled


def main() -> None:
    """The one entry of both."""
    try:
        with until_signalled():  # libraries take a second to import, and each command takes signals in its own way then
            from teltubby import cli
    except KeyboardInterrupt:
        forget_interrupt()
        sys.exit(EX_INTERRUPTED)
    cli.main()


if __name__ == "__main__":
    main()
