"""A real PostgreSQL on loopback, and databases of it, for tests."""

import os
import pwd
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.counterparties import HOST, free_port


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start one server for all tests; give the address of its maintenance database."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("postgresql is not installed; see tools/system_packages.sh")
    binaries, port = found[-1].parent, free_port()
    as_owner = _as_somebody_else()
    with tempfile.TemporaryDirectory(prefix="sightline-pg-") as name:
        folder = Path(name)
        if as_owner:
            os.chown(folder, *pwd.getpwnam("postgres")[2:4])
        data = folder / "data"
        initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "sightline", "-E", "UTF8"]
        subprocess.run([*as_owner, *initdb, "-N"], check=True, capture_output=True, cwd=folder)
        options = f"-p {port} -h {HOST} -k {folder} -c fsync=off"
        control = [*as_owner, binaries / "pg_ctl", "-D", data, "-w"]
        start = [*control, "-l", folder / "log", "-o", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            yield f"postgresql+psycopg://sightline@{HOST}:{port}/postgres"
        finally:
            subprocess.run(
                [*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder
            )


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """Give the address of an empty database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return postgres_server.removesuffix("/postgres") + f"/{name}"


def _as_somebody_else() -> list[str]:
    # PostgreSQL refuses to run as root.
    return [] if os.geteuid() else ["runuser", "-u", "postgres", "--"]
