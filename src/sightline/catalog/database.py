"""One SQL database: SQLite in WAL mode beside the files, or PostgreSQL."""

import dataclasses
import functools
import importlib
import importlib.resources
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import sqlalchemy as sa

from sightline import clock, extras
from sightline.catalog.statements import Statement
from sightline.errors import BadSettings

Schema: TypeAlias = Literal["archive", "hub"]
HEADS: dict[Schema, str] = {"archive": "0014", "hub": "0014"}
"""The newest migration of each schema; a test holds them against the files."""

_BUSY_TIMEOUT_MS = 30_000
# About a tenth of a commit.
_TURN_POLL_S = 0.0003
_PRIMARY_CODE = 0xFF
_MOST_CONNECTIONS = 40
_LONGEST_WAIT_S = 30
_POSTGRESQL = (
    "synchronous_commit=on",  # a commit is an acknowledgement, whatever the server's default is
    # Our queries are done before they are compiled, or before a second process has started.
    "jit=off",
    "max_parallel_workers_per_gather=0",
)
# PostgreSQL's serialization_failure and deadlock_detected.
_COLLISIONS = frozenset({"40001", "40P01"})


class _SqliteWriter:
    """The one connection of a process by which it writes to SQLite.

    SQLite has one writer, and polls for its turn: threads of one process queue here instead. The
    connection stays open, so that it still has the pages that the last transaction read.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._connection: sa.Connection | None = None

    @contextmanager
    def begin(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """Wait for the turn and give the connection, within a transaction."""
        with self._turn:
            connection = self._connection or _writer(engine)
            self._connection = None
            try:
                with connection.begin():
                    yield connection
            except BaseException:
                connection.close()  # whatever failed, the next transaction begins afresh
                raise
            self._connection = connection

    def close(self) -> None:
        """Close the connection once nobody writes."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


class _SqliteFinder:
    """Connections that each run one query at a time, and stay open in between."""

    def __init__(self) -> None:
        self._idle: list[sa.Connection] = []

    def rows(
        self, engine: sa.Engine, statement: Statement, values: Mapping[str, object]
    ) -> list[Any]:
        """Run a query outside any transaction."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = engine.connect()
            connection.detach()
        try:
            rows = statement.rows_alone(connection, values)
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return rows

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()


@dataclasses.dataclass(frozen=True, slots=True)
class Database:
    """An engine whose transactions say beforehand whether they write."""

    engine: sa.Engine
    _writer: _SqliteWriter = dataclasses.field(
        default_factory=_SqliteWriter, repr=False, compare=False
    )
    _finder: _SqliteFinder = dataclasses.field(
        default_factory=_SqliteFinder, repr=False, compare=False
    )

    @classmethod
    def open(cls, url: str, schema: Schema) -> Self:
        """Connect, bring the schema to its newest version, and return the database.

        Args:
            url: such as `sqlite:///path/catalog.db` or `postgresql://host/name`.
            schema: which set of tables lives there; in PostgreSQL, the schema of that name.

        Raises:
            BadSettings: The database cannot be opened, or a newer Sightline wrote it.
            MissingExtra: The driver of PostgreSQL is not installed.
        """
        engine = _engine(url, schema)
        with ExitStack() as on_failure:
            on_failure.callback(engine.dispose)
            try:
                _upgrade(engine, schema)
            except sa.exc.OperationalError as error:
                raise BadSettings(
                    f"the {schema} catalog cannot be opened: {error.orig}",
                    hint="Check that the data directory exists, is writable and has space left; "
                    "or that catalog_url names a database that runs.",
                ) from error
            on_failure.pop_all()
        return cls(engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one state of the database.

        Raises:
            OSError: The disk fails, or no file can be opened.
        """
        with _disk_errors(), self.engine.connect() as connection:
            yield connection

    def find(self, statement: Statement, values: Mapping[str, object]) -> list[Any]:
        """Run one query by itself and return its rows as tuples: cheaper than `read`.

        Raises:
            OSError: The disk fails, or no file can be opened.
        """
        if self.engine.dialect.name != "sqlite":
            with self.read() as connection:
                return statement.rows(connection, values)
        with _disk_errors():
            return self._finder.rows(self.engine, statement, values)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection whose changes are durable when the block ends, or none are.

        Raises:
            Collision: Another writer came between (PostgreSQL); the block may be run again.
            OSError: The disk is full or fails, or another process writes for too long.
        """
        if self.engine.dialect.name == "sqlite":
            begun = self._writer.begin(self.engine)
        else:
            begun = _writing(self.engine).begin()
        with _disk_errors(), begun as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._writer.close()
        self._finder.close()
        self.engine.dispose()


def _writing(engine: sa.Engine) -> sa.Engine:
    """Return an engine whose transactions say that they write."""
    return engine.execution_options(writes=True)


def _writer(engine: sa.Engine) -> sa.Connection:
    """Connect to SQLite, for one who polls for the turn to write."""
    connection = _writing(engine).connect()
    connection.detach()  # it never goes back to the pool
    connection.connection.execute("PRAGMA busy_timeout=0")
    return connection


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file."""
    return f"sqlite:///{path}"


