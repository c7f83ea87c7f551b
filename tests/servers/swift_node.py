"""A whole OpenStack Swift in one process, with S3 in front. Run by `.venv-swift/bin/python`, never imported.

Usage: `python -P swift_node.py DIRECTORY [PORT]`. All state lives under DIRECTORY, so the same objects are there after
a restart. Writes one line, JSON with the S3 port, to stdout once it serves, and ends when its stdin does: no node
outlives the tests. The four servers share the process, as in Swift's own functional tests.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import eventlet
import eventlet.hubs
from eventlet import wsgi
from eventlet.semaphore import Semaphore
from swift.common.http_protocol import SwiftHttpProtocol
from swift.common.ring import RingBuilder
from swift.common.utils import NullLogger, get_hub, monkey_patch, set_swift_dir
from swift.common.wsgi import loadapp

PART_POWER = 4
"""Sixteen partitions are plenty for one disk; the same number at every start, or old objects are not found."""

SWIFT_CONF = """
[swift-hash]
swift_hash_path_suffix = teltubby
[swift-constraints]
max_header_size = 16384
"""

STORAGE_CONF = """
[DEFAULT]
swift_dir = {etc}
devices = {devices}
mount_check = false
log_level = WARNING
log_custom_handlers = swift_node.log_to_stderr
container_update_timeout = 30
fallocate_reserve = 0
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""

PROXY_CONF = """
[DEFAULT]
swift_dir = {etc}
log_level = WARNING
log_custom_handlers = swift_node.log_to_stderr
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth copy slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
conn_timeout = 5
node_timeout = 60
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
max_upload_part_num = 10000
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
max_manifest_segments = 10000
[filter:dlo]
use = egg:swift#dlo
[filter:versioned_writes]
use = egg:swift#versioned_writes
"""


def log_to_stderr(
    conf: object,
    name: object,
    log_to_console: object,
    log_route: object,
    fmt: object,
    logger: logging.Logger,
    adapted_logger: object,
) -> None:
    """Swift's hook for log handlers: the test reads stderr from a file when a node fails to start."""
    if not any(isinstance(handler, logging.StreamHandler) for handler in logger.handlers):
        logger.addHandler(logging.StreamHandler(sys.stderr))


Application = Callable[[dict[str, Any], object], Iterable[bytes]]
"""What WSGI calls so."""


class OneAtATime:
    """Lets conditional writes of one object through one after another.

    Swift's object server looks for the object before it reads the body, so of two such writes at once both win.
    Amazon's S3 promises one winner, and that is what our tests are about.
    """

    def __init__(self, app: Application) -> None:
        self.app = app
        self.locks: defaultdict[str, Semaphore] = defaultdict(Semaphore)

    def __call__(self, environ: dict[str, Any], start_response: object) -> Iterable[bytes]:
        if "HTTP_IF_NONE_MATCH" not in environ:
            return self.app(environ, start_response)
        with self.locks[environ["PATH_INFO"]]:
            return self.app(environ, start_response)


def write_ring(etc: Path, kind: str, port: int) -> None:
    """One replica on one device: where Swift finds its `kind` server."""
    builder = RingBuilder(PART_POWER, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "weight": 1, "ip": "127.0.0.1", "port": port, "device": "disk"})
    builder.rebalance()
    builder.get_ring().save(str(etc / f"{kind}.ring.gz"))


def main(directory: Path, port: int) -> None:
    etc, devices = directory / "etc", directory / "devices"
    etc.mkdir(parents=True, exist_ok=True)
    (devices / "disk").mkdir(parents=True, exist_ok=True)
    (etc / "swift.conf").write_text(SWIFT_CONF)
    monkey_patch()
    set_swift_dir(str(etc))
    eventlet.hubs.use_hub(get_hub())
    servers = []
    for kind in ("account", "container", "object"):
        listener = eventlet.listen(("127.0.0.1", 0))
        write_ring(etc, kind, listener.getsockname()[1])
        (etc / f"{kind}.conf").write_text(STORAGE_CONF.format(kind=kind, etc=etc, devices=devices))
        servers.append((kind, listener))
    (etc / "proxy.conf").write_text(PROXY_CONF.format(etc=etc))
    front = eventlet.listen(("127.0.0.1", port))
    servers.append(("proxy", front))
    for kind, listener in servers:
        app = loadapp(str(etc / f"{kind}.conf"), global_conf={"log_name": kind})
        if kind == "object":
            app = OneAtATime(app)
        eventlet.spawn(
            wsgi.server,
            listener,
            app,
            NullLogger(),
            protocol=SwiftHttpProtocol,
            capitalize_response_headers=False,  # as Swift's run_server: S3 clients want "ETag"
        )
    sys.stdout.write(json.dumps({"port": front.getsockname()[1]}) + "\n")
    sys.stdout.flush()
    eventlet.hubs.trampoline(sys.stdin, read=True)


if __name__ == "__main__":
    sys.modules["swift_node"] = sys.modules["__main__"]  # where the configuration files say log_to_stderr is
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
