#!/usr/bin/env python
"""Prints what is installed beside the interpreter that runs it as CycloneDX 1.6 JSON: the image's bill of materials.

It reads what is there, not what was asked for: markers of the lock are decided, and what slipped in is seen. Equal
installations give equal bills (no time, no random serial number).
"""

from __future__ import annotations

import json
import platform
import re
import sys
from importlib.metadata import Distribution, distributions

NAME = "teltubby"


def main() -> None:
    """Write the document to stdout."""
    installed = {canonical(found.metadata["Name"]): found for found in distributions()}
    product = installed.pop(NAME)
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": component(NAME, product) | {"type": "application"}},
        "components": [
            {
                "type": "platform",
                "bom-ref": f"python@{platform.python_version()}",
                "name": "python",
                "version": platform.python_version(),
            },
            *(component(name, installed[name]) for name in sorted(installed)),
        ],
        "dependencies": [
            {"ref": reference(name, found), "dependsOn": sorted(needed_by(found, installed))}
            for name, found in sorted({NAME: product, **installed}.items())
        ],
    }
    json.dump(document, sys.stdout, indent=1)
    sys.stdout.write("\n")


def canonical(name: str) -> str:
    """As package indexes spell it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def reference(name: str, found: Distribution) -> str:
    """The package's URL (github.com/package-url/purl-spec, pypi)."""
    return f"pkg:pypi/{name}@{found.version}"


def component(name: str, found: Distribution) -> dict[str, object]:
    """One package; its licence where it declares one by its SPDX expression (PEP 639)."""
    licence = found.metadata["License-Expression"]
    return {
        "type": "library",
        "bom-ref": reference(name, found),
        "name": name,
        "version": found.version,
        "purl": reference(name, found),
        **({"licenses": [{"expression": licence}]} if licence else {}),
    }


def needed_by(found: Distribution, installed: dict[str, Distribution]) -> set[str]:
    """References of what it requires and is there; what an extra or another platform would need is not."""
    names = (re.match(r"[A-Za-z0-9._-]+", requirement) for requirement in found.requires or ())
    wanted = {canonical(name[0]) for name in names if name}
    return {reference(name, installed[name]) for name in wanted & installed.keys()}


if __name__ == "__main__":
    main()
