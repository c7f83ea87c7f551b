"""Quadlet files, read as strictly as Podman's generator does: a key that it does not know is an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path


def _keys(names: str) -> frozenset[str]:
    return frozenset(names.split())


# As podman-systemd.unit(5) of Podman 4.9 has them, the oldest that is promised; only what we might use.
PODMANS: Mapping[str, frozenset[str]] = {
    "Container": _keys(
        "ContainerName Image Exec Environment EnvironmentFile Secret Volume Network HostName ReadOnly Tmpfs"
        " NoNewPrivileges DropCapability AddCapability HealthCmd HealthInterval HealthTimeout HealthRetries"
        " HealthStartPeriod PublishPort PidsLimit PodmanArgs User Group UserNS Label Pull Ulimit"
    ),
    "Network": _keys("NetworkName Internal Subnet Gateway Driver Label"),
    "Volume": _keys("VolumeName Driver Device Options Label"),
}
# And those of systemd: its pages are named unit, service and resource-control, all of section 5.
SYSTEMDS: Mapping[str, frozenset[str]] = {
    "Unit": _keys("Description Documentation Wants Requires After Before"),
    "Service": _keys(
        "Restart RestartSec RestartPreventExitStatus SuccessExitStatus TimeoutStartSec TimeoutStopSec"
        " MemoryMax MemoryHigh CPUQuota TasksMax"
    ),
    "Install": _keys("WantedBy"),
}
OWN_SECTION = {".container": "Container", ".network": "Network", ".volume": "Volume"}

Section = Mapping[str, Sequence[str]]


class Wrong(Exception):
    """What the generator or systemd would refuse, or pass over."""


def read(path: Path) -> Mapping[str, Section]:
    """Section → key → values in their order. Raises Wrong."""
    sections: dict[str, dict[str, list[str]]] = {}
    keys: dict[str, list[str]] | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("["):
            name = line.strip("[]")
            if line != f"[{name}]" or name in sections:
                raise Wrong(f"{where}: {line}")
            keys = sections[name] = defaultdict(list)
            continue
        key, sign, value = line.partition("=")
        if keys is None or not sign or not value:
            raise Wrong(f"{where}: {line}")
        keys[key].append(value)
    _check_names(path, sections)
    return sections


def _check_names(path: Path, sections: Mapping[str, Section]) -> None:
    own = OWN_SECTION[path.suffix]
    known = {own: PODMANS[own], **SYSTEMDS}
    if own not in sections:
        raise Wrong(f"{path.name}: no [{own}]")
    for section, keys in sections.items():
        unknown = sorted(set(keys) - known.get(section, frozenset()))
        if section not in known or unknown:
            raise Wrong(f"{path.name}: [{section}] {unknown}")


def environment(container: Section) -> dict[str, str]:
    """What Environment= sets; several assignments may stand on a line."""
    pairs = [word for line in container.get("Environment", ()) for word in line.split()]
    return dict(pair.partition("=")[::2] for pair in pairs)


def options(value: str) -> tuple[str, dict[str, str]]:
    """`name,type=mount,target=x` → the name and the rest."""
    name, *rest = value.split(",")
    return name, dict(pair.partition("=")[::2] for pair in rest)
