"""QR codes to scan with a phone: as a picture for a chat, as text for a terminal."""

from __future__ import annotations

from io import BytesIO

import segno

PIXELS = 8
"""Pixels of the picture per module: phones show some 350 of its pixels across without scaling them down."""
QUIET = 4
"""Modules of white around the picture (ISO/IEC 18004)."""
QUIET_IN_TERMINAL = 2
"""Cameras read it with less, and 80 × 24 characters are few."""

_BLACK_ON_WHITE = "\x1b[38;5;16;48;5;231m"
"""From the fixed colours of ECMA-48's 256 (xterm): the first 16 are whatever the terminal's owner likes."""
_AS_BEFORE = "\x1b[0m"
_BLOCKS = {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}
_OPPOSITE = str.maketrans("█▀▄ ", " ▄▀█")


def png(text: str) -> bytes:
    """A black-on-white picture of the code."""
    picture = BytesIO()
    segno.make_qr(text).save(picture, kind="png", scale=PIXELS, border=QUIET)
    return picture.getvalue()


def terminal(text: str, *, colours: bool = True) -> str:
    """Lines of half blocks, two modules each, without a line end after the last one.

    With `colours` it is black on white in every terminal that knows them. Without, light modules are drawn and dark
    ones left out: right where the text is light on a dark ground.
    """
    rows = [
        list(row) for row in segno.make_qr(text, error="l", boost_error=False).matrix_iter(border=QUIET_IN_TERMINAL)
    ]
    rows += [[0] * len(rows[0])] * (len(rows) % 2)
    lines = ["".join(_BLOCKS[pair] for pair in zip(*two, strict=True)) for two in zip(*[iter(rows)] * 2, strict=True)]
    if not colours:
        return "\n".join(line.translate(_OPPOSITE) for line in lines)
    return "\n".join(f"{_BLACK_ON_WHITE}{line}{_AS_BEFORE}" for line in lines)
