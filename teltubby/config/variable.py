"""What a setting is: its name, what it accepts, what it is for; and the value types that pydantic does not have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from teltubby.messages.collector import MetricsStep
from teltubby.messages.routes import FileRoute


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, attached to the field of a settings group that it fills.

    `expects` completes the sentence "… must be", `about` is its line in docs/configuration.md. `aliases` are read when
    `name` is not set. A secret can lie in a file instead, which NAME_FILE names.
    """

    name: str
    expects: str
    about: str
    aliases: tuple[str, ...] = ()
    secret: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The name and its aliases, in the order in which they are looked up."""
        return (self.name, *self.aliases)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The variables that can name a file with the value in it; none unless it is a secret."""
        return tuple(f"{name}_FILE" for name in self.names) if self.secret else ()


class Wrong(ValueError):
    """Why a value is refused, in words that repeat none of it: it may be a secret, and other libraries quote it."""


@dataclass(frozen=True, slots=True)
class DataCentre:
    """An MTProto endpoint, written `2@127.0.0.1:4430`: the data centre's number, host and port."""

    number: int
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.number}@{host}:{self.port}"


_UNITS = {"m": 60, "h": 3600, "d": 86400}
_METRICS_STEP = re.compile(r"(?P<age>[1-9]\d{0,4}[mhd]):(?P<every>[1-9]\d{0,4}[mhd])", re.ASCII)
LEAST_INTERVAL = 60.0
"""Seconds between two readings of counters: Telegram itself refreshes views no more often."""
_DATA_CENTRE = re.compile(r"(?P<number>[1-9]\d{0,4})@(?:\[(?P<v6>[0-9A-Fa-f:.]+)]|(?P<host>[\w.-]+)):(?P<port>\d{1,5})")
_PROXY_WORD = 255
"""RFC 1929: a name and a password each have one byte for their length."""
# Telegram publishes its keys as PKCS#1; openssl writes SubjectPublicKeyInfo by default.
_PEM_PUBLIC_KEYS = ("-----BEGIN RSA PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----")
_PEM_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


def _split_list(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(item for item in (part.strip() for part in value.split(",")) if item)


def _parse_data_centre(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _DATA_CENTRE.fullmatch(value)
    if match is None:
        raise ValueError
    port = int(match["port"])
    if not 0 < port <= 65535:
        raise Wrong(f"port {port} does not exist")
    return DataCentre(int(match["number"]), match["v6"] or match["host"], port)


def _check_web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:  # .port raises on a wrong one
        raise ValueError
    if parts.username or parts.password:
        raise Wrong("credentials do not belong in it")
    if parts.query or parts.fragment:
        raise Wrong("it ends with the path")
    return value.rstrip("/")


def _check_public_key(path: Path) -> Path:
    text = _pem_text(path)
    header = next((header for header in _PEM_PUBLIC_KEYS if header in text), None)
    if header is None or header.replace("BEGIN", "END") not in text:
        raise Wrong("it holds no RSA public key")
    return path


def _check_certificate(path: Path) -> Path:
    if _PEM_CERTIFICATE not in _pem_text(path):
        raise Wrong("it holds no certificate")
    return path


def check_key(path: Path) -> Path:
    """It holds a private key that can be used. Raises Wrong."""
    text = _pem_text(path)
    if "PRIVATE KEY-----" not in text:
        raise Wrong("it holds no private key")
    if "ENCRYPTED" in text:  # in the first line (PKCS#8), or in the one after it
        raise Wrong("its key is encrypted, and there is nobody to be asked for the passphrase")
    return path


def _pem_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Wrong("no such file") from None
    except OSError as error:
        raise Wrong(error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise Wrong("it is not PEM") from None


def matching(pattern: str) -> AfterValidator:
    """A validator for secrets, whose type knows no patterns: the whole value must match."""

    def check(value: SecretStr) -> SecretStr:
        if not re.fullmatch(pattern, value.get_secret_value(), re.ASCII):
            raise ValueError
        return value

    return AfterValidator(check)


def _check_proxy(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in {"socks5", "socks4", "http"} or not parts.hostname or not parts.port:
        raise ValueError
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    try:
        for word in (name, password):
            if len(word.encode("latin-1" if parts.scheme == "http" else "ascii")) > _PROXY_WORD:
                raise Wrong(f"a name or password has at most {_PROXY_WORD} characters")
    except UnicodeEncodeError:
        raise Wrong(f"the name or password has a character that a proxy of {parts.scheme} is not told") from None
    if parts.scheme == "http" and ":" in name:
        raise Wrong("a name that an HTTP proxy is told has no colon")
    return value


def _no_repetition(routes: tuple[FileRoute, ...]) -> tuple[FileRoute, ...]:
    if not routes or len(set(routes)) != len(routes):
        raise ValueError
    return routes


def _parse_schedule(value: object) -> object:
    if not isinstance(value, str):
        return value
    steps = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        match = _METRICS_STEP.fullmatch(part)
        if match is None:
            raise ValueError
        steps.append(MetricsStep(age=_span(match["age"]), every=_span(match["every"])))
    return tuple(steps)


def _check_schedule(steps: tuple[MetricsStep, ...]) -> tuple[MetricsStep, ...]:
    if any(earlier.age >= later.age or earlier.every > later.every for earlier, later in pairwise(steps)):
        raise Wrong("ages and intervals must grow from step to step")
    if any(step.every.total_seconds() < LEAST_INTERVAL or step.every > step.age for step in steps):
        raise Wrong("an interval is at least a minute, and no longer than the age")
    return steps


def _span(text: str) -> timedelta:
    return timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]])


IdList = Annotated[tuple[Annotated[int, Field(gt=0)], ...], BeforeValidator(_split_list)]
RouteList = Annotated[tuple[FileRoute, ...], BeforeValidator(_split_list), AfterValidator(_no_repetition)]
NameList = Annotated[tuple[str, ...], BeforeValidator(_split_list)]
DataCentreAddress = Annotated[DataCentre, BeforeValidator(_parse_data_centre)]
WebAddress = Annotated[str, AfterValidator(_check_web_address)]
CertificateFile = Annotated[Path, AfterValidator(_check_certificate)]
KeyFile = Annotated[Path, AfterValidator(check_key)]
PublicKeyFile = Annotated[Path, AfterValidator(_check_public_key)]
ProxyAddress = Annotated[SecretStr, AfterValidator(_check_proxy)]
MetricsSchedule = Annotated[tuple[MetricsStep, ...], BeforeValidator(_parse_schedule), AfterValidator(_check_schedule)]
