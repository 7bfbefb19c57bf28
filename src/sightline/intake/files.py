"""Importing files: folders, media, zip and tar archives, and any junk that lies among them."""

import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.receiving import Prepared, enter, keep, prepare
from sightline.errors import BadSettings, NotDicom
from sightline.formats.dicom_file import read_header
from sightline.intake.unpacking import Found, find_files
from sightline.values.arrival import Arrival, Source
from sightline.values.identity import StudyUid

_log = log.get("intake")
_SOURCE = Source(name="import")
# A DICOMDIR (PS3.10 8.6) lists the instances of a medium and is none itself.
_MEDIA_DIRECTORY = b"UI\x14\x001.2.840.10008.1.3.10"
_META_BYTES = 512
_WRITERS = 4
_MAX_UNDERWAY_BYTES = 256 * 1024**2


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
    archive: Archive,
    path: Path,
    on_progress: Callable[[int], None] = lambda _bytes: None,
    *,
    default_issuer: str = "",
) -> ImportReport:
    """Keep every DICOM instance at `path`; one that cannot be taken does not stop the others.

    Args:
        archive: where they are kept.
        path: a file, a folder, or a zip, tar or tar.gz archive.
        on_progress: called after each file with the bytes gone through since the last call.
        default_issuer: whose patient ids these are where a file does not say.

    Raises:
        BadFile: There is nothing at `path`.
        BadSettings: The archive cannot be written; what was kept until then stays.
    """
    source = dataclasses.replace(_SOURCE, default_issuer=default_issuer)
    counts: Counter[str] = Counter()
    refused: list[RefusedFile] = []
    studies: set[StudyUid] = set()
    for found, prepared in _prepare_all(archive, find_files(path)):
        if isinstance(prepared, Prepared):
            with _told_when_full():
                arrival = enter(archive, prepared, source)
            counts[arrival.outcome] += 1
            studies.add(arrival.study_uid)
        elif isinstance(prepared, RefusedFile):
            refused.append(prepared)
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
    with _told_when_full():
        return keep(archive, content, source)


def _prepare_all(
    archive: Archive, files: Iterable[Found]
) -> Iterator[tuple[Found, Prepared | RefusedFile | None]]:
    """Make files durable, several at a time because each waits for the disk; keep their order."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        underway: deque[tuple[Found, Future[Prepared | RefusedFile | None]]] = deque()
        for found in files:
            underway.append((found, writers.submit(_prepare, archive, found)))
            while len(underway) > _WRITERS or _bytes_of(underway) > _MAX_UNDERWAY_BYTES:
                first, prepared = underway.popleft()
                yield first, prepared.result()
        for first, prepared in underway:
            yield first, prepared.result()


def _bytes_of(underway: Iterable[tuple[Found, object]]) -> int:
    return sum(len(found.content) for found, _ in underway)


def _prepare(archive: Archive, found: Found) -> Prepared | RefusedFile | None:
    """Make one file durable; None where it is no DICOM instance."""
    if found.refused:
        return RefusedFile(name=found.name, reason=found.refused)
    if not found.content or _MEDIA_DIRECTORY in found.content[:_META_BYTES]:
        return None
    try:
        with _told_when_full():
            return prepare(archive, read_header(found.content), found.content)
    except NotDicom as error:
        return RefusedFile(name=found.name, reason=error.problem)


@contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSettings(
            f"the archive cannot be written: {error}",
            hint="Make room, then repeat it: what is there already is not taken twice.",
        ) from error
