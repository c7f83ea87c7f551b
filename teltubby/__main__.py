"""`python -m teltubby` is the `teltubby` command."""

from __future__ import annotations

from teltubby.cli import main

main()
