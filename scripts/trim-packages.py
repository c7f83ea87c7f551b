#!/usr/bin/env python
"""Takes out of installed packages what nothing in the image uses, then compiles the rest: trim-packages.py PREFIX.

PREFIX is an environment, made by the interpreter that runs this. Byte code is made without times or random order, and
goes by the hash of its source: equal packages give equal files, and a new time of the files changes nothing.
"""

from __future__ import annotations

import compileall
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PathDistribution
from pathlib import Path
from py_compile import PycInvalidationMode

UNUSED = ("pip",)
"""Packages that others require and that are never imported here: sqlite-utils adds plug-ins to itself with pip."""
OF_AWS = ("botocore/data", "boto3/data")
SERVICES = {"s3", "sts"}
"""What is kept of the descriptions of all services of AWS."""
FOR_BUILDERS = ("*.pyi", "*.h", "*.hpp", "*.a", "*.c", "*.pyx", "*.pxd")


def main(prefix: Path) -> None:
    """Trim, compile, and say how much went."""
    (packages,) = prefix.glob("lib/python3.*/site-packages")
    before = size(packages)
    for path in (*unused_packages(packages), *unused_parts(packages)):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    compileall.compile_dir(
        packages, quiet=2, workers=1, stripdir=None, invalidation_mode=PycInvalidationMode.CHECKED_HASH
    )
    sys.stderr.write(f"trim-packages: {before >> 20} MiB of packages, {size(packages) >> 20} MiB with byte code\n")


def unused_packages(packages: Path) -> Iterator[Path]:
    """What these were installed as, by their own record."""
    for name in UNUSED:
        for record in packages.glob(f"{name}-*.dist-info"):
            for file in PathDistribution(record).files or ():
                outside = file.parts[0] == ".."  # commands
                yield Path(str(file.locate())) if outside else packages / file.parts[0]


def unused_parts(packages: Path) -> Iterator[Path]:
    """Tests of packages, descriptions of services that are no store, and what is for those who build upon a package."""
    for folder in packages.rglob("tests"):
        if folder.is_dir() and (folder / "__init__.py").exists():
            yield folder
    for data in OF_AWS:
        yield from (each for each in (packages / data).iterdir() if each.is_dir() and each.name not in SERVICES)
    for pattern in FOR_BUILDERS:
        yield from packages.rglob(pattern)


def size(folder: Path) -> int:
    """Bytes of all files in it."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
