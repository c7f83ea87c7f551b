"""What is deployed with Podman or Docker: linted, told apart from nothing that is not there, and closed to outside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from teltubby.config import Role, load
from teltubby.config.model import all_variables
from tests.deploy.quadlets import Section, Wrong, environment, options, read
from tests.watching.test_stop_times import TREES, stop_seconds, widest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
QUADLETS = sorted((DEPLOY / "quadlet").iterdir())
CONTAINERFILE = (ROOT / "Containerfile").read_text()
WINGS, SERVERS = ("bot", "worker"), ("rabbitmq", "s3")
OWN_USER = "10001"


def container(name: str) -> Mapping[str, Section]:
    return read(DEPLOY / "quadlet" / f"teltubby-{name}.container")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return dict(yaml.safe_load((DEPLOY / "compose.yaml").read_text()))


# -- the image


def test_the_containerfile_is_linted() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    linted = subprocess.run([hadolint, ROOT / "Containerfile"], capture_output=True, text=True, check=False)
    assert (linted.returncode, linted.stdout) == (0, "")


def test_the_image_runs_as_nobody_in_particular_and_tells_its_health() -> None:
    final = CONTAINERFILE.rpartition("\nFROM ")[2]
    assert f"USER {OWN_USER}:{OWN_USER}" in final and 'CMD ["teltubby", "health"]' in final
    assert "STOPSIGNAL SIGTERM" in final and "RUN pip" not in final
    assert re.search(r"^ARG BASE=\S+:\d+\.\d+\.\d+-\S+$", CONTAINERFILE, re.MULTILINE), "a base of one version"
    assert all("--require-hashes" in line for line in CONTAINERFILE.splitlines() if ".lock" in line and "pip" in line)
    assert f"ARG VERSION={version('teltubby')}" in final


def test_what_is_copied_into_the_build_is_let_in_and_nothing_else() -> None:
    lines = (ROOT / ".containerignore").read_text().splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copies = re.findall(r"^COPY (?!--)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    assert {name.rstrip("/") for copy in copies for name in copy.split()} == let_in
    assert "*" in lines and "**/__pycache__" in lines


def test_the_bill_of_materials_names_all_that_is_installed() -> None:
    written = subprocess.run(
        [sys.executable, ROOT / "scripts" / "write-sbom.py"], capture_output=True, text=True, check=True
    )
    bill = json.loads(written.stdout)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["aiogram"]["purl"] == f"pkg:pypi/aiogram@{version('aiogram')}"
    references = {part["bom-ref"] for part in (*bill["components"], bill["metadata"]["component"])}
    assert len(references) == len(bill["components"]) + 1
    needs = {each["ref"]: each["dependsOn"] for each in bill["dependencies"]}
    assert {need for all_needs in needs.values() for need in all_needs} | needs.keys() <= references
    assert parts["trio"]["bom-ref"] in needs[bill["metadata"]["component"]["bom-ref"]]


# -- Quadlet


@pytest.mark.parametrize("path", QUADLETS, ids=lambda path: path.name)
def test_quadlets_are_as_the_generator_wants_them(path: Path) -> None:
    sections = read(path)
    here = {each.name for each in QUADLETS}
    own = sections.get("Container", {})
    networks, volumes = own.get("Network", ()), [value.partition(":")[0] for value in own.get("Volume", ())]
    assert {*networks, *volumes} <= here, "units that are there"
    wanted = " ".join([*sections["Unit"].get("Wants", ()), *sections["Unit"].get("After", ())]).split()
    assert {name.replace(".service", ".container") for name in wanted} <= here


@pytest.mark.parametrize(
    "text", ["[Container]\nImagee=x", "[Container]\nImage", "Image=x", "[Pod]\nA=b", "[Unit]\nDescription=x"]
)
def test_what_the_generator_would_refuse_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "x.container"
    path.write_text(text)
    with pytest.raises(Wrong):
        read(path)


def test_nothing_is_published_and_only_the_wings_have_a_way_out(compose: dict[str, Any]) -> None:
    for name in (*WINGS, *SERVERS):
        own, service = container(name)["Container"], compose["services"][name]
        assert "PublishPort" not in own and "ports" not in service
        inside = ["teltubby-inside.network"]
        assert own["Network"] == (inside if name in SERVERS else [*inside, "teltubby-outside.network"])
        assert service["networks"] == (["inside"] if name in SERVERS else ["inside", "outside"])
    assert read(DEPLOY / "quadlet" / "teltubby-inside.network")["Network"]["Internal"] == ["true"]
    assert compose["networks"]["inside"]["internal"] is True


@pytest.mark.parametrize("name", WINGS)
def test_the_wings_may_do_as_little_as_they_can_do_with(name: str, compose: dict[str, Any]) -> None:
    sections, service = container(name), compose["services"][name]
    own, run = sections["Container"], sections["Service"]
    assert [own[key] for key in ("ReadOnly", "NoNewPrivileges", "DropCapability")] == [["true"], ["true"], ["all"]]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] == f"{OWN_USER}:{OWN_USER}"
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert run["RestartPreventExitStatus"] == ["78"] and run["Restart"] == ["on-failure"]
    assert service["restart"].startswith("on-failure:"), "not for ever"
    assert all(run[key] for key in ("MemoryMax", "CPUQuota", "TasksMax"))
    assert all(service[key] for key in ("mem_limit", "cpus", "pids_limit"))
    assert own["HealthCmd"] == [" ".join(service["healthcheck"]["test"][1:])] == ["teltubby health"]


@pytest.mark.parametrize("wing", TREES)
def test_containers_are_given_the_time_that_the_tree_may_take(
    wing: str, tmp_path: Path, compose: dict[str, Any]
) -> None:
    needed = stop_seconds(widest(wing, tmp_path))
    sections = container(wing)
    assert sections["Container"]["PodmanArgs"] == [f"--stop-timeout={needed}"], "write this number there"
    assert sections["Service"]["TimeoutStopSec"] == [str(needed + 30)], "Podman first, then systemd"
    assert compose["services"][wing]["stop_grace_period"] == f"{needed}s"


@pytest.mark.parametrize("name", WINGS)
def test_secrets_come_by_file_and_are_the_same_with_both(name: str, compose: dict[str, Any]) -> None:
    own, service = container(name)["Container"], compose["services"][name]
    settings = environment(own)
    known = {variable.name for variable in all_variables()}
    by_file = {file for variable in all_variables() for file in variable.file_names}
    assert settings.keys() == service["environment"].keys() and settings.keys() <= known | by_file
    assert not {variable.name for variable in all_variables() if variable.secret} & settings.keys(), "by file only"
    mounted = {}
    for value in own["Secret"]:
        secret, how = options(value)
        assert (how["type"], how["uid"], how["gid"], how["mode"]) == ("mount", OWN_USER, OWN_USER, "0400")
        folder, _, file = how["target"].rpartition("/")
        assert (folder, secret) == ("/secrets", f"teltubby-{file.replace('_', '-')}")
        mounted[file] = how["target"]
    named = {Path(value).name for setting, value in settings.items() if setting in by_file}
    assert named == mounted.keys() == set(service["secrets"]) <= compose["secrets"].keys()
    assert {value for setting, value in settings.items() if setting in by_file} == set(mounted.values())
    assert {value for setting, value in service["environment"].items() if setting in by_file} == {
        f"/run/secrets/{secret}" for secret in service["secrets"]
    }


@pytest.mark.parametrize("name", WINGS)
@pytest.mark.parametrize("with_compose", [False, True], ids=["quadlet", "compose"])
def test_a_wing_starts_with_the_settings_that_it_is_given(
    name: str, with_compose: bool, compose: dict[str, Any], tmp_path: Path
) -> None:
    """Those of its unit, of a filled in deploy/teltubby.env, and of the secrets that make-secrets.sh makes."""
    common = (DEPLOY / "teltubby.env").read_text()
    filled_in = common.replace("TELEGRAM_WHITELIST_IDS=", "TELEGRAM_WHITELIST_IDS=1").replace("_API_ID=", "_API_ID=1")
    given = {line.partition("=")[0]: line.partition("=")[2] for line in filled_in.splitlines() if line[0] != "#"}
    assert len(given) == 2 and all(given.values())
    given |= compose["services"][name]["environment"] if with_compose else environment(container(name)["Container"])
    secrets = {"telegram_bot_token": "1:a", "mtproto_api_hash": "0123456789abcdef" * 2, "secret_key": "ab" * 32}
    for setting in [setting for setting in given if setting.endswith("_FILE")]:
        secret = Path(given[setting]).name
        (tmp_path / secret).write_text(secrets.get(secret, "drawn"))
        given[setting] = str(tmp_path / secret)
    config = load(Role(name), given, None)
    assert config.queue.host in {"rabbitmq", "teltubby-rabbitmq"} and config.s3.bucket == "teltubby"


def test_every_secret_is_made(compose: dict[str, Any]) -> None:
    script = (ROOT / "scripts" / "make-secrets.sh").read_text()
    made = set(re.findall(r"(?:keep|asked) ([a-z0-9_.]+)", script))
    assert {Path(secret["file"]).name for secret in compose["secrets"].values()} | {"rabbitmq.conf"} == made
    created = {
        f"teltubby-{name.replace('_', '-')}" for name in re.findall(r"^for file in (.+); do$", script, re.M)[0].split()
    }
    created |= set(re.findall(r"^secret (teltubby-[a-z0-9-]+) ", script, re.M))
    used = {options(value)[0] for name in (*WINGS, *SERVERS) for value in container(name)["Container"]["Secret"]}
    assert used == created
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_images_volumes_and_limits_are_the_same_with_both(compose: dict[str, Any]) -> None:
    for name in (*WINGS, *SERVERS):
        sections, service = container(name), compose["services"][name]
        own = sections["Container"]
        assert own["Image"] == [service["image"]]
        assert ":" in own["Image"][0].rpartition("/")[2], "one version"
        assert [value.partition(":")[2].removesuffix(":U") for value in own["Volume"]] == [
            value.partition(":")[2] for value in service["volumes"] if not value.startswith("./")
        ]
        assert sections["Service"]["MemoryMax"] == [str(service["mem_limit"]).upper()]
        assert sections["Service"]["CPUQuota"] == [f"{service['cpus'] * 100}%"]
        assert sections["Service"]["TasksMax"] == [str(service["pids_limit"])]
