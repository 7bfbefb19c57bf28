"""What models are familiar with: kept as objects, so that an earlier result finds its own again."""

import dataclasses
import json

import sqlalchemy as sa

from sightline import clock
from sightline.catalog.hub_tables import FAMILIAR
from sightline.errors import DamagedObject
from sightline.hub.collections import lineage_id as collection_id
from sightline.hub.hub import Hub
from sightline.values.collection import CollectionVersion
from sightline.values.identity import Digest, LineageId
from sightline.values.likeness import Familiar


def keep_familiar(
    hub: Hub, model_id: LineageId, familiar: Familiar, *, learnt_from: CollectionVersion
) -> Digest:
    """Keep what a model is familiar with from now on."""
    content = json.dumps(dataclasses.asdict(familiar), sort_keys=True).encode()
    digest = hub.objects.put(content)
    with hub.database.write() as connection:
        connection.execute(
            FAMILIAR.insert().values(
                model_id=model_id,
                version_id=collection_id(learnt_from),
                digest=digest,
                created_at=clock.now().isoformat(),
            )
        )
    return digest


def familiar_now(hub: Hub, model_id: LineageId) -> Digest | None:
    """Return which object says what a model is familiar with; None where nobody looked."""
    query = (
        sa.select(FAMILIAR.c.digest)
        .where(FAMILIAR.c.model_id == model_id)
        .order_by(FAMILIAR.c.id.desc())
    )
    with hub.database.read() as connection:
        found = connection.execute(query).scalar()
    return None if found is None else Digest(found)


def read_familiar(hub: Hub, digest: Digest) -> Familiar:
    """Return what such an object says.

    Raises:
        DamagedObject: It is gone, or does not match its digest.
    """
    try:
        return Familiar.from_json(json.loads(hub.objects.get(digest)))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedObject(
            f"object {digest[:12]} does not say what a model is familiar with",
            hint="It was made by a later Sightline; upgrade this one.",
        ) from error
