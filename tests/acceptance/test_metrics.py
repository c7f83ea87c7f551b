"""What a process really serves to Prometheus, and to whom it serves at all."""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path

from teltubby.simulator.files import FileKind
from tests.acceptance.backends import ON_ASYNCIO
from tests.acceptance.household import Household
from tests.acceptance.polling import eventually
from tests.acceptance.scrapes import look_at_scrape, value_in
from tests.servers.ports import free_port

pytestmark = ON_ASYNCIO


def test_panels_and_rules_find_their_metrics_in_a_real_scrape(box: Household, tmp_path: Path) -> None:
    """Bot and worker by themselves: see test_main_job. This one makes backups as well, and is brought its updates."""
    backups = tmp_path / "backups"
    backups.mkdir()
    webhook = free_port()
    product = box.start(
        "run",
        BACKUP_INTERVAL_HOURS="24",
        BACKUP_FOLDER=str(backups),
        TELEGRAM_MODE="webhook",
        WEBHOOK_URL=f"http://127.0.0.1:{webhook}/hook",
        WEBHOOK_SECRET="s3cret-of_the-webhook",
        WEBHOOK_LISTEN_PORT=str(webhook),
    )
    assert listened_by(product.pid) == {("127.0.0.1", product.port), ("127.0.0.1", webhook)}, "and nothing else"
    box.answer(box.ada.send_document(box.ada.new_file(FileKind.DOCUMENT, 100_000, name="a.txt")), "rchived")
    eventually(lambda: product.get("/readyz")[0] == 200, within=60, what="all that it depends on to be looked at")
    eventually(lambda: product.metric('teltubby_backups_total{outcome="ok"}') == 1, within=60, what="a backup")
    scrape = look_at_scrape(product, tmp_path)
    status = json.loads(product.get("/status")[1])
    assert status["queues"]["jobs"] == status["jobs"]["failed"] == 0 and status["quota"]["limit_bytes"] is None
    assert status["sessions"]["bot"]["state"] and "python" in status["versions"]
    assert status["backup"]["size_bytes"] == value_in(scrape, "teltubby_backup_last_size_bytes") > 0
    assert status["backup"]["every_seconds"] == value_in(scrape, "teltubby_backup_interval_seconds") == 24 * 3600


LISTENS = "0A"
"""linux/include/net/tcp_states.h, TCP_LISTEN."""


def listened_by(pid: int) -> set[tuple[str, int]]:
    """Addresses and ports on which a process takes TCP connections, as the kernel says (proc(5), /proc/net/tcp)."""
    own = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and f"socket:[{fields[9]}]" in own:
                address, _, port = fields[1].partition(":")
                found.add((readable(address), int(port, 16)))
    return found


def readable(address: str) -> str:
    """An address of /proc/net/tcp: words in the machine's order of bytes."""
    words = [bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8)]
    return str(ip_address(b"".join(words)))
