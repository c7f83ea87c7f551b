"""The image, run as it is meant to be: no root, a read-only root file system, secrets by file. `make image` runs this.

TELTUBBY_TEST_IMAGE names it; PODMAN_ARGS are what `podman run` has to be told on this machine besides.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from teltubby.simulator.files import FileKind
from teltubby.simulator.server import SimulatedTelegram
from tests.acceptance.polling import eventually
from tests.servers.ports import free_port

IMAGE = os.environ.get("TELTUBBY_TEST_IMAGE", "")
AS_DEPLOYED = (
    *("--read-only", "--tmpfs", "/tmp:rw,size=64m,mode=1777", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--network", "host"),
)
START_WITHIN = 120.0

pytestmark = [
    pytest.mark.skipif(not IMAGE, reason="make image builds one and runs this"),
    pytest.mark.timeout(400),
]


def podman(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["podman", *arguments], capture_output=True, text=True, check=check, timeout=300)


def run(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """A command in a container of its own; `options` are podman's."""
    here = shlex.split(os.environ.get("PODMAN_ARGS", ""))
    return podman("run", "--rm", *here, *AS_DEPLOYED, *options, IMAGE, *arguments, check=False)


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "secrets"
    folder.mkdir()
    yield folder


def test_it_says_what_is_missing_and_ends_with_78() -> None:
    ended = run("bot")
    assert ended.returncode == 78 and "TELEGRAM_BOT_TOKEN is not set" in ended.stderr


def test_it_is_small_and_has_its_bill_of_materials() -> None:
    inspected = json.loads(podman("image", "inspect", IMAGE).stdout)[0]
    labels, config = inspected["Labels"], inspected["Config"]
    assert config["User"] == "10001:10001" and config["StopSignal"] == "SIGTERM"
    assert inspected["Healthcheck"]["Test"] == ["CMD", "teltubby", "health"]
    entry = ("--entrypoint", "cat")
    bill = json.loads(run(labels["org.teltubby.sbom"], options=entry).stdout)
    names = {part["name"] for part in bill["components"]}
    assert {"aiogram", "telethon", "aioboto3", "trio"} <= names
    assert not {"pytest", "uv", "hatchling", "mypy"} & names, "nothing that builds or tests"  # sqlite-utils needs pip


def test_what_was_taken_out_of_packages_is_not_missed() -> None:
    """Charts in both formats, a client of S3, and every module of ours."""
    code = (
        "import importlib, io, pkgutil, botocore.session, matplotlib, teltubby; matplotlib.use('Agg')\n"
        "from matplotlib import pyplot\n"
        "figure, axes = pyplot.subplots(layout='constrained'); axes.plot([1, 2])\n"
        "for name in 'png', 'svg': figure.savefig(io.BytesIO(), format=name)\n"
        "botocore.session.get_session().create_client('s3', 'x', aws_access_key_id='a', aws_secret_access_key='b')\n"
        "for found in pkgutil.walk_packages(teltubby.__path__, 'teltubby.'):\n"
        "    found.name.endswith('__main__') or importlib.import_module(found.name)\n"
    )
    done = run("-c", code, options=("--entrypoint", "python3"))
    assert done.returncode == 0, done.stderr


def test_it_archives_and_stops_in_order(secrets: Path) -> None:
    with SimulatedTelegram(media_only=True) as telegram:
        bot = telegram.add_bot()
        ada = telegram.add_curator(bot, username="ada")
        (secrets / "token").write_text(f"{bot.token}\n")
        (secrets / "token").chmod(0o444)
        port = free_port()
        settings = {
            "TELEGRAM_BOT_TOKEN_FILE": "/run/secrets/token",
            "TELEGRAM_WHITELIST_IDS": str(ada.user.id),
            "TELEGRAM_BOT_API_URL": telegram.bot_api_url,
            "HEALTH_PORT": str(port),
        }
        given = [word for name, value in settings.items() for word in ("--env", f"{name}={value}")]
        here = shlex.split(os.environ.get("PODMAN_ARGS", ""))
        started = podman(
            "run", "--detach", *here, *AS_DEPLOYED, *given, "--volume", f"{secrets}:/run/secrets:ro", IMAGE, "run"
        )
        name = started.stdout.strip()
        try:
            eventually(
                lambda: podman("exec", name, "teltubby", "health", check=False).returncode == 0,
                within=START_WITHIN,
                what="the container to be well",
            )
            message = ada.send_photo(ada.new_file(FileKind.PHOTO, 70_000))
            ada.wait_for(
                lambda lines: any(line.reply_to == message and "Archived 1 file" in line.text for line in lines), 60
            )
            podman("stop", "--time", "150", name)
            assert podman("inspect", "--format", "{{.State.ExitCode}}", name).stdout.strip() == "0"
            logs = podman("logs", name)
            assert (bot.token or "") not in logs.stdout + logs.stderr
        finally:
            podman("rm", "--force", "--volumes", "--time", "0", name, check=False)
