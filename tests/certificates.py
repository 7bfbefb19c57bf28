"""A certificate authority and what it signed, made by openssl for one test session."""

import dataclasses
import subprocess
from pathlib import Path

import pytest

from tests.counterparties import program


@dataclasses.dataclass(frozen=True, kw_only=True)
class Identity:
    """A certificate and its key, PEM files."""

    certificate: Path
    key: Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Authority:
    """Whom both sides trust, and a stranger whom nobody does."""

    ca: Path
    server: Identity
    client: Identity
    stranger: Identity


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run([program("openssl"), *arguments], cwd=folder, check=True, capture_output=True)


def _self_signed(folder: Path, name: str) -> Identity:
    subject = ("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject)
    return Identity(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")


def _signed(folder: Path, name: str) -> Identity:
    subject = ("-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
    _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", *subject)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
    _openssl(
        folder,
        *("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key"),
        *("-CAcreateserial", "-days", "2", "-extfile", "names", "-out", f"{name}.pem"),
    )
    return Identity(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make an authority, a server and a client that it signed, and a stranger."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = _self_signed(folder, "authority")
    return Authority(
        ca=ca.certificate,
        server=_signed(folder, "server"),
        client=_signed(folder, "client"),
        stranger=_self_signed(folder, "stranger"),
    )
