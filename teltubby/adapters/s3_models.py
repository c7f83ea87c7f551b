"""What botocore knows of S3, without what nobody here reads.

botocore ships the models of every AWS service as JSON, and keeps what it parsed for as long as a client lives: 15 MiB
for one of S3, of which most is documentation and the endpoints of other services. `Loader.file_loader` is its seam for
reading them otherwise.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

_SERVICE = "s3"


class S3Models(JSONFileLoader):
    """Reads data files of botocore for clients of S3 and of no other service."""

    def load_file(self, file_path: str) -> Any:
        """The file's content, or None when there is no such file; `file_path` is without its extension."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if plain.is_file():
            text = plain.read_bytes()
        elif packed.is_file():
            text = gzip.decompress(packed.read_bytes())
        else:
            return None
        return json.loads(text, object_pairs_hook=_without_ballast)


def _without_ballast(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of the file, less its description and, in the list of all endpoints, those of other services.

    What a service itself calls `documentation`, the name of a shape's member for one, is an object and stays.
    """
    found = dict(pairs)
    if isinstance(found.get("documentation"), str):
        found["documentation"] = ""  # botocore looks some of them up
    services = found.get("services")
    if isinstance(services, dict) and _SERVICE in services:
        found["services"] = {_SERVICE: services[_SERVICE]}
    return found
