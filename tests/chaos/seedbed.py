"""The nursery of the chaos tests: like the other one, and a process may have a bug planted in it.

`CHAOS_PLANT` in a process's environment names one of planted.py, `CHAOS_DISK` is of power.py, `CHAOS_CLOCK_NUMBER` says
which clock it has (clock.c). The product knows nothing of them; they are gone from the environment before it reads it.
"""

from __future__ import annotations

import ctypes
import os
import sys

from tests.acceptance.nursery_main import become, imported, live, serve

if __name__ == "__main__":
    imported(sys.argv[1])
    from tests.chaos import ground, planted, power, stacks  # after the product, in the order in which it imports

    found = serve()
    if found is not None:
        become(found)
        stacks.show_when_asked()
        if (number := os.environ.pop(ground.CLOCK, None)) and hasattr(preloaded := ctypes.CDLL(None), "chaos_clock"):
            preloaded.chaos_clock(int(number))
        if power.VARIABLE in os.environ:
            power.watch_syncs()
        if name := os.environ.pop("CHAOS_PLANT", None):
            planted.PLANTS[name]()
        live()
