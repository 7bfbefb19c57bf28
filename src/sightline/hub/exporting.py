"""Handing a collection out as DICOM files; a public export never shows a face."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import pydicom
import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, INSTANCE, SERIES
from sightline.errors import BadFile, Refused
from sightline.formats.sr_words import REPORT_CLASSES
from sightline.hub.consensus_object import write_consensus
from sightline.hub.hub import Hub
from sightline.hub.reading import words_of
from sightline.hub.readings import counts
from sightline.store.durable import make_folder, write_durably
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid, SubjectId

MANIFEST_FILE = "manifest.json"

ClearFaces: TypeAlias = Callable[[Sequence[bytes]], Sequence[bytes]]
"""Takes the files of a series and returns them without a face, or refuses."""

_MARK = "RecognizableVisualFeatures"
# Series that a message names before it only counts.
_MOST_NAMED = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Withheld:
    """A series that a public export left out, and why."""

    series_uid: HubSeriesUid
    why: str


class Names(Protocol):
    """What things of the hub are called where they go."""

    def subject(self, subject_id: SubjectId) -> SubjectId:
        """Name a subject."""

    def series(self, uid: HubSeriesUid) -> HubSeriesUid:
        """Name a series."""

    def instance(self, uid: HubInstanceUid) -> HubInstanceUid:
        """Name an instance."""

    def content(self, content: bytes, subject_id: SubjectId) -> bytes:
        """Put the names into an object of a subject."""


class HubNames:
    """The hub's own: nothing is called otherwise."""

    def subject(self, subject_id: SubjectId) -> SubjectId:
        """Return it as it is."""
        return subject_id

    def series(self, uid: HubSeriesUid) -> HubSeriesUid:
        """Return it as it is."""
        return uid

    def instance(self, uid: HubInstanceUid) -> HubInstanceUid:
        """Return it as it is."""
        return uid

    def content(self, content: bytes, subject_id: SubjectId) -> bytes:  # noqa: ARG002 - the protocol's
        """Return it as it is."""
        return content


HUB_NAMES = HubNames()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What left the hub.

    Attributes:
        instances: images, annotations and reports.
        withheld: series whose face could not be cleared with certainty.
        manifest: digest of the list of all files with theirs.
    """

    instances: int
    reports: int
    series: int
    subjects: int
    withheld: tuple[Withheld, ...]
    manifest: Digest


def export(
    hub: Hub,
    chosen: CollectionVersion,
    folder: Path,
    *,
    is_public: bool,
    on_progress: Callable[[int], None],
    names: Names = HUB_NAMES,
    clear_faces: ClearFaces | None = None,
) -> Exported:
    """Write images, annotations and reports of a version under `folder`/SUBJECT/SERIES, and tables.

    Reports are those of the studies that the images are of, each as DICOM and as plain text; a
    public export has none, for text is cleaned of most of what identifies, not certainly of all.

    `splits.tsv` says which series are to learn from; `manifest.json`, written last, has the digest
    of every file. A public export writes no series that is not marked as free of recognisable
    features (PS3.3 C.7.6.1.1, Recognizable Visual Features). Where there are some, their faces are
    cleared; those that cannot be cleared with certainty are left out.

    Args:
        hub: the store.
        chosen: what to hand out.
        folder: empty or not there yet.
        is_public: whether it leaves the institution.
        on_progress: called with the number of series done.
        names: what subjects, series and instances are called there.
        clear_faces: takes the face out of a series that is to become public.

    Raises:
        Refused: `folder` holds something already; or it is public, a series may show a face and
            `clear_faces` is not given.
        DamagedObject: A stored object does not match its digest.
        BadFile: An object cannot be given other names.
        OSError: A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="Give a folder that does not exist yet.")
    if is_public and clear_faces is None:
        _refuse_faces(hub, chosen)
    writer = _Writer(folder, names)
    withheld: list[Withheld] = []
    # In the order of their names there: that of the hub would join two releases.
    members = sorted(chosen.members, key=lambda member: names.series(member.series_uid))
    for done, member in enumerate(members, start=1):
        contents = _of_series(hub, member.series_uid)
        try:
            if is_public:
                contents = _without_face(contents, clear_faces)
        except (BadFile, Refused) as error:
            withheld.append(Withheld(series_uid=member.series_uid, why=error.problem))
        else:
            writer.add(member, contents + _annotation(hub, member))
            if not is_public:
                writer.add_reports(member, _reports(hub, member))
        on_progress(done)
    return writer.finish(withheld)


_Content = tuple[HubSeriesUid, HubInstanceUid, bytes]


def _refuse_faces(hub: Hub, chosen: CollectionVersion) -> None:
    series = [
        member.series_uid
        for member in chosen.members
        if any(_may_show_face(content) for _, _, content in _of_series(hub, member.series_uid))
    ]
    if series:
        more = f" and {len(series) - _MOST_NAMED} more" if len(series) > _MOST_NAMED else ""
        raise Refused(
            f"{len(series)} series may show a face: {', '.join(series[:_MOST_NAMED])}{more}",
            hint="Add --remove-faces, or make a collection without them.",
        )


