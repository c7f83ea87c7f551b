"""The scripts of an installation, tried where they do no harm: in a copy, beside programs that only note the call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
TOKEN, API_HASH = "123456:AAcanary_token-0123456789abcdefghijkl", "0123456789abcdef0123456789abcdef"
NOTING_PODMAN = """#!/bin/sh
[ "$1 $2" = "secret inspect" ] && exec grep -qx "$3" "$KNOWN"
[ "$1 $2" = "secret create" ] && echo "$3" >>"$KNOWN"
"""
PIP_AUDIT = """#!/bin/sh
[ -z "$ANSWER" ] && exit 1
printf '%s' "$ANSWER"
"""


class Place:
    """A copy of the scripts, and what they call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secrets = folder / "deploy" / "secrets"
        shutil.copytree(SCRIPTS, folder / "scripts")
        (folder / "bin").mkdir()
        self.known = folder / "known"
        self.known.touch()

    def program(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def run(self, *command: str, answers: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            command, cwd=self.folder, input=answers, capture_output=True, text=True, check=False, timeout=60,
            env={**os.environ, "PATH": path, "KNOWN": str(self.known), **environ},
        )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "a folder")


def test_secrets_are_made_whole_once_and_kept(place: Place) -> None:
    empty = place.run("scripts/make-secrets.sh", answers=f"\n{API_HASH}\n")
    assert empty.returncode == 1 and "nothing was given for telegram_bot_token" in empty.stderr
    assert place.run("scripts/make-secrets.sh", answers=f" {TOKEN}\r\n{API_HASH}").returncode == 0
    made = {path.name: path.read_text() for path in place.secrets.iterdir()}
    assert (made["telegram_bot_token"], made["mtproto_api_hash"]) == (TOKEN, API_HASH)
    assert all(path.stat().st_mode & 0o777 == 0o444 for path in place.secrets.iterdir() if path.suffix != ".new")
    assert place.secrets.stat().st_mode & 0o777 == 0o700
    (identity,) = json.loads(made["s3.json"])["identities"]
    assert identity["credentials"] == [
        {"accessKey": made["s3_access_key_id"], "secretKey": made["s3_secret_access_key"]}
    ]
    assert f"default_pass = {made['rabbitmq_password']}\n" in made["rabbitmq.conf"]
    assert place.run("scripts/make-secrets.sh").returncode == 0
    assert {path.name: path.read_text() for path in place.secrets.iterdir()} == made


def test_podman_is_given_what_it_does_not_have(place: Place) -> None:
    place.program("podman", NOTING_PODMAN)
    place.known.write_text("teltubby-secret-key\n")
    for _ in range(2):
        done = place.run("scripts/make-secrets.sh", "podman", answers=f"{TOKEN}\n{API_HASH}\n")
        assert done.returncode == 0, done.stderr
        assert TOKEN not in done.stdout + done.stderr
        created = place.known.read_text().split()
        assert len(created) == len(set(created)) == 8


def test_an_audit_says_what_it_did_not_find_out(place: Place) -> None:
    requirements = place.folder / "requirements"
    requirements.mkdir()
    (requirements / "a.lock").write_text("b==1 \\\n    --hash=sha256:00\n")
    place.program("pip-audit", PIP_AUDIT)
    for answer, said, code in (
        ([{"name": "b", "version": "1", "vulns": []}], "asked about every package", 0),
        ([{"name": "b", "skip_reason": "not found"}], "of 1 packages, such as b, only the hashes were checked", 0),
        ([{"name": "b", "version": "1", "vulns": [{"id": "CVE-1"}]}], "a.lock: b 1: CVE-1", 1),
        (None, "only its hashes were checked", 0),
    ):
        given = "" if answer is None else json.dumps({"dependencies": answer})
        done = place.run(sys.executable, "scripts/audit-locks.py", ANSWER=given)
        assert said in done.stdout and done.returncode == code, done
    (requirements / "a.lock").write_text("b==1\n")
    done = place.run(sys.executable, "scripts/audit-locks.py", ANSWER="")
    assert "b==1 is not pinned by hash" in done.stdout and done.returncode == 1
