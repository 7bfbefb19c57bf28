"""Applying a site's retention rules: what the archive may let go, the hub having been asked."""

import shutil
from collections.abc import Callable

import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.retention import Due, Rules, due, retire
from sightline.catalog.hub_tables import COLLECTION_MEMBER, SERIES
from sightline.deid.hub_door import HubDoor
from sightline.errors import KeyDestroyed
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.identity import StudyUid

RULES_FILE = "retention.yaml"


def list_due(settings: Settings, archive: Archive, hub: Hub) -> list[Due]:
    """List the studies that a rule lets go, oldest first, with why some of them stay.

    Raises:
        BadSettings: There are no rules, or they cannot be read, or the vault is missing.
        KeyDestroyed: What is in collections is to be kept, and nobody can tell any more.
    """
    rules = Rules.read(settings.data_dir / RULES_FILE)
    members = _studies_in_collections(hub)
    door = HubDoor.open(settings) if members else None

    def is_in_collection(study_uid: StudyUid) -> bool:
        try:
            return door is not None and door.hub_uid(study_uid) in members
        except KeyDestroyed as error:
            raise KeyDestroyed(
                "the key of the hub was destroyed: nobody knows which studies are in collections",
                hint=f"Say `in_collections: false` below `keep` in {RULES_FILE}.",
            ) from error

    return due(archive, rules, is_in_collection=is_in_collection)


def apply(
    settings: Settings, archive: Archive, studies: list[Due], *, tell: Callable[[Due], None]
) -> int:
    """Let studies go, those with a disk limit only while less is free; return how many went.

    Raises:
        OSError: The catalog or the store cannot be written.
    """
    gone = 0
    for study in studies:
        limit = study.only_below_free_bytes
        free_bytes = shutil.disk_usage(settings.archive_dir).free
        if study.kept_because or (limit is not None and free_bytes >= limit):
            continue
        retire(archive, study)
        tell(study)
        gone += 1
    return gone


def _studies_in_collections(hub: Hub) -> set[str]:
    with hub.database.read() as connection:
        return set(
            connection.execute(
                sa.select(SERIES.c.study_uid)
                .join(COLLECTION_MEMBER, COLLECTION_MEMBER.c.series_uid == SERIES.c.uid)
                .distinct()
            ).scalars()
        )
