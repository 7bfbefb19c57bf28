"""Importing files: folders, media, zip and tar archives, and any junk that lies among them."""

import csv
import dataclasses
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.receiving import Prepared, enter, keep, prepare
from sightline.engines.limited import Limits
from sightline.errors import BadFile, BadSettings, NotDicom
from sightline.formats.bare_dataset import has_start, with_start
from sightline.formats.dicom_file import read_header
from sightline.formats.media_directory import is_directory, read_directory
from sightline.intake.unpacking import Found, find_files
from sightline.values.arrival import Arrival, Source
from sightline.values.identity import StudyUid

_log = log.get("intake")
_SOURCE = Source(name="import")
_WRITERS = 4
_MAX_UNDERWAY_BYTES = 256 * 1024**2


FileOutcome: TypeAlias = Literal["new", "duplicate", "conflict", "refused", "skipped", "missing"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FileReport:
    """What became of one file.

    Attributes:
        name: for people only.
        outcome: `conflict`: it waits in quarantine; `skipped`: it is no DICOM instance; `missing`:
            a DICOMDIR lists it, and it is not on the medium.
        reason: why it was not taken.
        hint: what to do about that.
    """

    name: str
    outcome: FileOutcome
    reason: str = ""
    hint: str = ""
    study_uid: str = ""
    instance_uid: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImportReport:
    """What became of the files at one path.

    Attributes:
        new: instances that were not there before.
        duplicates: instances that were there with the same content.
        conflicts: instances that wait in quarantine beside what was there before.
        skipped: files that are no DICOM instances.
        refused: DICOM files and archives that could not be taken.
        missing: files that a DICOMDIR lists and that are not on the medium.
        studies: to which the instances belong.
    """

    new: int
    duplicates: int
    conflicts: int
    skipped: int
    refused: tuple[FileReport, ...]
    missing: tuple[FileReport, ...]
    studies: frozenset[StudyUid]

    @property
    def is_clean(self) -> bool:
        """Whether there were instances, and each of them is in the archive."""
        return bool(self.studies) and not (self.conflicts or self.refused or self.missing)


def import_path(
    archive: Archive,
    path: Path,
    on_progress: Callable[[int], None] = lambda _bytes: None,
    *,
    default_issuer: str = "",
    on_file: Callable[[FileReport], None] = lambda _report: None,
    is_unchanged: Callable[[], bool] = lambda: True,
) -> ImportReport:
    """Keep every DICOM instance at `path`; one that cannot be taken does not stop the others.

    Args:
        archive: where they are kept.
        path: a file, a folder, or a zip, tar or tar.gz archive.
        on_progress: called after each file with the bytes gone through since the last call.
        default_issuer: whose patient ids these are where a file does not say.
        on_file: called with what became of each file.
        is_unchanged: asked before an instance enters the catalog.

    Raises:
        BadFile: There is nothing at `path`, or it changed while it was read.
        BadSettings: The archive cannot be written; what was kept until then stays.
    """
    source = dataclasses.replace(_SOURCE, default_issuer=default_issuer)
    tally = _Tally(on_file)
    for found, prepared in _prepare_all(archive, find_files(path)):
        tally.names.add(hash(found.name.casefold()))
        if isinstance(prepared, Prepared):
            if not is_unchanged():
                raise BadFile(f"{path} changes while it is read", hint="Wait until it is whole.")
            with _told_when_full():
                tally.arrived(found, enter(archive, prepared, source))
        elif isinstance(prepared, FileReport):
            tally.add(prepared)
        else:
            tally.listed(found)
        on_progress(found.weight_bytes)
    report = tally.report()
    _log.info("imported", new=report.new, studies=len(report.studies), refused=len(report.refused))
    return report


class _Tally:
    """What became of the files so far.

    Attributes:
        names: hashes of the names of all files that were there.
    """

    def __init__(self, on_file: Callable[[FileReport], None]) -> None:
        self._on_file = on_file
        self._counts: Counter[str] = Counter()
        self._kept: dict[str, list[FileReport]] = {"refused": [], "missing": []}
        self._studies: set[StudyUid] = set()
        self._promised: list[str] = []
        self.names: set[int] = set()

    def add(self, report: FileReport) -> None:
        self._counts[report.outcome] += 1
        if report.outcome in self._kept:
            self._kept[report.outcome].append(report)
        self._on_file(report)

    def arrived(self, found: Found, arrival: Arrival) -> None:
        self._studies.add(arrival.study_uid)
        self.add(
            FileReport(
                name=found.name,
                outcome=arrival.outcome,
                study_uid=arrival.study_uid,
                instance_uid=arrival.uid,
            )
        )

    def listed(self, found: Found) -> None:
        """Count a file that is no instance; of a DICOMDIR, remember what it promises."""
        if found.content:
            try:
                promised = Limits.for_bytes(len(found.content)).call(read_directory, found.content)
            except BadFile as error:
                self.add(_refused(found, error))
                return
            folder = found.name.rpartition("/")[0]
            self._promised += [f"{folder}/{name}" if folder else name for name in promised]
        self.add(
            FileReport(
                name=found.name,
                outcome="skipped",
                reason="it is no DICOM instance",
                hint="If it should be one: `dcmconv` of DCMTK mends a start that is broken.",
            )
        )

    def report(self) -> ImportReport:
        for name in self._promised:
            # ISO 9660 writes names in lower case here and there, with a version behind.
            forms = (name, name.lower(), f"{name};1", f"{name}.")
            if not any(hash(form.casefold()) in self.names for form in forms):
                printable = "".join(letter if letter.isprintable() else "?" for letter in name)
                self.add(
                    FileReport(
                        name=printable,
                        outcome="missing",
                        reason="the DICOMDIR lists it, and it is not on the medium",
                        hint="The medium may be damaged or copied in part; ask for another.",
                    )
                )
        return ImportReport(
            new=self._counts["new"],
            duplicates=self._counts["duplicate"],
            conflicts=self._counts["conflict"],
            skipped=self._counts["skipped"],
            refused=tuple(self._kept["refused"]),
            missing=tuple(self._kept["missing"]),
            studies=frozenset(self._studies),
        )


@contextmanager
def written_report(path: Path) -> Iterator[Callable[[FileReport], None]]:
    """Give a function that writes what became of each file as a line of a CSV file.

    Raises:
        BadSettings: The file cannot be written.
    """
    names = [field.name for field in dataclasses.fields(FileReport)]
    try:
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            yield lambda report: writer.writerow(dataclasses.asdict(report))
    except OSError as error:
        raise BadSettings(
            f"the report {path} cannot be written: {error.strerror}", hint="Give another path."
        ) from error


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
) -> Iterator[tuple[Found, Prepared | FileReport | None]]:
    """Make files durable, several at a time because each waits for the disk; keep their order."""
    with ThreadPoolExecutor(_WRITERS) as writers:
        underway: deque[tuple[Found, Future[Prepared | FileReport | None]]] = deque()
        for found in files:
            underway.append((found, writers.submit(_prepare, archive, found)))
            while len(underway) > _WRITERS or _bytes_of(underway) > _MAX_UNDERWAY_BYTES:
                first, prepared = underway.popleft()
                yield first, prepared.result()
        for first, prepared in underway:
            yield first, prepared.result()


def _bytes_of(underway: Iterable[tuple[Found, object]]) -> int:
    return sum(len(found.content) for found, _ in underway)


def _prepare(archive: Archive, found: Found) -> Prepared | FileReport | None:
    """Make one file durable; None where it is no DICOM instance."""
    if found.refused:
        return FileReport(name=found.name, outcome="refused", reason=found.refused, hint=found.hint)
    if not found.content or is_directory(found.content):
        return None
    try:
        content = found.content if has_start(found.content) else with_start(found.content)
        with _told_when_full():
            return prepare(archive, read_header(content), content)
    except NotDicom as error:
        return _refused(found, error)


def _refused(found: Found, error: BadFile) -> FileReport:
    return FileReport(name=found.name, outcome="refused", reason=error.problem, hint=error.hint)


@contextmanager
def _told_when_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadSettings(
            f"the archive cannot be written: {error}",
            hint="Make room, then repeat it: what is there already is not taken twice.",
        ) from error
