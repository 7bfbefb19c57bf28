"""A consensus as the DICOM Segmentation that leaves the hub; within, it is an array and a row."""

import sqlalchemy as sa

from sightline.catalog.hub_tables import ANNOTATION, INSTANCE
from sightline.formats.result_object import derived_uid
from sightline.formats.seg import write_seg
from sightline.hub.admission import volume_geometry
from sightline.hub.hub import Hub
from sightline.values.identity import (
    Digest,
    HubInstanceUid,
    HubSeriesUid,
    InstanceUid,
    LineageId,
    SeriesUid,
)
from sightline.values.result import ResultIdentity
from sightline.values.volume import Segmentation

# Where readers' masks are numbered, too.
_SERIES_NUMBER = 9500


def write_consensus(
    hub: Hub, annotation_id: LineageId
) -> tuple[HubSeriesUid, HubInstanceUid, bytes]:
    """Write a consensus under UIDs that follow from its id; a repeat gives the same bytes.

    Raises:
        BadFile: The images of its series cannot be read.
        DamagedObject: Its mask or an image is missing or broken.
    """
    with hub.database.read() as connection:
        row = connection.execute(
            sa.select(ANNOTATION).where(ANNOTATION.c.id == annotation_id)
        ).one()
        digests = connection.execute(
            sa.select(INSTANCE.c.digest)
            .where(INSTANCE.c.series_uid == row.series_uid, INSTANCE.c.withdrawn == "")
            .order_by(INSTANCE.c.uid)
        ).scalars()
        images = [Digest(each) for each in digests]
    array = hub.array(row.mask_digest)

    drawn = Segmentation(
        mask=array.read(),
        geometry=volume_geometry(array.attributes, array.shape),
        classes=tuple(row.classes),
        author=row.author,
    )
    identity = ResultIdentity(
        instance_uid=InstanceUid(derived_uid(row.series_uid, annotation_id)),
        series_uid=SeriesUid(derived_uid(row.series_uid, f"series/{annotation_id}")),
        series_number=_SERIES_NUMBER,
        series_description=f"Mask by {row.author}",
        author=row.author,
        created_at=row.created_at,
    )
    with hub.objects.local_copies(images) as files:
        content = write_seg(drawn, files, identity=identity, is_manual=True)
    return HubSeriesUid(identity.series_uid), HubInstanceUid(identity.instance_uid), content
