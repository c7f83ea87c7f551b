"""Pure policy: what is archived, under which names, described how; what becomes of jobs, and whose turn one is.

No I/O; clocks and random numbers are passed in.
"""
