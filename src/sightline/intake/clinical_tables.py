"""Tables of laboratory values and outcomes: CSV, with YAML that says what the columns are."""

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from sightline.errors import BadMessage, BadSettings
from sightline.values.clinical import Clinical, ClinicalRecord, Person

_MAX_ROWS = 1_000_000


class ValueColumn(BaseModel):
    """A column whose every cell is one value; `title` is the column's name where it is empty."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    title: str = ""
    unit: str = ""


class TableMapping(BaseModel):
    """What the columns of a table are; empty where there is no such column.

    Attributes:
        name: of the table: a later import under the same name replaces what the earlier one said.
        issuer: whose patient ids they are.
        patient_id: column of the patient id.
        issuer_column: column of the issuer, where it differs from row to row.
        accession_number: column of the accession number.
        study_uid: column of the Study Instance UID.
        date: column of the date.
        date_format: how dates are written, as Python's strptime names it.
        delimiter: between cells.
        values: columns that each give an observation a row; empty cells give none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    kind: Literal["observation"] = "observation"
    issuer: str = ""
    patient_id: str = ""
    issuer_column: str = ""
    accession_number: str = ""
    study_uid: str = ""
    date: str = ""
    date_format: str = "%Y-%m-%d"
    delimiter: Literal[",", ";", "\t"] = ","
    values: tuple[ValueColumn, ...]

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a mapping from YAML.

        Raises:
            BadSettings: The file is missing, is no YAML or does not validate.
        """
        hint = "docs/how-to/connect-hl7.md shows a mapping."
        try:
            return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadSettings(f"{path.name}: {where}: {first['msg']}", hint=hint) from error
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadSettings(f"{path.name} cannot be read as YAML", hint=hint) from error

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that must be there."""
        named = (
            *(self.patient_id, self.issuer_column, self.accession_number),
            *(self.study_uid, self.date),
            *(each.column for each in self.values),
        )
        return tuple(filter(None, named))


def read_table(content: bytes, mapping: TableMapping) -> Clinical:
    """Return what a table says; UTF-8, with a byte order mark or without.

    Raises:
        BadMessage: It is no such table, a column is missing, or a date is not of the format.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad("it is not UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    missing = [name for name in mapping.columns if name not in (reader.fieldnames or ())]
    if missing:
        raise _bad(f"it has no column {', '.join(missing)}")
    records: list[ClinicalRecord] = []
    try:
        for number, row in enumerate(reader, start=1):
            if number > _MAX_ROWS:
                raise _bad(f"it has more than {_MAX_ROWS} rows")
            records += _records_of(row, mapping, number)
    except csv.Error as error:
        raise _bad("it is no CSV") from error
    if not records:
        raise _bad("it has no value in any of the columns")
    return Clinical(records=tuple(records))


def _records_of(
    row: Mapping[str, str | None], mapping: TableMapping, number: int
) -> Iterator[ClinicalRecord]:
    def cell(name: str) -> str:
        return (row.get(name) or "").strip() if name else ""

    patient_id = cell(mapping.patient_id)
    issuer = cell(mapping.issuer_column) or mapping.issuer
    person = Person(patient_id=patient_id, issuer=issuer) if patient_id else None
    day = _day(cell(mapping.date), mapping, number)
    tied = (issuer, patient_id, cell(mapping.accession_number), cell(mapping.study_uid), day)
    for value in mapping.values:
        if text := cell(value.column):
            yield ClinicalRecord(
                kind="observation",
                # What ties it names it, so a table may be sorted or grow between two imports.
                source_key="|".join((mapping.name, *tied, value.column)),
                person=person,
                accession_number=cell(mapping.accession_number),
                study_uid=cell(mapping.study_uid),
                date=day,
                title=value.title or value.column,
                text=text,
                unit=value.unit,
            )


def _day(text: str, mapping: TableMapping, number: int) -> str:
    if not text:
        return ""
    try:
        day = dt.datetime.strptime(text, mapping.date_format)  # noqa: DTZ007 - a day, not a moment
    except ValueError as error:
        raise _bad(f"the date of row {number} is not of the form {mapping.date_format}") from error
    return f"{day.year:04d}{day.month:02d}{day.day:02d}"


def _bad(why: str) -> BadMessage:
    return BadMessage(
        f"this table cannot be taken: {why}",
        hint="Nothing of it was taken. docs/how-to/connect-hl7.md shows a table and its mapping.",
    )