def insert_new(connection: sa.Connection, table: sa.Table, row: dict[str, Any]) -> bool:
    """Insert `row` unless its key is there; tell whether it was inserted."""
    statement = _insert_or_leave(connection.dialect.name, table)
    # Unasked, SQLAlchemy answers -1 for an INSERT on PostgreSQL, whatever it did.
    done = connection.execute(statement, row, execution_options={"preserve_rowcount": True})
    return bool(done.rowcount == 1)


@functools.cache
def _insert_or_leave(dialect_name: str, table: sa.Table) -> sa.Insert:
    # Once a table: putting a statement together costs more than running it.
    dialect = importlib.import_module(f"sqlalchemy.dialects.{dialect_name}")
    statement: sa.Insert = dialect.insert(table).on_conflict_do_nothing()
    return statement


class Collision(OSError):
    """Two writers of PostgreSQL waited for each other, and this one gave way."""


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", "") in _COLLISIONS:
            raise Collision(f"another writer came between: {type(error.orig).__name__}") from error
        raise OSError(f"the catalog cannot be used: {error.orig}") from error


def _engine(url: str, schema: Schema) -> sa.Engine:
    if not url.startswith("postgresql"):
        # The connection that was used last has most pages in its cache still: receiving reads a
        # third of the pages.
        engine = sa.create_engine(url, pool_use_lifo=True)
        _speak_sqlite(engine)
        return engine
    extras.load("psycopg", extra="postgres")
    engine = sa.create_engine(
        url,
        pool_size=_MOST_CONNECTIONS // 2,
        max_overflow=_MOST_CONNECTIONS // 2,
        pool_timeout=_LONGEST_WAIT_S,
        pool_pre_ping=True,  # the server may have been restarted meanwhile
        connect_args={
            "connect_timeout": _LONGEST_WAIT_S,
            "options": " ".join(f"-c {each}" for each in (f"search_path={schema}", *_POSTGRESQL)),
        },
    )
    _speak_postgresql(engine)
    return engine


def _speak_postgresql(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        if not connection.get_execution_options().get("writes", False):
            # As in SQLite, a reader sees one state.
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


def _speak_sqlite(engine: sa.Engine) -> None:
    @sa.event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:  # noqa: ANN401 - the driver's own types
        # We say BEGIN ourselves: the driver's implicit one starts as a reader and can deadlock.
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged commit survives power loss
            "foreign_keys=ON",
            f"busy_timeout={_BUSY_TIMEOUT_MS}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        # Straight on the driver: SQLAlchemy takes longer for it than SQLite for the transaction.
        cursor = connection.connection.cursor()
        try:
            if writes:
                _begin_writing(cursor)
            else:
                cursor.execute("BEGIN")
        except sqlite3.OperationalError as error:
            raise sa.exc.OperationalError("BEGIN", {}, error) from error


def _begin_writing(cursor: Any) -> None:  # noqa: ANN401 - the driver's own type
    """Wait for the turn of this process; SQLite's own waiting sleeps for longer each time."""
    deadline = clock.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or clock.monotonic() > deadline:
                raise
            clock.pause(_TURN_POLL_S)
        else:
            return


def _upgrade(engine: sa.Engine, schema: Schema) -> None:
    found = _version(engine)
    if found == HEADS[schema]:
        return
    if found is not None and found > HEADS[schema]:
        raise BadSettings(
            f"the {schema} catalog has version {found}; this Sightline knows {HEADS[schema]}",
            hint="Upgrade Sightline, or point it to another data directory.",
        )
    from alembic import command  # noqa: PLC0415 - half a second that an up-to-date start spares
    from alembic.config import Config  # noqa: PLC0415 - the same

    scripts = importlib.resources.files("sightline.catalog") / "migrations" / schema
    config = Config()
    config.set_main_option("script_location", str(scripts))
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            # Two processes that start together upgrade one after the other.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7446835)"))
            connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _version(engine: sa.Engine) -> str | None:
    with engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(
            sa.text("SELECT version_num FROM alembic_version")
        ).scalar()
        return found
