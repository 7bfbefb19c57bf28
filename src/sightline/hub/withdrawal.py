"""Withdrawing instances: kept, but in no volume and no collection version made from now on."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from sightline import log
from sightline.catalog.hub_tables import ANNOTATION, INSTANCE, NODE
from sightline.formats.dicom_file import read_header
from sightline.formats.seg import SEGMENTATION_STORAGE
from sightline.hub.admission import make_volumes, mark_series
from sightline.hub.hub import Hub
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid

_log = log.get("hub")

WITHDRAWN = "withdrawn"
"""The fact of a series or annotation of which something was withdrawn: why."""


def withdraw(hub: Hub, reasons: Mapping[HubInstanceUid, str]) -> tuple[HubInstanceUid, ...]:
    """Withdraw instances, each for its reason; return those that were here and counted until now.

    The volume of a series is made anew from what is left, or is gone where nothing is. Annotations
    that were withdrawn, or were drawn on such a series, say so in lineage.
    """
    with hub.database.write() as connection:
        rows = [
            row
            for uid, reason in reasons.items()
            for row in connection.execute(
                sa.select(INSTANCE).where(INSTANCE.c.uid == uid, INSTANCE.c.withdrawn == "")
            )
        ]
        for row in rows:
            connection.execute(
                INSTANCE.update()
                .where(INSTANCE.c.uid == row.uid)
                .values(withdrawn=reasons[HubInstanceUid(row.uid)])
            )
        series = {row.series_uid: reasons[HubInstanceUid(row.uid)] for row in rows}
        _say_so(connection, series, [row.uid for row in rows])
    for uid, reason in series.items():
        _make_volume_of_rest(hub, HubSeriesUid(uid), reason)
    if rows:
        _log.info("instances_withdrawn", instances=len(rows), series=len(series))
    return tuple(HubInstanceUid(row.uid) for row in rows)


def instances_of_series(hub: Hub, series_uid: HubSeriesUid) -> list[HubInstanceUid]:
    """List the instances of a series that count."""
    query = sa.select(INSTANCE.c.uid).where(
        INSTANCE.c.series_uid == series_uid, INSTANCE.c.withdrawn == ""
    )
    with hub.database.read() as connection:
        return [HubInstanceUid(uid) for uid in connection.execute(query).scalars()]


def _say_so(connection: sa.Connection, series: Mapping[str, str], instances: Iterable[str]) -> None:
    annotations = connection.execute(
        sa.select(ANNOTATION.c.id, ANNOTATION.c.series_uid).where(
            ANNOTATION.c.series_uid.in_(series) | ANNOTATION.c.instance_uid.in_(list(instances))
        )
    ).all()
    reasons = dict(series)
    reasons |= {row.id: series.get(row.series_uid, "its mask was rejected") for row in annotations}
    for id_, reason in reasons.items():
        facts = connection.execute(sa.select(NODE.c.facts).where(NODE.c.id == id_)).scalar()
        if facts is not None:
            connection.execute(
                NODE.update().where(NODE.c.id == id_).values(facts=facts | {WITHDRAWN: reason})
            )


def _make_volume_of_rest(hub: Hub, series_uid: HubSeriesUid, reason: str) -> None:
    with hub.database.read() as connection:
        left = connection.execute(
            sa.select(INSTANCE.c.digest).where(
                INSTANCE.c.series_uid == series_uid,
                INSTANCE.c.withdrawn == "",
                INSTANCE.c.sop_class_uid != SEGMENTATION_STORAGE,
            )
        ).scalars()
        digests = [Digest(digest) for digest in left]
    if digests:
        with hub.objects.local_copies(digests) as files:
            frames = sum(read_header(path.read_bytes()).frames or 1 for path in files)
            make_volumes(hub, series_uid, files, frames=frames)
    else:
        why = f"all of it was withdrawn: {reason}"
        mark_series(hub, series_uid, volumes=[], not_volume=why)
