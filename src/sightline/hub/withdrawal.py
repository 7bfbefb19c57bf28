"""Withdrawing instances: kept, but in no volume and no collection version made from now on."""

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from sightline import log
from sightline.catalog.hub_tables import ANNOTATION, EDGE, INSTANCE, NODE
from sightline.formats.dicom_file import read_header
from sightline.formats.seg import SEGMENTATION_STORAGE
from sightline.hub.admission import make_volumes, mark_series
from sightline.hub.hub import Hub
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid

_log = log.get("hub")

WITHDRAWN = "withdrawn"
"""The fact of a series or annotation of which something was withdrawn: why."""


TOUCHED = "touched"
"""The fact of what was made in the hub of something that was withdrawn: of what, and why."""

_MADE_IN_HUB = ("annotation", "prediction")


def withdraw(hub: Hub, reasons: Mapping[HubInstanceUid, str]) -> tuple[HubInstanceUid, ...]:
    """Withdraw instances, each for its reason; return those that were here and counted until now.

    The volume of a series is made anew from what is left, or is gone where nothing is. Annotations
    that were withdrawn, or were drawn on such a series, say so in lineage; consensuses and
    predictions that were made of either say what touched them.
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


def withdrawn_series(hub: Hub, series_uids: Sequence[HubSeriesUid]) -> set[HubSeriesUid]:
    """Tell which of some series have no instance left that counts."""
    left: set[HubSeriesUid] = set()
    with hub.database.read() as connection:
        # SQLite takes a limited number of parameters a statement.
        for first in range(0, len(series_uids), 500):
            query = (
                sa.select(INSTANCE.c.series_uid)
                .where(
                    INSTANCE.c.series_uid.in_(series_uids[first : first + 500]),
                    INSTANCE.c.withdrawn == "",
                )
                .distinct()
            )
            left.update(HubSeriesUid(uid) for uid in connection.execute(query).scalars())
    return set(series_uids) - left


def _say_so(connection: sa.Connection, series: Mapping[str, str], instances: Iterable[str]) -> None:
    annotations = connection.execute(
        sa.select(ANNOTATION.c.id, ANNOTATION.c.series_uid).where(
            ANNOTATION.c.series_uid.in_(series) | ANNOTATION.c.instance_uid.in_(list(instances))
        )
    ).all()
    reasons = dict(series)
    reasons |= {row.id: series.get(row.series_uid, "its mask was rejected") for row in annotations}
    for id_, reason in reasons.items():
        _add_fact(connection, id_, name=WITHDRAWN, value=reason)
    for id_, reason in _touched(connection, reasons).items():
        _add_fact(connection, id_, name=TOUCHED, value=reason)


def _touched(connection: sa.Connection, reasons: Mapping[str, str]) -> dict[str, str]:
    made = sa.select(EDGE.c.child).join(NODE, NODE.c.id == EDGE.c.child)
    made = made.where(NODE.c.kind.in_(_MADE_IN_HUB), NODE.c.id.not_in(list(reasons)))
    return {
        child: f"{parent} was withdrawn: {reason}"
        for parent, reason in reasons.items()
        for child in connection.execute(made.where(EDGE.c.parent == parent)).scalars()
    }


def _add_fact(connection: sa.Connection, id_: str, *, name: str, value: str) -> None:
    facts = connection.execute(sa.select(NODE.c.facts).where(NODE.c.id == id_)).scalar()
    if facts is not None:
        connection.execute(
            NODE.update().where(NODE.c.id == id_).values(facts=facts | {name: value})
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
