"""Checking that the hub holds what its catalog says, bit for bit: objects and arrays."""

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from sightline.catalog.hub_tables import (
    ANNOTATION,
    COLLECTION_MEMBER,
    FAMILIAR,
    INSTANCE,
    MODEL,
    PREDICTION,
    SERIES,
    VOLUME,
)
from sightline.errors import DamagedObject
from sightline.hub.hub import Hub
from sightline.store.seals import verify_seal
from sightline.store.verifying import verify_part
from sightline.values.flaw import Flaw, FlawKind

OBJECTS = (INSTANCE.c.digest, MODEL.c.weights_digest, FAMILIAR.c.digest)
"""Every column that names an object of the hub."""

ARRAYS = (
    SERIES.c.volume_digest,
    VOLUME.c.digest,
    ANNOTATION.c.mask_digest,
    COLLECTION_MEMBER.c.volume_digest,
    COLLECTION_MEMBER.c.annotation_digest,
    PREDICTION.c.volume_digest,
    PREDICTION.c.mask_digest,
)
"""Every column that names an array of the hub."""

_OBJECT_OWNERS = (
    sa.select(SERIES.c.study_uid, SERIES.c.uid)
    .join(INSTANCE, INSTANCE.c.series_uid == SERIES.c.uid)
    .where(INSTANCE.c.digest == sa.bindparam("digest"))
)
_ARRAY_OWNERS = (
    sa.select(SERIES.c.study_uid, SERIES.c.uid)
    .outerjoin(ANNOTATION, ANNOTATION.c.series_uid == SERIES.c.uid)
    .outerjoin(VOLUME, VOLUME.c.series_uid == SERIES.c.uid)
    .where(
        sa.or_(
            VOLUME.c.digest == sa.bindparam("digest"),
            sa.and_(
                ANNOTATION.c.mask_digest == sa.bindparam("digest"),
                ANNOTATION.c.instance_uid.is_not(None),
            ),
        )
    )
)
# A consensus and what a model drew were made here: the archive cannot bring them back.
_MADE_ARRAY_OWNERS = (
    sa.select(SERIES.c.study_uid, SERIES.c.uid)
    .outerjoin(ANNOTATION, ANNOTATION.c.series_uid == SERIES.c.uid)
    .outerjoin(PREDICTION, PREDICTION.c.series_uid == SERIES.c.uid)
    .where(
        sa.or_(
            ANNOTATION.c.mask_digest == sa.bindparam("digest"),
            PREDICTION.c.mask_digest == sa.bindparam("digest"),
        )
    )
)


def verify_hub_part(hub: Hub, part: str, on_read: Callable[[int], None]) -> list[Flaw]:
    """Check every object and array whose digest begins with `part`, and the rows that need them.

    Raises:
        OSError: The store or the catalog cannot be read.
    """
    return [*_objects(hub, part, on_read), *_arrays(hub, part, on_read)]


def _objects(hub: Hub, part: str, on_read: Callable[[int], None]) -> Iterator[Flaw]:
    wanted = _wanted(hub, OBJECTS, part)
    found = verify_part(hub.objects, part, wanted, on_read=on_read)
    came_since = _wanted(hub, OBJECTS, part) if found else set()
    for digest, kind in found.items():
        if kind != "orphan" or digest not in came_since:
            yield _flaw(hub, digest, kind, what="object")


def _arrays(hub: Hub, part: str, on_read: Callable[[int], None]) -> Iterator[Flaw]:
    wanted = _wanted(hub, ARRAYS, part)
    found = {path.name for path in hub.arrays_dir.glob(f"{part}*") if path.is_dir()}
    for digest in sorted(found):
        if _is_damaged(hub, digest, on_read):
            yield _flaw(hub, digest, "damaged", what="array")
    for digest in sorted(wanted - found):
        yield _flaw(hub, digest, "missing", what="array")
    for digest in sorted(found - _wanted(hub, ARRAYS, part)):
        yield _flaw(hub, digest, "orphan", what="array")


def _is_damaged(hub: Hub, digest: str, on_read: Callable[[int], None]) -> bool:
    try:
        if not verify_seal(hub.array_path(digest), on_read):
            # Older than the seals: at least every chunk decodes.
            on_read(hub.array(digest).read().nbytes)
    except DamagedObject:
        return True
    return False


def _wanted(hub: Hub, columns: tuple[sa.ColumnElement[str], ...], part: str) -> set[str]:
    with hub.database.read() as connection:
        return {
            digest
            for column in columns
            for digest in connection.execute(
                sa.select(column).where(column >= part, column < part + "g").distinct()
            ).scalars()
        }


def _flaw(hub: Hub, digest: str, kind: FlawKind, *, what: str) -> Flaw:
    owners = _OBJECT_OWNERS if what == "object" else _ARRAY_OWNERS
    with hub.database.read() as connection:
        owner = connection.execute(owners.limit(1), {"digest": digest}).first()
        made = _MADE_ARRAY_OWNERS.limit(1)
        maker = None if owner else connection.execute(made, {"digest": digest}).first()
    study_uid, series_uid = owner or maker or ("", "")
    return Flaw(
        store="hub",
        kind=kind,
        what=what,
        digest=digest,
        study_uid=study_uid,
        series_uid=series_uid,
        source="the archive, through the door" if owner else "",
    )
