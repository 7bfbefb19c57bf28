"""Statements straight on the driver say and raise what SQLAlchemy would."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from sightline.catalog.archive_tables import PATIENT, SERIES
from sightline.catalog.database import Database, sqlite_url
from sightline.catalog.statements import Statement

INSERT = Statement(PATIENT.insert())
RENAME = Statement(
    PATIENT.update()
    .where(PATIENT.c.patient_id == sa.bindparam("who"))
    .values(name=PATIENT.c.name + "!", sex=sa.bindparam("is"))
)
FIND = Statement(sa.select(PATIENT.c.name, PATIENT.c.sex).where(PATIENT.c.issuer == "X"))
ROW: dict[str, object] = {
    **dict.fromkeys(column.name for column in PATIENT.c),
    "patient_id": "1",
    "issuer": "X",
    "name": "A",
    "name_key": "a",
    "birth_date": "",
    "sex": "",
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database.open(sqlite_url(tmp_path / "catalog.db"), "archive")
    yield opened
    opened.close()


def insert_all(connection: sa.Connection, rows: list[dict[str, object]]) -> None:
    for row in rows:
        INSERT.run(connection, row)


def test_rows_go_in_and_come_out(database: Database) -> None:
    with database.write() as connection:
        INSERT.run(connection, ROW)
        RENAME.run(connection, {"who": "1", "is": "O"})
    with database.read() as connection:
        assert FIND.rows(connection, {}) == [("A!", "O")]


def test_nothing_stays_of_a_transaction_that_fails(database: Database) -> None:
    with database.write() as connection:
        INSERT.run(connection, ROW | {"issuer": "Y"})
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        insert_all(connection, [ROW, ROW | {"issuer": "Y"}])
    with database.read() as connection:
        assert FIND.rows(connection, {}) == []


def test_foreign_keys_are_kept(database: Database) -> None:
    series = dict.fromkeys((column.name for column in SERIES.columns), "") | {"study_uid": "none"}
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        Statement(SERIES.insert()).run(connection, series)


def test_a_catalog_that_is_gone_is_an_os_error(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE patient RENAME TO gone"))
    with pytest.raises(OSError, match="catalog cannot be used"), database.read() as connection:
        FIND.rows(connection, {})


def test_a_query_by_itself_sees_what_is_committed_and_nothing_else(database: Database) -> None:
    assert database.find(FIND, {}) == []
    with database.write() as connection:
        INSERT.run(connection, ROW)
        assert database.find(FIND, {}) == []
    assert database.find(FIND, {}) == [("A", "")]


def test_queries_by_themselves_run_beside_each_other(database: Database) -> None:
    with database.write() as connection:
        INSERT.run(connection, ROW)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: database.find(FIND, {}), range(200)))
    assert found == [[("A", "")]] * 200


def test_a_query_by_itself_goes_on_after_one_that_failed(database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE patient RENAME TO gone"))
    with pytest.raises(OSError, match="catalog cannot be used"):
        database.find(FIND, {})
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE gone RENAME TO patient"))
    assert database.find(FIND, {}) == []
