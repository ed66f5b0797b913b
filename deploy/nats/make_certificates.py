"""Makes a certificate authority, NATS's certificate and PostgreSQL's.

    python make_certificates.py DIRECTORY NAME [NAME…] [--postgres NAME]

For one machine or a trial; with an authority of your own, mount its certificates instead. What is there stays while it
is valid for a month more. Writes ca.pem (clients trust it), server.pem and server.key, and with `--postgres` also
postgres.pem and postgres.key, which PostgreSQL's image may read. The authority's own key is thrown away: nothing can be
signed with it again, and the next certificates come with a new authority.
"""

import argparse
import ipaddress
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

POSTGRES_GROUP = 999
"""The group of PostgreSQL in its image, which takes a key of root's that this group may read."""
LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)


def main(directory: Path, names: list[str], postgres: str | None = None) -> None:
    """Makes the files for a NATS that is reached under `names`, host names or addresses, and a PostgreSQL under its."""
    now = datetime.now(UTC)
    servers = {"server": names} | ({"postgres": [postgres]} if postgres else {})
    if all(_is_good(directory / f"{file}.pem", now) for file in servers):
        return
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _name("Denizen authority")
    ca = (
        _builder(authority, authority, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    for file, reached_under in servers.items():
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(_name(reached_under[0]), authority, key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_alternative(name) for name in reached_under]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        private = directory / f"{file}.key"
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        if file == "postgres" and os.geteuid() == 0:
            os.chown(private, 0, POSTGRES_GROUP)
            private.chmod(0o640)
        (directory / f"{file}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (directory / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))


def _is_good(certificate: Path, now: datetime) -> bool:
    """Whether it is there, and valid for long enough."""
    if not certificate.exists():
        return False
    return x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc - now > RENEW_BEFORE


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Make a certificate authority and the certificates of servers.")
    arguments.add_argument("directory", type=Path)
    arguments.add_argument("names", nargs="+", help="host names and addresses of NATS")
    arguments.add_argument("--postgres", help="host name of PostgreSQL")
    given = arguments.parse_args()
    main(given.directory, given.names, given.postgres)
