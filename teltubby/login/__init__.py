"""`teltubby login`, `logout`, `backup-session`, `restore-session`: the sessions of one installation, by hand.

`terminal.py` is how a person is spoken with, `dialogue.py` what is said while somebody signs in, `sessions.py` what the
commands do.
"""
