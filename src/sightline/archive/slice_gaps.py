"""Whether slices are missing from the series of a study, judged from where the others lie."""

import dataclasses
import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.catalog.archive_tables import INSTANCE
from sightline.errors import DamagedObject, UnknownName
from sightline.formats.dicom_place import HEAD_BYTES, SlicePlace, read_place
from sightline.values.identity import Digest, StudyUid

Verdict: TypeAlias = Literal["gap-free", "gaps", "unknown"]

_MIN_PLACES = 3
_SAME_PLACE_MM = 0.01
# A step is so many times the usual one, give or take this share of it.
_STEP_TOLERANCE = 0.05
_SAME_DIRECTION = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class StudyGaps:
    """How many series are gap-free, and how many show that something is missing."""

    gap_free: int
    with_gaps: int


def look_for_gaps(archive: Archive, study_uid: StudyUid) -> StudyGaps:
    """Read where the slices of a study lie and judge each series; pixels are never touched.

    Costs a read of the head of every image of the study.
    """
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE.c.series_uid, INSTANCE.c.digest)
            .where(
                INSTANCE.c.study_uid == study_uid,
                INSTANCE.c.lineage_id.is_(None),
                INSTANCE.c.rows.is_not(None),
            )
            .order_by(INSTANCE.c.series_uid)
        ).all()
    verdicts = Counter(
        judge([_place(archive, Digest(row.digest)) for row in series])
        for _, series in itertools.groupby(rows, key=lambda row: row.series_uid)
    )
    return StudyGaps(gap_free=verdicts["gap-free"], with_gaps=verdicts["gaps"])


def judge(places: Sequence[SlicePlace]) -> Verdict:
    """Tell whether a series shows that slices are missing.

    The first and the last slice of a stack leave no gap, so `gap-free` is no proof by itself. A
    stack of unequal steps, of several directions or of few slices says nothing.
    """
    parts = [each for each in places if each.parts]
    if parts:
        return "gap-free" if _has_every_part(parts) else "gaps"
    if any(each.frames > 1 for each in places):
        return "gap-free"  # each holds its frames itself
    levels = _levels(_offsets(places))
    return _of_levels(levels) if len(levels) >= _MIN_PLACES else "unknown"


def _place(archive: Archive, digest: Digest) -> SlicePlace:
    try:
        return read_place(archive.objects.head(digest, HEAD_BYTES))
    except (OSError, UnknownName, DamagedObject):
        return SlicePlace()  # a lost or unreadable file is found by whoever checks the store


def _has_every_part(parts: Iterable[SlicePlace]) -> bool:
    by_concatenation: dict[str, list[SlicePlace]] = {}
    for each in parts:
        by_concatenation.setdefault(each.concatenation, []).append(each)
    return all(
        {each.part for each in group} >= set(range(1, max(each.parts for each in group) + 1))
        for group in by_concatenation.values()
    )


def _offsets(places: Sequence[SlicePlace]) -> list[float]:
    """Return where the slices cut the normal, in order; nothing where they share no direction."""
    if not all(each.position_mm and each.orientation for each in places):
        return []
    first = places[0].orientation
    for each in places:
        pairs = zip(first, each.orientation, strict=True)
        if any(abs(a - b) > _SAME_DIRECTION for a, b in pairs):
            return []
    row, column = first[:3], first[3:]
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    return sorted(
        sum(a * b for a, b in zip(normal, each.position_mm, strict=True)) for each in places
    )


def _levels(offsets: Sequence[float]) -> list[list[float]]:
    levels: list[list[float]] = []
    for each in offsets:
        if not levels or each - levels[-1][0] > _SAME_PLACE_MM:
            levels.append([])
        levels[-1].append(each)
    return levels


def _of_levels(levels: Sequence[Sequence[float]]) -> Verdict:
    # Several images at each place (phases, echoes): as many at every one.
    if len({len(level) for level in levels}) > 1:
        return "gaps"
    steps = [after[0] - before[0] for before, after in itertools.pairwise(levels)]
    usual = statistics.median_low(steps)
    multiples = [step / usual for step in steps]
    if any(abs(each - round(each)) > _STEP_TOLERANCE * max(each, 1) for each in multiples):
        return "unknown"
    return "gaps" if any(round(each) > 1 for each in multiples) else "gap-free"
