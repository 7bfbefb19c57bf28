"""Handing a collection out as DICOM files; a public export never shows a face."""

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import pydicom
import sqlalchemy as sa

from sightline.catalog.hub_tables import INSTANCE
from sightline.errors import BadFile, Refused
from sightline.hub.hub import Hub
from sightline.store.durable import make_folder, write_durably
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import Digest, HubSeriesUid

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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What left the hub.

    Attributes:
        withheld: series whose face could not be cleared with certainty.
    """

    instances: int
    series: int
    withheld: tuple[Withheld, ...]


def export(
    hub: Hub,
    chosen: CollectionVersion,
    folder: Path,
    *,
    is_public: bool,
    on_progress: Callable[[int], None],
    clear_faces: ClearFaces | None = None,
) -> Exported:
    """Write the images of a version under `folder`/SUBJECT/SERIES, and its splits as a table.

    A public export writes no series that is not marked as free of recognisable features (PS3.3
    C.7.6.1.1, Recognizable Visual Features). Where there are some, their faces are cleared; those
    that cannot be cleared with certainty are left out.

    Args:
        hub: the store.
        chosen: what to hand out.
        folder: empty or not there yet.
        is_public: whether it leaves the institution.
        on_progress: called with the number of series done.
        clear_faces: takes the face out of a series that is to become public.

    Raises:
        Refused: `folder` holds something already; or it is public, a series may show a face and
            `clear_faces` is not given.
        DamagedObject: A stored object does not match its digest.
        OSError: A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="Give a folder that does not exist yet.")
    if is_public and clear_faces is None:
        _refuse_faces(hub, chosen)
    instances = 0
    withheld: list[Withheld] = []
    rows = ["subject\tseries\tsplit"]
    for done, member in enumerate(chosen.members, start=1):
        contents = _contents(hub, member)
        try:
            if is_public:
                contents = _without_face(contents, clear_faces)
        except (BadFile, Refused) as error:
            withheld.append(Withheld(series_uid=member.series_uid, why=error.problem))
        else:
            instances += len(contents)
            _write(folder / member.subject_id / member.series_uid, contents)
            rows.append(f"{member.subject_id}\t{member.series_uid}\t{member.split}")
        on_progress(done)
    make_folder(folder)
    write_durably(folder / "splits.tsv", "\n".join(rows).encode() + b"\n")
    series = len(chosen.members) - len(withheld)
    return Exported(instances=instances, series=series, withheld=tuple(withheld))


def _refuse_faces(hub: Hub, chosen: CollectionVersion) -> None:
    series = [
        member.series_uid
        for member in chosen.members
        if any(map(_may_show_face, _contents(hub, member).values()))
    ]
    if series:
        more = f" and {len(series) - _MOST_NAMED} more" if len(series) > _MOST_NAMED else ""
        raise Refused(
            f"{len(series)} series may show a face: {', '.join(series[:_MOST_NAMED])}{more}",
            hint="Add --remove-faces, or make a collection without them.",
        )


def _without_face(contents: dict[str, bytes], clear_faces: ClearFaces | None) -> dict[str, bytes]:
    """Return what may become public of a series.

    Raises:
        BadFile: Its pixels cannot be read.
        Refused: A face stands in it, or may.
    """
    if clear_faces is not None and any(map(_may_show_face, contents.values())):
        contents = dict(zip(contents, clear_faces(list(contents.values())), strict=True))
    if any(map(_may_show_face, contents.values())):
        raise Refused("a face may stand in it", hint="Leave the series out.")
    return contents


def _contents(hub: Hub, member: Member) -> dict[str, bytes]:
    with hub.database.read() as connection:
        rows = connection.execute(
            sa.select(INSTANCE.c.uid, INSTANCE.c.digest)
            .where(INSTANCE.c.series_uid == member.series_uid, INSTANCE.c.withdrawn == "")
            .order_by(INSTANCE.c.uid)
        ).all()
    return {row.uid: hub.objects.get(Digest(row.digest)) for row in rows}


def _may_show_face(content: bytes) -> bool:
    dataset = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True, specific_tags=[_MARK])
    return bool(dataset.get(_MARK, "YES") != "NO")


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    make_folder(folder)
    for uid, content in contents.items():
        write_durably(folder / f"{uid}.dcm", content)
