"""Statements of the hot path: compiled once, then run straight on the driver.

SQLAlchemy takes ten times as long for such a statement as SQLite does. Values go to the driver as
they are, so this is for numbers and text alone.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


class Statement:
    """A statement that is run often.

    Args:
        statement: its parameters are bound by name.
    """

    def __init__(self, statement: sa.Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, connection: sa.Connection, values: Mapping[str, object]) -> list[Any]:
        """Run it within the transaction of `connection` and return its rows as tuples.

        Raises:
            sqlalchemy.exc.DBAPIError: As SQLAlchemy itself would raise.
        """
        _begin(connection)
        return self.rows_alone(connection, values)

    def rows_alone(self, connection: sa.Connection, values: Mapping[str, object]) -> list[Any]:
        """Run it outside any transaction where there is none: it sees what is committed now.

        Raises:
            sqlalchemy.exc.DBAPIError: As SQLAlchemy itself would raise.
        """
        cursor = self._run(connection, values)
        rows: list[Any] = cursor.fetchall()
        cursor.close()
        return rows

    def run(self, connection: sa.Connection, values: Mapping[str, object]) -> None:
        """Run it where it returns no rows.

        Raises:
            sqlalchemy.exc.DBAPIError: As SQLAlchemy itself would raise.
        """
        _begin(connection)
        self._run(connection, values).close()

    def _run(self, connection: sa.Connection, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - the driver's own type
        compiled = self._compiled_for(connection.dialect)
        cursor = connection.connection.cursor()
        try:
            cursor.execute(compiled.text, compiled.parameters(values))
        except connection.dialect.loaded_dbapi.Error as error:
            cursor.close()
            kind = connection.dialect.loaded_dbapi.Error
            raise sa.exc.DBAPIError.instance(
                compiled.text, {}, error, kind, dialect=connection.dialect
            ) from error
        return cursor

    def _compiled_for(self, dialect: sa.Dialect) -> "_Compiled":
        found = self._compiled.get(dialect.name)
        if found is None:
            compiled = self._statement.compile(dialect=dialect)  # type: ignore[attr-defined]  # every statement has it
            found = self._compiled[dialect.name] = _Compiled(
                text=str(compiled),
                constants={
                    name: value for name, value in compiled.params.items() if value is not None
                },
                order=tuple(compiled.positiontup) if compiled.positional else None,
            )
        return found


def _begin(connection: sa.Connection) -> None:
    """Begin the transaction that SQLAlchemy begins by itself at its own statements."""
    if not connection.in_transaction():
        connection.begin()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Compiled:
    """A statement in the words of one dialect.

    Attributes:
        constants: parameters that stand in the statement itself.
        order: of the parameters where the driver takes them by position.
    """

    text: str
    constants: dict[str, object]
    order: tuple[str, ...] | None

    def parameters(self, values: Mapping[str, object]) -> Any:  # noqa: ANN401 - what a driver takes
        given = self.constants | dict(values)
        return given if self.order is None else [given[name] for name in self.order]
