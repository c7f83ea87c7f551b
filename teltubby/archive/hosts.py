"""Which host names are those of the Internet: urlextract is asked here, and nowhere else.

urlextract 1.10, made as its readme says, writes a lock file into its own package, else into the home, else into the
common /tmp, takes the list of top-level domains from there, and fails where none of them can be written to. This one
reads the list that the package brings along, writes nothing, and never asks IANA or the DNS. What is asked is one host
name at a time: over a whole message its running time grows with the square of its length.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files

from urlextract import URLExtract  # type: ignore[import-untyped]

MOST_CHARACTERS = 253
"""Of a host name (RFC 1035, 2.3.4); of a label 63."""

_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}", re.ASCII)
_LABEL = re.compile(r"[^\W_](?:[\w-]{0,61}[^\W_])?")

FILE_ENDINGS = frozenset(("cab", "md", "mm", "mov", "ps", "py", "rs", "sh", "zip"))
"""Top-level domains that are better known as the ends of file names: `readme.md`, `main.rs`, `backup.zip`."""


class _Extractor(URLExtract):  # type: ignore[misc]
    """urlextract without its cache."""

    def _get_cache_file_path(self) -> str:
        return str(self._get_default_cache_file_path())

    def _load_cached_tlds(self) -> set[str]:
        lines = files("urlextract").joinpath("data", self._CACHE_FILE_NAME).read_text("utf-8").lower().splitlines()
        names = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
        return {f".{name}" for name in names} | {f".{_in_letters(name)}" for name in names}


def is_host(name: str) -> bool:
    """Whether a name under a top-level domain, or an IPv4 address in four numbers. Never raises."""
    if len(name) > MOST_CHARACTERS or "." not in name:
        return False
    if _IPV4.fullmatch(name) is not None:
        return True
    labels = name.lower().split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return False
    encoded = [_encoded(label) for label in labels[-2:]]
    return None not in encoded and _is_registered(".".join(map(str, encoded)))


def may_be_another_thing(name: str) -> bool:
    """Whether a host that stands alone is more likely a file's name, a version, or two sentences (`it.So far`)."""
    labels = name.split(".")
    last = labels[-1]
    runs_on = last != last.lower() and name != name.upper()
    return last.isdecimal() or runs_on or (len(labels) == 2 and last.lower() in FILE_ENDINGS)


@lru_cache(maxsize=4096)
def _is_registered(name: str) -> bool:
    """Whether urlextract takes the last two labels, in ASCII, for a link: whole, and not what stands inside."""
    found: list[str] = _extractor().find_urls(name, check_dns=False)
    return found == [name]


@cache
def _extractor() -> URLExtract:
    return _Extractor(extract_localhost=False, cache_dns=False)


def _encoded(label: str) -> str | None:
    """The label as the DNS has it, None where it cannot."""
    if label.isascii():
        return label
    try:
        return label.encode("idna").decode("ascii")
    except UnicodeError:
        return None


def _in_letters(name: str) -> str:
    return name.encode("ascii").decode("idna") if name.startswith("xn--") else name
