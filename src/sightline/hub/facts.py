"""What may set one series apart from others: scanner, kernel, site, sex, age.

As it passed the door, and nothing else: from the headers of the hub's own instances.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, INSTANCE, SERIES
from sightline.errors import NotDicom
from sightline.formats.dicom_attributes import Attributes
from sightline.formats.dicom_elements import open_elements
from sightline.hub.hub import Hub
from sightline.store.arrays import StoredArray
from sightline.values.evaluation import Facts
from sightline.values.identity import Digest

_INSTITUTION, _SEX, _AGE, _KERNEL = 0x00080080, 0x00100040, 0x00101010, 0x00181210
_WANTED = frozenset({_INSTITUTION, _SEX, _AGE, _KERNEL})
_AGE_STRING = re.compile(r"(\d{3})([DWMY])")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}
# SQLite takes a limited number of parameters a statement.
_MOST_ASKED = 500


def facts_of(hub: Hub, series_uids: Sequence[str]) -> dict[str, Facts]:
    """Return the facts of each series; one of which nothing counts any more has none.

    Reads one instance a series.

    Raises:
        DamagedObject: An instance does not match its digest.
    """
    found: dict[str, Facts] = {}
    for first in range(0, len(series_uids), _MOST_ASKED):
        for uid, digest, scanner in _first_instances(hub, series_uids[first : first + _MOST_ASKED]):
            header = _header(hub.objects.get(digest))
            found[uid] = dataclasses.replace(
                scanner,
                kernel=header.text(_KERNEL).replace("\\", " "),
                site=header.text(_INSTITUTION),
                sex=header.text(_SEX),
                age_years=_years(header.text(_AGE)),
            )
    return found


def masks_of(hub: Hub, series_uids: Sequence[str]) -> dict[str, StoredArray]:
    """Open the newest mask that anybody drew on each series; one without is left out.

    Raises:
        DamagedObject: A mask is missing or broken.
    """
    found: dict[str, str] = {}
    with hub.database.read() as connection:
        for first in range(0, len(series_uids), _MOST_ASKED):
            query = (
                sa.select(ANNOTATION)
                .where(
                    ANNOTATION.c.series_uid.in_(series_uids[first : first + _MOST_ASKED]),
                    ANNOTATION.c.mask_digest != "",
                )
                .order_by(ANNOTATION.c.created_at, ANNOTATION.c.id)
            )
            found |= {row.series_uid: row.mask_digest for row in connection.execute(query)}
    return {uid: hub.array(digest) for uid, digest in found.items()}


def scanners_of(hub: Hub, series_uids: Sequence[str]) -> dict[str, str]:
    """Return manufacturer and model of some series; one whose model is not recorded has none."""
    return {row.uid: _scanner(row) for row in _rows(hub, series_uids) if row.manufacturer_model}


def count_by_scanner(hub: Hub, series_uids: Sequence[str]) -> dict[str, int]:
    """Count the subjects of some series by manufacturer and model, most first."""
    subjects: dict[str, set[str]] = {}
    for row in _rows(hub, series_uids):
        subjects.setdefault(_scanner(row) or "not recorded", set()).add(row.subject_id)
    counted = {name: len(each) for name, each in subjects.items()}
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))


def _rows(hub: Hub, series_uids: Sequence[str]) -> Iterator[sa.Row[Any]]:
    """Give what the catalog knows of each series."""
    with hub.database.read() as connection:
        for first in range(0, len(series_uids), _MOST_ASKED):
            asked = series_uids[first : first + _MOST_ASKED]
            yield from connection.execute(sa.select(SERIES).where(SERIES.c.uid.in_(asked)))


def _scanner(row: sa.Row[Any]) -> str:
    return Facts(manufacturer=row.manufacturer, model=row.manufacturer_model).scanner


def _first_instances(hub: Hub, series_uids: Sequence[str]) -> Iterator[tuple[str, Digest, Facts]]:
    """Give one instance of each series that still counts, and what the catalog knows of it."""
    chosen = (
        sa.select(sa.func.min(INSTANCE.c.uid))
        .where(INSTANCE.c.series_uid.in_(series_uids), INSTANCE.c.withdrawn == "")
        .group_by(INSTANCE.c.series_uid)
    )
    query = (
        sa.select(SERIES, INSTANCE.c.digest)
        .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
        .where(INSTANCE.c.uid.in_(chosen))
        .order_by(SERIES.c.uid)
    )
    with hub.database.read() as connection:
        rows = connection.execute(query).all()
    for row in rows:
        scanner = Facts(manufacturer=row.manufacturer, model=row.manufacturer_model)
        yield row.uid, Digest(row.digest), scanner


def _header(content: bytes) -> Attributes:
    try:
        elements = open_elements(content)
        return Attributes.of(elements, [each for each in elements if each.tag in _WANTED])
    except NotDicom:
        return Attributes(values={}, is_little=True)


def _years(text: str) -> float | None:
    match = _AGE_STRING.fullmatch(text)
    return int(match[1]) / _PER_YEAR[match[2]] if match else None
