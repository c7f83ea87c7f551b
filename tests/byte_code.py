"""Byte code of the tests, made once before the processes that run them begin.

Each of those imports all tests, all at the same time: without this each of them would compile all of them too, with
their assertions rewritten, which takes 12 s of every one. pytest would keep the result for the next run at most, and
not even that where PYTHONDONTWRITEBYTECODE is set.
"""

from __future__ import annotations

import compileall
import multiprocessing
import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from _pytest.assertion.rewrite import PYC_TAIL, _read_pyc, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir

_REWRITTEN = re.compile(r"(test_.*|conftest)\.py$")
_TESTS = re.compile(rf"/tests/(.*/)?{_REWRITTEN.pattern}")


def make_byte_code(config: pytest.Config) -> None:
    """Make what is missing or older than its source, on all processors; what cannot be made is made at its import."""
    files = sorted(path for path in (config.rootpath / "tests").rglob("*.py") if _REWRITTEN.fullmatch(path.name))
    fork = multiprocessing.get_context("fork")
    count = os.cpu_count() or 1
    helpers = [fork.Process(target=_rewrite, args=(config, files[number::count])) for number in range(count)]
    for helper in helpers:
        helper.start()
    for name in ("tests", "teltubby"):
        compileall.compile_dir(config.rootpath / name, quiet=2, rx=_TESTS)
    for helper in helpers:
        helper.join()


def _rewrite(config: pytest.Config, files: Sequence[Path]) -> None:
    for path in files:
        folder = get_cache_dir(path)
        kept = folder / f"{path.stem}{PYC_TAIL}"
        if _read_pyc(path, kept) is None:
            folder.mkdir(parents=True, exist_ok=True)
            source_hash, code = _rewrite_test(path, config)
            _write_pyc(config.stash[assertstate_key], code, source_hash, kept)
