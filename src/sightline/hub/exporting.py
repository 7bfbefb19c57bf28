"""Handing a collection out as DICOM files; a public export never shows a face."""

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pydicom
import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, INSTANCE
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.store.durable import make_folder, write_durably
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid, SubjectId

MANIFEST_FILE = "manifest.json"
_MARK = "RecognizableVisualFeatures"


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
        withheld: series that may show a face and that a public export leaves out.
        manifest: digest of the list of all files with theirs.
    """

    instances: int
    series: int
    subjects: int
    withheld: tuple[HubSeriesUid, ...]
    manifest: Digest


def export(
    hub: Hub,
    chosen: CollectionVersion,
    folder: Path,
    *,
    is_public: bool,
    on_progress: Callable[[int], None],
    names: Names = HUB_NAMES,
) -> Exported:
    """Write images and annotations of a version under `folder`/SUBJECT/SERIES, and tables.

    `splits.tsv` says which series are to learn from; `manifest.json`, written last, has the digest
    of every file. A public export leaves out every series that the door did not mark as free of
    recognisable features (PS3.3 C.7.1.1.1, Recognizable Visual Features): faces are not removed
    yet.

    Args:
        hub: the store.
        chosen: what to hand out.
        folder: empty or not there yet.
        is_public: whether it leaves the institution.
        on_progress: called with the number of series done.
        names: what subjects, series and instances are called there.

    Raises:
        Refused: `folder` holds something already.
        DamagedObject: A stored object does not match its digest.
        BadFile: An object cannot be given other names.
        OSError: A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="Give a folder that does not exist yet.")
    files: dict[str, str] = {}
    withheld: list[HubSeriesUid] = []
    rows: list[str] = []
    # In the order of their names there: that of the hub would join two releases.
    members = sorted(chosen.members, key=lambda member: names.series(member.series_uid))
    for done, member in enumerate(members, start=1):
        contents = _of_series(hub, member.series_uid)
        if is_public and any(_may_show_face(content) for _, _, content in contents):
            withheld.append(member.series_uid)
        else:
            contents += _annotation(hub, member)
            files |= _write(folder, member, contents, names=names)
            subject, series = names.subject(member.subject_id), names.series(member.series_uid)
            rows.append(f"{subject}\t{series}\t{member.split}")
        on_progress(done)
    make_folder(folder)
    table = "\n".join(("subject\tseries\tsplit", *rows)).encode() + b"\n"
    write_durably(folder / "splits.tsv", table)
    manifest = _manifest(files | {"splits.tsv": hashlib.sha256(table).hexdigest()})
    write_durably(folder / MANIFEST_FILE, manifest)
    return Exported(
        instances=len(files),
        series=len(rows),
        subjects=len({row.split("\t")[0] for row in rows}),
        withheld=tuple(withheld),
        manifest=Digest(hashlib.sha256(manifest).hexdigest()),
    )


_Content = tuple[HubSeriesUid, HubInstanceUid, bytes]


def _of_series(hub: Hub, series_uid: HubSeriesUid) -> list[_Content]:
    return _contents(hub, INSTANCE.c.series_uid == series_uid)


def _annotation(hub: Hub, member: Member) -> list[_Content]:
    if member.annotation_id is None:
        return []
    chosen = sa.select(ANNOTATION.c.instance_uid).where(ANNOTATION.c.id == member.annotation_id)
    return _contents(hub, INSTANCE.c.uid.in_(chosen))


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


def _write(
    folder: Path, member: Member, contents: list[_Content], *, names: Names
) -> dict[str, str]:
    """Write instances and return the digest of each file by its path in `folder`."""
    files = {}
    for series_uid, uid, content in contents:
        place = f"{names.subject(member.subject_id)}/{names.series(series_uid)}"
        path, named = (
            f"{place}/{names.instance(uid)}.dcm",
            names.content(content, member.subject_id),
        )
        make_folder(folder / place)
        write_durably(folder / path, named)
        files[path] = hashlib.sha256(named).hexdigest()
    return files


def _manifest(files: dict[str, str]) -> bytes:
    content = {"format": "sightline-release", "version": 1, "files": files}
    return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()
