"""TLS to services whose certificates an authority of one's own signed, and what is wrong where it fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_EXPIRED, _NOT_YET, _OTHER_HOST, _OTHER_ADDRESS = 10, 9, 62, 64
"""X509_V_ERR_… of OpenSSL's x509_vfy.h."""
HUNG_UP = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""A connection that ended. It says nothing about whom to trust: servers that are started anew do that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Whom to trust, and who we are; PEM files. None of an authority: those of this machine."""

    ca_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For one connection, so that files that were renewed are used; blocking.

        Raises UnusableFiles for those that cannot be read, or do not belong together.
        """
        try:
            made = ssl.create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise UnusableFiles(f"{self.ca_file}: {_unusable(error, 'a certificate')}") from error
        if self.certificate is not None:
            files = " and ".join(str(path) for path in (self.certificate, self.key) if path is not None)
            try:
                made.load_cert_chain(self.certificate, self.key, _no_passphrase)
            except OSError as error:
                raise UnusableFiles(f"{files}: {_unusable(error, 'a certificate and its key')}") from error
        return made


class UnusableFiles(OSError):
    """Files for TLS that are missing, or are not what they should be: which ones, and why."""


class _Encrypted(OSError):
    """Nobody is there to be asked for a passphrase."""


def _no_passphrase() -> str:
    # Without this OpenSSL would ask at the terminal, where there is one, and wait.
    raise _Encrypted("the key is encrypted: only one without a passphrase can be used")


def _unusable(error: OSError, holds: str) -> str:
    if not isinstance(error, ssl.SSLError):
        return error.strerror or str(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return f"not {holds}, in PEM"


def tls_fault(error: BaseException) -> str | None:
    """What is wrong with the server's certificate, or with its TLS, in words; None where the error is another one.

    Looks through all causes: aiohttp, aiogram, aiobotocore and aiormq wrap what `ssl` raises.
    """
    found: str | None = None
    for cause in causes(error):
        if not hasattr(cause, "reason"):
            continue  # aiohttp's errors are a kind of those of `ssl` that knows nothing; what they come from does
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _refused(cause)
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, HUNG_UP) and found is None:
            found = _failed(cause)
    return found


def _refused(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "its certificate has expired"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet, or the clock of this machine is wrong"
    if error.verify_code in (_OTHER_HOST, _OTHER_ADDRESS):
        return f"its certificate is for another name: {error.verify_message}"
    return f"its certificate was signed by nobody whom we trust: {error.verify_message}"


def _failed(error: ssl.SSLError) -> str:
    why = (error.reason or str(error)).replace("_", " ").lower()
    if why == "wrong version number":
        return "it does not speak TLS at this port"
    if "protocol" in why:
        return f"it knows no TLS as new as 1.2 ({why})"
    if "alert certificate expired" in why:
        return "our certificate has expired"
    if "alert" in why:
        return f"it refuses us, most likely for want of a certificate that it accepts ({why})"
    return f"TLS failed ({why})"


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and everything that it was raised from or while, each once."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        cause = waiting.pop()
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            waiting += (cause.__context__, cause.__cause__)
