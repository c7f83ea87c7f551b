"""Writes into FOLDER what tests of TLS need. Run by `.venv-swift/bin/python`, which has `cryptography`.

`ca.pem` is an authority, `other-ca.pem` one that signed none of the others. Each other file is a key with a certificate
that the first one signed: `server.pem` for 127.0.0.1, `expired.pem` and `misnamed.pem`, and `client.pem`, which is
also there in two files, `client-cert.pem` and `client-key.pem`; `encrypted-key.pem` is the latter with a passphrase.
"""

from __future__ import annotations

import ipaddress
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM
CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
NOW = datetime.now(UTC)


class Authority:
    """Signs; its certificate signs itself."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        basic = x509.BasicConstraints(ca=True, path_length=0)
        builder = _builder(self._name, self._key, self._name, NOW + DAY).add_extension(basic, critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)

    def issue(self, address: str, *, until: datetime = NOW + DAY) -> bytes:
        """A key, and the certificate for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = _builder(_name(address), key, self._name, until).add_extension(names, critical=False)
        certificate: bytes = builder.sign(self._key, hashes.SHA256()).public_bytes(PEM)
        pkcs8 = serialization.PrivateFormat.PKCS8
        private: bytes = key.private_bytes(PEM, pkcs8, serialization.NoEncryption())
        return private + certificate


def main(folder: Path) -> None:
    authority = Authority("an authority of tests")
    (folder / "ca.pem").write_bytes(authority.pem)
    (folder / "other-ca.pem").write_bytes(Authority("another one").pem)
    (folder / "server.pem").write_bytes(authority.issue("127.0.0.1"))
    client = authority.issue("127.0.0.1")
    (folder / "client.pem").write_bytes(client)
    (folder / "client-key.pem").write_bytes(client[: client.index(CERTIFICATE)])
    (folder / "client-cert.pem").write_bytes(client[client.index(CERTIFICATE) :])
    (folder / "encrypted-key.pem").write_bytes(
        serialization.load_pem_private_key(client, None).private_bytes(
            PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"a passphrase")
        )
    )
    (folder / "expired.pem").write_bytes(authority.issue("127.0.0.1", until=NOW - DAY))
    (folder / "misnamed.pem").write_bytes(authority.issue("192.0.2.1"))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, until: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(NOW - 3 * DAY).not_valid_after(until)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
