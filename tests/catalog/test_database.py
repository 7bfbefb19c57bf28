"""The catalog's schema, its migrations and its transactions, on real SQLite and PostgreSQL."""

import importlib.resources
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from sightline.catalog import archive_tables, hub_tables
from sightline.catalog.database import HEADS, Database, Schema, insert_new, sqlite_url
from sightline.errors import BadSettings

METADATA = {"archive": archive_tables.METADATA, "hub": hub_tables.METADATA}
SCHEMAS: tuple[Schema, ...] = ("archive", "hub")
ROW = {"patient_id": "1", "issuer": "", "name": "", "birth_date": "", "sex": ""}


@pytest.fixture
def url(tmp_path: Path, catalog_url: str) -> str:
    return catalog_url or sqlite_url(tmp_path / "catalog.db")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database.open(url, "archive")
    yield opened
    opened.close()


def patients(database: Database) -> int:
    with database.read() as connection:
        query = sa.select(sa.func.count()).select_from(archive_tables.PATIENT)
        return connection.execute(query).scalar_one()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_the_migrations_make_the_tables(url: str, schema: Schema) -> None:
    opened = Database.open(url, schema)
    with opened.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        differences = compare_metadata(context, METADATA[schema])
        head = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar()
    opened.close()
    assert differences == []
    assert head == HEADS[schema]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_heads_are_the_newest_migration_files(schema: Schema) -> None:
    folder = importlib.resources.files("sightline.catalog") / "migrations" / schema / "versions"
    numbers = [
        match[1]
        for each in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_\w+\.py", each.name))
    ]
    assert HEADS[schema] == max(numbers)
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_migration_follows_the_one_before_it(schema: Schema) -> None:
    folder = importlib.resources.files("sightline.catalog") / "migrations" / schema / "versions"
    before: str | None = None
    for each in sorted(folder.iterdir(), key=lambda file: file.name):
        if re.fullmatch(r"\d{4}_\w+\.py", each.name):
            text = each.read_text(encoding="utf-8")
            follows = re.search(r'^down_revision = (?:None|"(\d{4})")$', text, re.MULTILINE)
            assert follows is not None
            assert follows[1] == before
            before = each.name[:4]


def test_a_newer_catalog_is_refused(url: str) -> None:
    opened = Database.open(url, "archive")
    with opened.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    opened.close()
    with pytest.raises(BadSettings, match="version 9999; this Sightline knows") as refusal:
        Database.open(url, "archive")
    assert "Upgrade Sightline" in refusal.value.hint


def test_a_catalog_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="the archive catalog cannot be opened"):
        Database.open(sqlite_url(tmp_path / "missing" / "catalog.db"), "archive")


def test_what_was_written_is_there_when_opened_again(url: str, database: Database) -> None:
    with database.write() as connection:
        connection.execute(archive_tables.PATIENT.insert().values(**ROW))
    database.close()
    again = Database.open(url, "archive")
    assert patients(again) == 1
    again.close()


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            connection.execute(archive_tables.PATIENT.insert().values(**ROW))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert patients(database) == 0
    with database.write() as connection:  # and the next one has its turn
        connection.execute(archive_tables.PATIENT.insert().values(**ROW))
    assert patients(database) == 1


def test_a_reader_sees_one_state(database: Database) -> None:
    query = sa.select(sa.func.count()).select_from(archive_tables.PATIENT)
    with database.read() as connection:
        before = connection.execute(query).scalar_one()
        with database.write() as other:
            other.execute(archive_tables.PATIENT.insert().values(**ROW))
        assert connection.execute(query).scalar_one() == before == 0
    assert patients(database) == 1


def test_insert_new_tells_whether_it_did(database: Database) -> None:
    with database.write() as connection:
        assert insert_new(connection, archive_tables.PATIENT, ROW)
        assert not insert_new(connection, archive_tables.PATIENT, ROW | {"name": "other"})
    assert patients(database) == 1


def test_references_are_enforced(database: Database) -> None:
    series = {
        "uid": "1.2",
        "study_uid": "not there",
        "modality": "CT",
        "number": 1,
        "description": "",
        "body_part": "",
        "manufacturer": "",
        "manufacturer_model": "",
    }
    with pytest.raises(sa.exc.IntegrityError), database.write() as connection:
        connection.execute(archive_tables.SERIES.insert().values(**series))


