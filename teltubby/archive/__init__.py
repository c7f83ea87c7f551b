"""Pure policy: what is archived, under which names, described how. No I/O; clocks and random numbers are passed in."""
