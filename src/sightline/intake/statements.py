"""What readers say in words and numbers becomes DICOM of its study, and travels with it.

A file of statements names series as the archive knows them; the door gives them their names in the
hub, as it does everywhere.
"""

import csv
import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.search import Window, search_studies
from sightline.archive.search_keys import Keys
from sightline.archive.studies import series_of_study, study, study_of_series
from sightline.errors import BadFile, UnknownName
from sightline.formats.result_object import derived_uid
from sightline.formats.statement_sr import write_statement
from sightline.intake.files import keep_file
from sightline.values.arrival import Arrival, Source
from sightline.values.identity import InstanceUid, SeriesUid, StudyUid
from sightline.values.result import ResultIdentity
from sightline.values.statement import Place, Statement, StatementKind

_log = log.get("intake")
_SOURCE = Source(name="annotate")
# Beyond what scanners number their series with.
_SERIES_NUMBER = 9501
_NO_IMAGES = frozenset({"SEG", "SR", "PR", "KO", "DOC", "REG", "RTSTRUCT", "RTPLAN", "RTDOSE"})
_HINT = (
    "A line needs series_uid, study_uid or accession_number; author; target; and classes with "
    "present, name with number, or classes with places. See docs/how-to/annotate-with-values.md."
)


def _several(value: object) -> object:
    """Read `a; b` as two names, and an empty cell as none."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(";") if part.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]


class _PlaceRow(BaseModel):
    model_config = ConfigDict(extra="forbid")

    class_name: str
    centre_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


class StatementRow(BaseModel):
    """One line of a file of statements."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    series_uid: str = ""
    study_uid: str = ""
    accession_number: str = ""
    author: str
    target: str
    classes: Names = ()
    present: Names | None = None
    name: str = ""
    number: float | None = None
    unit: str = "1"
    places: tuple[_PlaceRow, ...] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if not (self.series_uid or self.study_uid or self.accession_number):
            raise ValueError("it names no series")
        if not self.author or not self.target:
            raise ValueError("it names no author or no target")
        said = [each for each in (self.present, self.number, self.places) if each is not None]
        if len(said) != 1:
            raise ValueError("it needs exactly one of present, number and places")
        self.statement().check()
        return self

    @property
    def kind(self) -> StatementKind:
        """What it says."""
        if self.number is not None:
            return "numbers"
        return "presence" if self.places is None else "places"

    def statement(self) -> Statement:
        """Return what is said."""
        is_number = self.number is not None
        return Statement(
            target=self.target,
            author=self.author,
            kind=self.kind,
            classes=(self.name or self.target,) if is_number else self.classes,
            present=self.present or (),
            numbers=(self.number,) if self.number is not None else (),
            units=(self.unit,) if is_number else (),
            places=tuple(
                Place(class_name=each.class_name, centre_mm=each.centre_mm, size_mm=each.size_mm)
                for each in self.places or ()
            ),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StatementReport:
    """What became of a file of statements.

    Attributes:
        refused: the lines that could not be taken, from 1, each with the reason.
    """

    new: int
    duplicates: int
    conflicts: int
    refused: tuple[tuple[int, str], ...]


def read_statements(path: Path, *, author: str = "") -> list[StatementRow]:
    """Read a CSV file with a header line, or a JSON file with a list of objects.

    Args:
        path: the file; `.json` is JSON, all else CSV.
        author: for lines that name none.

    Raises:
        BadFile: The file cannot be read, or a line says not one whole thing.
    """
    rows = []
    for number, line in enumerate(_lines(path), start=1):
        try:
            given = {name: value for name, value in line.items() if value is not None}
            rows.append(StatementRow.model_validate({"author": author} | given))
        except BadFile as error:
            raise BadFile(f"line {number} of {path.name}: {error.problem}", hint=_HINT) from error
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise BadFile(
                f"line {number} of {path.name}: {place + ': ' if place else ''}"
                f"{first['msg'].removeprefix('Value error, ')}",
                hint=_HINT,
            ) from error
    return rows


def state(archive: Archive, row: StatementRow) -> Arrival:
    """Keep a statement as a structured report in the study of its images.

    All statements of an author on one target of a series are one series of reports, of which the
    last counts; to say again what was said last is a duplicate.

    Raises:
        UnknownName: The archive has no such series or study.
        BadFile: The study has several image series, and none is named.
        BadSettings: The archive cannot be written.
    """
    study_uid, series_uid = _series(archive, row)
    whole = study(archive, study_uid)
    statement = row.statement()
    own = SeriesUid(derived_uid(series_uid, f"statement/{statement.author}/{statement.target}"))
    before = [each.uid for each in whole.instances if each.series_uid == own]
    last = _uid(own, len(before), statement)
    if before and last in before:
        return Arrival(uid=last, study_uid=study_uid, outcome="duplicate")
    number = len(before) + 1
    identity = ResultIdentity(
        instance_uid=_uid(own, number, statement),
        series_uid=own,
        series_number=_SERIES_NUMBER,
        series_description=f"Values by {statement.author}",
        author=statement.author,
        created_at=clock.now().isoformat(),
    )
    images = [each.digest for each in whole.instances if each.series_uid == series_uid]
    with archive.objects.local_copies(images) as files:
        report = write_statement(statement, files, identity=identity, number=number)
    arrival = keep_file(archive, report, _SOURCE)
    _log.debug("stated", series=series_uid, instance=arrival.uid, outcome=arrival.outcome)
    return arrival


def state_all(
    archive: Archive,
    rows: Sequence[StatementRow],
    on_progress: Callable[[], None] = lambda: None,
) -> StatementReport:
    """Keep many statements; one that cannot be taken does not stop the others.

    Raises:
        BadSettings: The archive cannot be written.
    """
    outcomes: list[str] = []
    refused: list[tuple[int, str]] = []
    for number, row in enumerate(rows, start=1):
        try:
            outcomes.append(state(archive, row).outcome)
        except (BadFile, UnknownName) as error:
            refused.append((number, error.problem))
        on_progress()
    return StatementReport(
        new=outcomes.count("new"),
        duplicates=outcomes.count("duplicate"),
        conflicts=outcomes.count("conflict"),
        refused=tuple(refused),
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    kind: Literal["JSON", "CSV"] = "JSON" if path.suffix.lower() == ".json" else "CSV"
    try:
        text = path.read_text(encoding="utf-8-sig")
        if kind == "CSV":
            return [_cells(row) for row in csv.DictReader(text.splitlines())]
        content = json.loads(text)
    except (OSError, ValueError, csv.Error) as error:
        raise BadFile(
            f"{path} cannot be read: {type(error).__name__}",
            hint=f"Give a {kind} file in UTF-8.",
        ) from error
    if not isinstance(content, list) or not all(isinstance(each, dict) for each in content):
        raise BadFile(f"{path.name} is no list of objects", hint=_HINT)
    return content


def _cells(row: dict[str | Any, Any]) -> dict[str, Any]:
    """Read an empty cell as nothing said, but of `present` as nothing there."""
    says_number = bool((row.get("number") or "").strip())
    return {
        name: (value or "").strip()
        for name, value in row.items()
        if name and ((value or "").strip() or (name == "present" and not says_number))
    }


def _series(archive: Archive, row: StatementRow) -> tuple[StudyUid, SeriesUid]:
    if row.series_uid:
        series_uid = SeriesUid(row.series_uid)
        return study_of_series(archive, series_uid), series_uid
    keys = Keys(
        study_uids=(row.study_uid,) if row.study_uid else (),
        accession_number=row.accession_number,
    )
    found = [each.uid for each in search_studies(archive, keys, Window()).found]
    named = row.study_uid or f"accession number {row.accession_number}"
    if len(found) != 1:
        raise UnknownName(
            f"the archive has {len(found) or 'no'} studies {named}",
            hint="Name the series itself: series_uid.",
        )
    series = [
        each.uid
        for each in series_of_study(archive, StudyUid(found[0]))
        if each.modality not in _NO_IMAGES
    ]
    if len(series) != 1:
        raise BadFile(
            f"study {named} has {len(series)} image series", hint="Name the one: series_uid."
        )
    return StudyUid(found[0]), series[0]


def _uid(own: SeriesUid, number: int, statement: Statement) -> InstanceUid:
    return InstanceUid(derived_uid(own, f"{number}/{statement.digest}"))
