"""From any name, identified or not, to its place in lineage."""

from sightline.archive.archive import Archive
from sightline.archive.studies import lineage_of_instance
from sightline.hub.hub import Hub
from sightline.hub.lineage import Direction, trace
from sightline.settings import Settings
from sightline.values.identity import InstanceUid
from sightline.values.lineage import Trace


def trace_anything(settings: Settings, name: str, direction: Direction) -> Trace:
    """Walk from a published SOP Instance UID, or from an id or name of the hub.

    Raises:
        UnknownName: Neither the archive nor lineage knows it.
    """
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        known = lineage_of_instance(archive, InstanceUid(name))
        return trace(hub, known or name, direction)
    finally:
        archive.close()
        hub.close()
