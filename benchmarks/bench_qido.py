"""OHIF's study query over 100,000 studies of ten instances, beside a plain LIKE.

The server answers over HTTP on loopback from a generated catalog, once on SQLite and once on a
PostgreSQL that is started here. The queries vary part of a name (1 to 8 letters, frequent, rare
or absent), modality and range of dates. The peer is the design that one would write first: LIKE
over joined tables without indexes, in the same SQLite file; it is asked every twentieth query,
without HTTP or JSON, which favours it. Times are the 95th percentile.
"""

import argparse
import http.client
import json
import os
import pwd
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parent.parent))

from sightline.archive.archive import Archive
from sightline.catalog.database import Database, sqlite_url
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.store.objects import ObjectStore
from sightline.web.app import create_app
from sightline.web.server import WebServer
from tests.catalogs import StudyQuery, fill, queries
from tests.counterparties import HOST, free_port

QUERIES = 400
EVERY = 20
TABLES = ("patient", "study", "series")
PLAIN = """
SELECT plain_study.uid, plain_study.study_date, plain_patient.name
FROM plain_study JOIN plain_patient ON plain_study.patient = plain_patient.id
JOIN plain_series ON plain_series.study_uid = plain_study.uid
WHERE plain_patient.name LIKE :term AND plain_series.modality LIKE :modality
AND plain_study.study_date BETWEEN :first AND :last
GROUP BY plain_study.uid, plain_study.study_date, plain_study.study_time, plain_patient.name
ORDER BY plain_study.study_date DESC, plain_study.study_time DESC LIMIT 102
"""


def main() -> None:
    """Ask both engines, then the peer, and print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--studies", type=int, default=100_000)
    studies = parser.parse_args().studies
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = Database.open(sqlite_url(folder / "catalog.db"), "archive")
        generated = fill(database, studies=studies)
        asked = list(queries(generated, QUERIES))
        ours = _p95_ms(_over_http(database, folder, asked))
        peer = _p95_ms(_plainly(database, asked[::EVERY]))
        database.close()
        postgresql = _on_postgresql(folder, studies, asked)
    print(
        json.dumps(
            {
                "name": f"OHIF's study query, {studies} studies, p95 (generated catalog)",
                "ours": ours,
                "ours_postgresql": postgresql,
                "peer": peer,
                "ratio": round(peer / ours, 1),
                "unit": "ms",
            }
        )
    )


def _over_http(database: Database, folder: Path, asked: Sequence[StudyQuery]) -> Iterator[float]:
    archive = Archive(database, ObjectStore.open(folder / "objects"))
    hub = Hub.at(folder / "hub")
    settings = Settings.load(data_dir=folder, web_port=0)
    server = WebServer(settings, create_app(settings, archive, hub))
    server.start()
    host, _, port = server.url.removeprefix("http://").partition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    try:
        for each in asked:
            began = time.perf_counter()
            connection.request("GET", each.path)
            answer = connection.getresponse()
            body = answer.read()
            yield time.perf_counter() - began
            if answer.status != http.HTTPStatus.OK:
                sys.exit(f"status {answer.status}: {body[:200]!r}")
    finally:
        connection.close()
        server.stop()
        hub.close()


def _plainly(database: Database, asked: Sequence[StudyQuery]) -> Iterator[float]:
    with database.write() as connection:
        for table in TABLES:
            connection.execute(sa.text(f"CREATE TABLE plain_{table} AS SELECT * FROM {table}"))  # noqa: S608 - our own names
    with database.read() as connection:
        for each in asked:
            began = time.perf_counter()
            connection.execute(
                sa.text(PLAIN),
                {
                    "term": f"%{each.term}%",
                    "modality": each.modality or "%",
                    "first": each.first,
                    "last": each.last or "9",
                },
            ).all()
            yield time.perf_counter() - began


def _on_postgresql(folder: Path, studies: int, asked: Sequence[StudyQuery]) -> float | None:
    if not sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        print("PostgreSQL is not installed: apt-get install postgresql", file=sys.stderr)
        return None
    with _postgresql() as url:
        database = Database.open(url, "archive")
        fill(database, studies=studies)
        try:
            return _p95_ms(_over_http(database, folder / "postgresql", asked))
        finally:
            database.close()


@contextmanager
def _postgresql() -> Iterator[str]:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin/initdb")).parent
    # PostgreSQL refuses to run as root.
    as_owner = [] if os.geteuid() else ["runuser", "-u", "postgres", "--"]
    with tempfile.TemporaryDirectory(prefix="sightline-pg-") as name:
        folder, port = Path(name), free_port()
        if as_owner:
            os.chown(folder, *pwd.getpwnam("postgres")[2:4])
        data = folder / "data"
        initdb = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "sightline", "-E", "UTF8"]
        subprocess.run([*as_owner, *initdb], check=True, capture_output=True, cwd=folder)
        control = [*as_owner, binaries / "pg_ctl", "-D", data, "-w"]
        options = f"-p {port} -h {HOST} -k {folder}"
        start = [*control, "-l", folder / "log", "-o", options, "start"]
        subprocess.run(start, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        try:
            yield f"postgresql+psycopg://sightline@{HOST}:{port}/postgres"
        finally:
            stop = [*control, "-m", "immediate", "stop"]
            subprocess.run(stop, check=True, capture_output=True, cwd=folder)


def _p95_ms(seconds: Iterator[float]) -> float:
    return round(statistics.quantiles(seconds, n=20)[-1] * 1000, 1)


if __name__ == "__main__":
    main()