def _without_face(contents: list[_Content], clear_faces: ClearFaces | None) -> list[_Content]:
    """Return what may become public of a series.

    Raises:
        BadFile: Its pixels cannot be read.
        Refused: A face stands in it, or may.
    """
    files = [content for _, _, content in contents]
    if clear_faces is not None and any(map(_may_show_face, files)):
        files = list(clear_faces(files))
    if any(map(_may_show_face, files)):
        raise Refused("a face may stand in it", hint="Leave the series out.")
    names = ((series, instance) for series, instance, _ in contents)
    return [(*named, content) for named, content in zip(names, files, strict=True)]


def _of_series(hub: Hub, series_uid: HubSeriesUid) -> list[_Content]:
    return _contents(hub, INSTANCE.c.series_uid == series_uid)


def _annotation(hub: Hub, member: Member) -> list[_Content]:
    if member.annotation_id is None:
        return []
    with hub.database.read() as connection:
        drawn = connection.execute(
            sa.select(ANNOTATION.c.instance_uid, counts().label("counts")).where(
                ANNOTATION.c.id == member.annotation_id
            )
        ).one()
    if not drawn.counts:
        return []
    if drawn.instance_uid is None:
        return [write_consensus(hub, member.annotation_id)]
    return _contents(hub, INSTANCE.c.uid == drawn.instance_uid)


def _reports(hub: Hub, member: Member) -> list[_Content]:
    study_uid = sa.select(SERIES.c.study_uid).where(SERIES.c.uid == member.series_uid)
    series = sa.select(SERIES.c.uid).where(SERIES.c.study_uid.in_(study_uid))
    of_study = INSTANCE.c.series_uid.in_(series)
    return _contents(hub, of_study & INSTANCE.c.sop_class_uid.in_(REPORT_CLASSES))


def _contents(hub: Hub, condition: sa.ColumnElement[bool]) -> list[_Content]:
    with hub.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE.c.series_uid, INSTANCE.c.uid, INSTANCE.c.digest)
            .where(condition, INSTANCE.c.withdrawn == "")
            .order_by(INSTANCE.c.uid)
        ).all()
    return [
        (HubSeriesUid(row.series_uid), HubInstanceUid(row.uid), hub.objects.get(Digest(row.digest)))
        for row in rows
    ]


def _may_show_face(content: bytes) -> bool:
    dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=[_MARK])
    return bool(dataset.get(_MARK, "YES") != "NO")


class _Writer:
    """Writes series under their names there, and keeps the books of it."""

    def __init__(self, folder: Path, names: Names) -> None:
        self._folder, self._names = folder, names
        self._rows: list[tuple[SubjectId, HubSeriesUid, str]] = []
        self._files: dict[str, str] = {}
        self._instances = 0
        self._reports: set[HubInstanceUid] = set()

    def add(self, member: Member, contents: list[_Content]) -> None:
        """Write the instances of a member."""
        for each in contents:
            self._put_instance(member, each)
        subject = self._names.subject(member.subject_id)
        self._rows.append((subject, self._names.series(member.series_uid), member.split))

    def add_reports(self, member: Member, contents: list[_Content]) -> None:
        """Write the reports of the study of a member, where another of its series did not."""
        for each in contents:
            if each[1] not in self._reports:
                self._reports.add(each[1])
                place, named = self._put_instance(member, each)
                self._put(f"{place}.txt", words_of(named).encode() + b"\n")

    def finish(self, withheld: list[Withheld]) -> Exported:
        """Write the tables, the list of all files last; tell what was written."""
        make_folder(self._folder)
        lines = ["\t".join(row) for row in (("subject", "series", "split"), *self._rows)]
        self._put("splits.tsv", "\n".join(lines).encode() + b"\n")
        content = {"format": "sightline-release", "version": 1, "files": self._files}
        manifest = (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
        write_durably(self._folder / MANIFEST_FILE, manifest)
        return Exported(
            instances=self._instances,
            reports=len(self._reports),
            series=len(self._rows),
            subjects=len({subject for subject, _, _ in self._rows}),
            withheld=tuple(withheld),
            manifest=Digest(hashlib.sha256(manifest).hexdigest()),
        )

    def _put_instance(self, member: Member, content: _Content) -> tuple[str, bytes]:
        """Write an instance under its names there; return its place without ending, and itself."""
        series_uid, uid, given = content
        folder = f"{self._names.subject(member.subject_id)}/{self._names.series(series_uid)}"
        make_folder(self._folder / folder)
        place = f"{folder}/{self._names.instance(uid)}"
        named = self._names.content(given, member.subject_id)
        self._put(f"{place}.dcm", named)
        self._instances += 1
        return place, named

    def _put(self, path: str, content: bytes) -> None:
        write_durably(self._folder / path, content)
        self._files[path] = hashlib.sha256(content).hexdigest()
