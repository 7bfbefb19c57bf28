"""Volumes of the hub, whole and with their place in the patient."""

import sqlalchemy as sa

from sightline.catalog.hub_tables import SERIES
from sightline.errors import UnknownName, UnsoundSeries
from sightline.hub.admission import volume_geometry
from sightline.hub.hub import Hub
from sightline.values.volume import Volume


def read_volume(hub: Hub, digest: str) -> Volume:
    """Read a volume as it is stored; float32 in its unit where slices differ in rescale.

    Raises:
        DamagedObject: It is missing or broken.
    """
    array = hub.array(digest)
    slope, intercept = array.scale
    return Volume(
        voxels=array.read(),
        geometry=volume_geometry(array.attributes, array.shape),
        modality=array.attributes["modality"],
        slope=slope,
        intercept=intercept,
        unit=array.attributes.get("unit", ""),
    )


def volume_of_series(hub: Hub, series_uid: str) -> str:
    """Return the digest of the one volume of a series.

    Raises:
        UnknownName: The hub has no such series.
        UnsoundSeries: It makes no volume, or several.
    """
    with hub.database.read() as connection:
        row = connection.execute(sa.select(SERIES).where(SERIES.c.uid == series_uid)).first()
    if row is None:
        raise UnknownName(
            f"the hub has no series {series_uid!r}",
            hint="`sightline hub series` lists what is there.",
        )
    if not row.volume_digest:
        raise UnsoundSeries(
            f"series {series_uid} is not one volume: {row.not_volume.splitlines()[0]}"
            if row.not_volume
            else f"series {series_uid} holds no images",
            hint="Look at a series of images that is one volume.",
        )
    digest: str = row.volume_digest
    return digest
