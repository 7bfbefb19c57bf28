"""Handing a collection out as DICOM files; a public export never shows a face."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import pydicom
import sqlalchemy as sa

from sightline.catalog.hub_tables import INSTANCE
from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.store.durable import make_folder, write_durably
from sightline.values.collection import CollectionVersion, Member
from sightline.values.identity import Digest, HubSeriesUid

_MARK = "RecognizableVisualFeatures"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What left the hub.

    Attributes:
        withheld: series that may show a face and that a public export leaves out.
    """

    instances: int
    series: int
    withheld: tuple[HubSeriesUid, ...]


def export(
    hub: Hub,
    chosen: CollectionVersion,
    folder: Path,
    *,
    is_public: bool,
    on_progress: Callable[[int], None],
) -> Exported:
    """Write the images of a version under `folder`/SUBJECT/SERIES, and its splits as a table.

    A public export leaves out every series that the door did not mark as free of recognisable
    features (PS3.3 C.7.1.1.1, Recognizable Visual Features): faces are not removed yet.

    Args:
        hub: the store.
        chosen: what to hand out.
        folder: empty or not there yet.
        is_public: whether it leaves the institution.
        on_progress: called with the number of series done.

    Raises:
        Refused: `folder` holds something already.
        DamagedObject: A stored object does not match its digest.
        OSError: A file cannot be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Refused(f"{folder} is not empty", hint="Give a folder that does not exist yet.")
    instances = 0
    withheld: list[HubSeriesUid] = []
    rows = ["subject\tseries\tsplit"]
    for done, member in enumerate(chosen.members, start=1):
        contents = _contents(hub, member)
        if is_public and any(_may_show_face(content) for content in contents.values()):
            withheld.append(member.series_uid)
        else:
            instances += len(contents)
            _write(folder / member.subject_id / member.series_uid, contents)
            rows.append(f"{member.subject_id}\t{member.series_uid}\t{member.split}")
        on_progress(done)
    make_folder(folder)
    write_durably(folder / "splits.tsv", "\n".join(rows).encode() + b"\n")
    series = len(chosen.members) - len(withheld)
    return Exported(instances=instances, series=series, withheld=tuple(withheld))


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
