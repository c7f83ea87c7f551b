"""One authority in place of the 140 that certifi names.

aiogram reads all of them for every client that it makes, which takes 26 ms each, and no test meets a server that one of
them vouches for. What is started from the command line has them all.
"""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import certifi

_END = b"-----END CERTIFICATE-----\n"


def trust_one_authority() -> None:
    """From now on, in this process and its forks, certifi names its first authority only."""
    first = Path(certifi.where()).read_bytes().partition(_END)[0] + _END
    descriptor, path = tempfile.mkstemp(suffix=".pem")
    os.write(descriptor, first)
    os.close(descriptor)
    atexit.register(os.unlink, path)
    certifi.where = lambda: path
