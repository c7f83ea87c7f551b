"""`teltubby listen`: an event listener of supervisord that tells the admins when a process dies, and when it is back.

It speaks with the Bot API itself, since the bot may be the one that died, and imports as little of the rest as it can.
"""