def test_many_threads_and_processes_write_in_turn(url: str, database: Database) -> None:
    other = Database.open(url, "archive")

    def write(opened: Database, start: int) -> None:
        for number in range(start, start + 20):
            with opened.write() as connection:
                row = ROW | {"patient_id": str(number)}
                connection.execute(archive_tables.PATIENT.insert().values(**row))

    threads = [
        threading.Thread(target=write, args=((database, other)[each % 2], each * 100))
        for each in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert patients(database) == 160


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    database = Database.open(sqlite_url(tmp_path / "catalog.db"), "archive")

    def write() -> None:
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1")  # SQLite's way to be full
            row = ROW | {"name": "x" * 1_000_000}
            connection.execute(archive_tables.PATIENT.insert().values(**row))

    with pytest.raises(OSError, match="cannot be used: database or disk is full"):
        write()
    assert patients(database) == 0
    database.close()


def test_a_hub_of_the_first_version_keeps_its_volumes(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.db")
    scripts = importlib.resources.files("sightline.catalog") / "migrations" / "hub"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql("INSERT INTO study VALUES ('2.25.9', 'S-1', '', '')")
        connection.exec_driver_sql(
            "INSERT INTO series VALUES ('2.25.1', '2.25.9', 'S-1', 'CT', '', '', '', '', 'abc', ''), "
            "('2.25.2', '2.25.9', 'S-1', 'CT', '', '', '', '', '', 'gantry tilt')"
        )
    engine.dispose()
    opened = Database.open(url, "hub")
    with opened.read() as connection:
        volumes = connection.execute(sa.select(hub_tables.VOLUME)).all()
    opened.close()
    assert [tuple(row) for row in volumes] == [("2.25.1", 1, "", "abc")]


def test_records_tied_before_the_door_took_them_have_not_been_seen(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "catalog.db")
    scripts = importlib.resources.files("sightline.catalog") / "migrations" / "archive"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
        tables = sa.MetaData()
        tables.reflect(connection)
        put(connection, tables, "patient", id=1)
        for study in ("1.2", "1.3", "1.4"):
            put(connection, tables, "study", uid=study, patient=1)
        put(connection, tables, "clinical_message", id=1)
        for record, study in ((1, "1.2"), (2, "1.2"), (3, "1.3")):
            put(connection, tables, "clinical_record", id=record, message=1, source_key=str(record))
            put(connection, tables, "clinical_tie", record=record, study_uid=study)
    engine.dispose()
    opened = Database.open(url, "archive")
    with opened.read() as connection:
        rows = connection.execute(sa.select(archive_tables.RECORDS_OF_STUDY)).all()
    opened.close()
    assert sorted(map(tuple, rows)) == [("1.2", 1, 0, 0), ("1.3", 1, 0, 0)]


def put(connection: sa.Connection, tables: sa.MetaData, name: str, **values: object) -> None:
    """Insert a row; what must not be empty and is not given is a blank or 0."""
    blanks = {
        column.name: "" if isinstance(column.type, sa.String) else 0
        for column in tables.tables[name].columns
        if not column.nullable
    }
    connection.execute(tables.tables[name].insert().values(blanks | values))


def test_both_schemas_live_in_one_postgresql_database(postgres_url: str) -> None:
    opened = [Database.open(postgres_url, schema) for schema in SCHEMAS]
    for database, metadata in zip(opened, METADATA.values(), strict=True):
        with database.read() as connection:
            for table in metadata.sorted_tables:
                assert connection.execute(sa.select(sa.func.count()).select_from(table)).one() == (
                    0,
                )
        database.close()


def test_annotations_and_what_refers_to_them_survive_that_they_need_no_instance(url: str) -> None:
    """SQLite makes the table anew for it; a row that refers to nothing is refused before and after."""
    opened = Database.open(url, "hub")
    _migrate(opened, "0006")
    names = {"study": "1", "series": "1.1", "annotation": "annotation-1", "version": "collection-1"}
    with opened.write() as connection:
        for statement in (
            "INSERT INTO study VALUES (:study, 'S-1', '', '')",
            "INSERT INTO series VALUES (:series, :study, 'S-1', 'CT', '', '', '', '', '', '')",
            "INSERT INTO instance VALUES ('1.1.1', :series, '', '', 1, '')",
            "INSERT INTO annotation VALUES (:annotation, :series, '1.1.1', 'R-1', '[]', 'aa', '')",
            "INSERT INTO collection_version VALUES (:version, 'one', 1, '', '', 0)",
            (
                "INSERT INTO collection_member "
                "VALUES (:version, :series, 'S-1', '', :annotation, 'aa', 'train', '', NULL)"
            ),
        ):
            connection.execute(sa.text(statement), names)
    for revision in ("head", "0006", "head"):
        _migrate(opened, revision)
        with opened.read() as connection:
            rows = connection.execute(sa.text("SELECT id, instance_uid FROM annotation")).all()
            assert [tuple(row) for row in rows] == [("annotation-1", "1.1.1")]
    values = {"version_id": "collection-1", "series_uid": "1.1", "annotation_id": "annotation-2"}
    with pytest.raises(sa.exc.IntegrityError), opened.write() as connection:
        connection.execute(hub_tables.COLLECTION_MEMBER.update().values(**values))
    opened.close()


def _migrate(database: Database, revision: str) -> None:
    scripts = importlib.resources.files("sightline.catalog") / "migrations" / "hub"
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with database.write() as connection:
        config.attributes["connection"] = connection
        go = command.upgrade if revision == "head" else command.downgrade
        go(config, revision)
