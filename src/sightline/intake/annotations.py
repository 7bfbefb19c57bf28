"""An expert's mask file becomes a DICOM Segmentation of its study, and travels with it."""

import csv
import dataclasses
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.studies import study, study_of_series
from sightline.errors import BadFile, UnknownName
from sightline.formats.contract import read_mask
from sightline.formats.dicom_image import read_grids
from sightline.formats.mask_picture import is_picture, read_picture_mask
from sightline.formats.result_object import derived_uid
from sightline.formats.seg import write_seg
from sightline.intake.files import keep_file
from sightline.values.arrival import Arrival, Source
from sightline.values.identity import InstanceUid, SeriesUid
from sightline.values.result import ResultIdentity

_log = log.get("intake")
_SOURCE = Source(name="annotate")
# Beyond what scanners number their series with.
_SERIES_NUMBER = 9500
_COLUMNS = ("series_uid", "mask")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MaskFile:
    """A mask that an expert drew.

    Attributes:
        series_uid: the series it was drawn on.
        path: a file of any known format.
        classes: voxel k of the mask is the k-th of them.
        author: the expert.
    """

    series_uid: SeriesUid
    path: Path
    classes: tuple[str, ...]
    author: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AnnotationReport:
    """What became of a table of masks.

    Attributes:
        refused: the masks that could not be taken, each with the reason.
    """

    new: int
    duplicates: int
    conflicts: int
    refused: tuple[tuple[MaskFile, str], ...]


def annotate(archive: Archive, mask: MaskFile) -> Arrival:
    """Keep a mask as a Segmentation, in a series of its own in the study of its images.

    Its UIDs follow from series, author, classes and content, so a repeat is a duplicate.

    Raises:
        UnknownName: The series is not in the archive.
        BadFile: The mask cannot be read or lies on another grid.
        UnsoundSeries: The series is no volume.
        BadSettings: The archive cannot be written.
    """
    whole = study(archive, study_of_series(archive, mask.series_uid))
    content = _read(mask.path)
    identity = _identity(mask, content)
    if any(each.uid == identity.instance_uid for each in whole.instances):
        return Arrival(uid=identity.instance_uid, study_uid=whole.uid, outcome="duplicate")
    images = [each.digest for each in whole.instances if each.series_uid == mask.series_uid]
    with archive.objects.local_copies(images) as files:
        if is_picture(content):
            place = read_grids(files)[0].geometry
            segmentation = read_picture_mask(
                content, place, classes=mask.classes, author=mask.author
            )
        else:
            segmentation = read_mask(content, classes=mask.classes, author=mask.author)
        seg = write_seg(segmentation, files, identity=identity, is_manual=True)
    arrival = keep_file(archive, seg, _SOURCE)
    _log.debug("annotated", series=mask.series_uid, instance=arrival.uid, outcome=arrival.outcome)
    return arrival


def annotate_all(
    archive: Archive,
    masks: Sequence[MaskFile],
    on_progress: Callable[[], None] = lambda: None,
) -> AnnotationReport:
    """Keep many masks; one that cannot be taken does not stop the others.

    Raises:
        BadSettings: The archive cannot be written.
    """
    outcomes: list[str] = []
    refused: list[tuple[MaskFile, str]] = []
    for mask in masks:
        try:
            outcomes.append(annotate(archive, mask).outcome)
        except (BadFile, UnknownName) as error:
            refused.append((mask, error.problem))
        on_progress()
    return AnnotationReport(
        new=outcomes.count("new"),
        duplicates=outcomes.count("duplicate"),
        conflicts=outcomes.count("conflict"),
        refused=tuple(refused),
    )


def read_table(path: Path, *, classes: tuple[str, ...], author: str) -> list[MaskFile]:
    """Read a CSV file with the columns `series_uid`, `mask` and, if wanted, `classes`, `author`.

    Args:
        path: the file; masks are looked for from its folder.
        classes: for rows that name none; in a cell they are joined by commas or semicolons.
        author: for rows that name none.

    Raises:
        BadFile: The file cannot be read, or a row lacks something.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadFile(
            f"table {path} cannot be read: {type(error).__name__}", hint="Give a CSV file in UTF-8."
        ) from error
    masks = []
    for number, row in enumerate(rows, start=2):
        cells = {name: (row.get(name) or "").strip() for name in (*_COLUMNS, "classes", "author")}
        named = tuple(name for name in re.split(r"[\s,;]+", cells["classes"]) if name)
        mask = MaskFile(
            series_uid=SeriesUid(cells["series_uid"]),
            path=path.parent / cells["mask"],
            classes=named or classes,
            author=cells["author"] or author,
        )
        if not (mask.series_uid and cells["mask"] and mask.classes and mask.author):
            raise BadFile(
                f"line {number} of {path.name} is incomplete",
                hint="Each line needs series_uid, mask, classes and author; "
                "the last two may be given once for all.",
            )
        masks.append(mask)
    return masks


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadFile(
            f"mask {path} cannot be read: {error.strerror}", hint="Check the path."
        ) from error


def _identity(mask: MaskFile, content: bytes) -> ResultIdentity:
    digest = hashlib.sha256(content).hexdigest()
    name = "/".join(("annotation", mask.author, *mask.classes, digest))
    return ResultIdentity(
        instance_uid=InstanceUid(derived_uid(mask.series_uid, name)),
        series_uid=SeriesUid(derived_uid(mask.series_uid, f"series/{name}")),
        series_number=_SERIES_NUMBER,
        series_description=f"Mask by {mask.author}",
        author=mask.author,
        created_at=clock.now().isoformat(),
    )
