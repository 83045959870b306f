"""TLS to the database: verified by default away from this host, and never silently plain text."""

import ipaddress
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from dbpower_agent.database_config import parse_database_config
from dbpower_agent.sources.base import SourceError
from dbpower_agent.sources.mysql_connection import MySQLConnection
from dbpower_agent.sources.postgres_connection import PostgresConnection
from tests.agent.conftest import PASSWORD, MySQLSite
from tests.servers.mariadb import MariaDB
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import Account


@dataclass(frozen=True)
class Certificates:
    ca: Path
    cert: Path
    key: Path
    stranger: Path


Signer = tuple[x509.Name, ec.EllipticCurvePrivateKey]


def make_certificate(folder: Path, name: str, signer: Signer | None) -> Signer:
    """Write `name`.pem and `name`.key; signed by itself without `signer`. Certificates are for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer, issuer_key = signer or (subject, key)
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    certificate = builder.sign(issuer_key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return subject, key


def certificates(folder: Path, account: Account) -> Certificates:
    """A server's certificate for 127.0.0.1, its authority, and an authority nobody knows."""
    folder.mkdir()
    authority = make_certificate(folder, "ca", None)
    make_certificate(folder, "server", authority)
    make_certificate(folder, "stranger", None)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o700 if path.is_dir() else 0o600)
        account.own(path)
    return Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key", folder / "stranger.pem")


@pytest.fixture(scope="module")
def tls_postgresql() -> Iterator[tuple[PostgreSQL, Certificates]]:
    server = PostgreSQL()
    made = certificates(server.run / "tls", server.account)
    server.settings = {
        **server.settings,
        "ssl": "on",
        "ssl_cert_file": str(made.cert),
        "ssl_key_file": str(made.key),
    }
    with server:
        server.execute(f"CREATE ROLE agent LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_read_all_stats")
        yield server, made


@pytest.fixture(scope="module")
def tls_mariadb() -> Iterator[tuple[MariaDB, Certificates]]:
    server = MariaDB()
    made = certificates(server.run / "tls", server.account)
    server.settings = {
        **server.settings,
        "ssl-ca": str(made.ca),
        "ssl-cert": str(made.cert),
        "ssl-key": str(made.key),
    }
    with server:
        server.execute(f"CREATE USER agent@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
        yield server, made


def connect(
    kind: str, port: int, tls: dict[str, str] | None, host: str = "127.0.0.1"
) -> MySQLConnection | PostgresConnection:
    raw = {"host": host, "port": port, "user": "agent", "password": PASSWORD, "tls": tls}
    parsed, problems = parse_database_config(raw)
    assert problems == []
    connection = MySQLConnection(parsed) if kind == "mysql" else PostgresConnection(parsed)
    connection.close()
    return connection


@pytest.fixture(params=["mysql", "postgres"])
def tls_server(request: pytest.FixtureRequest) -> tuple[str, int, Certificates]:
    fixture = "tls_mariadb" if request.param == "mysql" else "tls_postgresql"
    server, made = request.getfixturevalue(fixture)
    return request.param, server.port, made


def test_every_mode_connects_where_the_certificate_fits(tls_server: tuple[str, int, Certificates]) -> None:
    kind, port, made = tls_server
    for mode in ("disable", "require"):
        connect(kind, port, {"mode": mode})
    for mode in ("verify_ca", "verify_identity"):
        connect(kind, port, {"mode": mode, "ca": str(made.ca)})


@pytest.mark.parametrize("mode", ["verify_ca", "verify_identity"])
def test_a_certificate_of_an_unknown_authority_is_refused(mode: str, tls_server: tuple[str, int, Certificates]) -> None:
    kind, port, made = tls_server
    with pytest.raises(SourceError):
        connect(kind, port, {"mode": mode, "ca": str(made.stranger)})


def test_a_certificate_for_another_name_is_refused(tls_server: tuple[str, int, Certificates]) -> None:
    kind, port, made = tls_server
    # The same address under a name that the certificate does not bear (libpq takes 127.1 for the address it means).
    other = "127.1" if kind == "mysql" else "localhost"
    connect(kind, port, {"mode": "require"}, host=other)
    with pytest.raises(SourceError):
        connect(kind, port, {"mode": "verify_identity", "ca": str(made.ca)}, host=other)


def test_verification_is_the_default_away_from_this_host(tls_server: tuple[str, int, Certificates]) -> None:
    kind, port, _ = tls_server
    with pytest.raises(SourceError):
        connect(kind, port, None, host="127.1")


def test_mysql_refuses_to_go_on_in_plain_text(mariadb_site: MySQLSite) -> None:
    """MariaDB 10.11 has no TLS until it is given certificates, and the driver then falls back without a word."""
    parsed, _ = parse_database_config({**mariadb_site.db_config, "tls": {"mode": "require"}})
    with pytest.raises(SourceError) as caught:
        MySQLConnection(parsed)
    assert caught.value.code in {"tls_refused", "database_unreachable"}


def test_certificates_leave_nothing_behind(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls", Account.current())
    assert made.ca.exists()
    shutil.rmtree(tmp_path / "tls")
