"""Importing files: folders, media, zip and tar archives, and any junk that lies among them."""

import dataclasses
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.errors import BadSettings, NotDicom
from sightline.intake.unpacking import Found, find_files
from sightline.values.arrival import Arrival, Source
from sightline.values.identity import StudyUid

_log = log.get("intake")
_SOURCE = Source(name="import")
# A DICOMDIR (PS3.10 8.6) lists the instances of a medium and is none itself.
_MEDIA_DIRECTORY = b"UI\x14\x001.2.840.10008.1.3.10"
_META_BYTES = 512


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RefusedFile:
    """A DICOM file or an archive that could not be taken; `name` is for people only."""

    name: str
    reason: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What became of the files at one path.

    Attributes:
        new: instances that were not there before.
        duplicates: instances that were there with the same content.
        conflicts: instances that wait in quarantine beside what was there before.
        skipped: files that are no DICOM instances.
        studies: to which the instances belong.
    """

    new: int
    duplicates: int
    conflicts: int
    skipped: int
    refused: tuple[RefusedFile, ...]
    studies: frozenset[StudyUid]

    @property
    def is_clean(self) -> bool:
        """Whether there were instances, and each of them is in the archive."""
        return bool(self.studies) and not self.conflicts and not self.refused


def import_path(
    archive: Archive, path: Path, on_progress: Callable[[int], None] = lambda _bytes: None
) -> ImportReport:
    """Keep every DICOM instance at `path`; one that cannot be taken does not stop the others.

    Args:
        archive: where they are kept.
        path: a file, a folder, or a zip, tar or tar.gz archive.
        on_progress: called after each file with the bytes gone through since the last call.

    Raises:
        BadFile: There is nothing at `path`.
        BadSettings: The archive cannot be written; what was kept until then stays.
    """
    counts: Counter[str] = Counter()
    refused: list[RefusedFile] = []
    studies: set[StudyUid] = set()
    for found in find_files(path):
        taken = _take(archive, found)
        if isinstance(taken, Arrival):
            counts[taken.outcome] += 1
            studies.add(taken.study_uid)
        elif isinstance(taken, RefusedFile):
            refused.append(taken)
        else:
            counts["skipped"] += 1
        on_progress(found.weight_bytes)
    report = ImportReport(
        new=counts["new"],
        duplicates=counts["duplicate"],
        conflicts=counts["conflict"],
        skipped=counts["skipped"],
        refused=tuple(refused),
        studies=frozenset(studies),
    )
    _log.info("imported", new=report.new, studies=len(studies), refused=len(refused))
    return report


def keep_file(archive: Archive, content: bytes, source: Source) -> Arrival:
    """Keep one Part 10 file on behalf of a person at the command line.

    Raises:
        NotDicom: The bytes are no DICOM instance.
        BadSettings: The archive cannot be written.
    """
    try:
        return keep(archive, content, source)
    except OSError as error:
        raise BadSettings(
            f"the archive cannot be written: {error}",
            hint="Make room, then repeat it: what is there already is not taken twice.",
        ) from error


def _take(archive: Archive, found: Found) -> Arrival | RefusedFile | None:
    """Keep one file; None where it is no DICOM instance."""
    if found.refused:
        return RefusedFile(name=found.name, reason=found.refused)
    if not found.content or _MEDIA_DIRECTORY in found.content[:_META_BYTES]:
        return None
    try:
        return keep_file(archive, found.content, _SOURCE)
    except NotDicom as error:
        return RefusedFile(name=found.name, reason=error.problem)
