"""One annotation made of several readers' by a rule that repeats: majority, or STAPLE.

It is an annotation of its own, `consensus:majority` its author, and names those it was made of.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from sightline import clock, extras
from sightline.catalog.database import insert_new
from sightline.catalog.hub_tables import ANNOTATION
from sightline.errors import Refused
from sightline.hub.admission import keep_mask, volume_geometry
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.hub.readings import independent_readings
from sightline.store.arrays import Box, StoredArray
from sightline.values.arrays import Mask
from sightline.values.identity import HubSeriesUid, LineageId
from sightline.values.reading import ConsensusMethod, Reading, consensus_author
from sightline.values.volume import Segmentation

LEAST_READERS = 2
_MOST_ROUNDS = 1000
_HALF = 0.5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What became of the series that a consensus was asked for.

    Attributes:
        made: the consensus of each series, new or there already.
        alone: series with fewer than two readers, which have none.
    """

    made: Mapping[HubSeriesUid, LineageId]
    alone: tuple[HubSeriesUid, ...]


def make_consensus(
    hub: Hub,
    series_uids: Sequence[HubSeriesUid],
    method: ConsensusMethod,
    *,
    classes: tuple[str, ...],
    on_done: Callable[[int], None] = lambda _: None,
) -> Made:
    """Make the consensus of the readers of each series, as a new annotation.

    The same annotations give the same id and the same bytes; what is there already is not made
    again.

    Args:
        hub: the store.
        series_uids: whose readers.
        method: the rule.
        classes: that the annotations mark, in this order.
        on_done: called with the number of series done.

    Raises:
        Refused: No series has two readers of these classes.
        MissingExtra: STAPLE needs the learning stack.
        DamagedObject: A mask is missing or broken.
        OSError: A mask could not be made durable.
    """
    readings = independent_readings(hub, series_uids, classes=classes)
    made: dict[HubSeriesUid, LineageId] = {}
    for done, series_uid in enumerate(series_uids, start=1):
        found = readings.get(series_uid, [])
        if len(found) >= LEAST_READERS:
            made[series_uid] = _enter(hub, found, method)
        on_done(done)
    if not made:
        raise Refused(
            f"no series has two readers of {', '.join(classes)}",
            hint="`sightline annotations list SERIES` shows what is there.",
        )
    return Made(made=made, alone=tuple(each for each in series_uids if each not in made))


def consensus_id(author: str, annotation_ids: Sequence[str]) -> LineageId:
    """Return the lineage id of the consensus of some annotations."""
    name = "\n".join([author, *sorted(annotation_ids)])
    return LineageId(f"annotation-{hashlib.sha256(name.encode()).hexdigest()[:12]}")


def merge(masks: Sequence[Mask], method: ConsensusMethod, *, class_count: int) -> Mask:
    """Return the consensus of masks on one grid.

    Raises:
        MissingExtra: STAPLE needs the learning stack.
    """
    merged = np.zeros_like(masks[0])
    box = marked_box(masks)
    if box is not None:
        inside = [mask[box] for mask in masks]
        rule = _majority if method == "majority" else _staple
        merged[box] = rule(inside, class_count)
    return merged


def marked_box(masks: Sequence[Mask]) -> Box | None:
    """Return the box of what anybody marked, one voxel wider; None where nobody marked anything.

    What lies beyond says nothing of the readers: how much air is around must change no figure.
    """
    marked = masks[0] > 0
    for mask in masks[1:]:
        marked |= mask > 0
    if not marked.any():
        return None
    sides = []
    for axis, size in enumerate(marked.shape):
        others = tuple(other for other in range(marked.ndim) if other != axis)
        where = np.flatnonzero(marked.any(axis=others))
        sides.append(slice(max(0, int(where[0]) - 1), min(size, int(where[-1]) + 2)))
    slices, rows, columns = sides
    return slices, rows, columns


def _majority(masks: Sequence[Mask], class_count: int) -> Mask:
    """Give a voxel the class that more than half of the readers gave it; a tie is background."""
    merged = np.zeros_like(masks[0])
    for number in range(1, class_count + 1):
        votes = sum((mask == number).astype(np.int32) for mask in masks)
        merged[votes > len(masks) / 2] = number
    return merged


def _staple(masks: Sequence[Mask], class_count: int) -> Mask:
    """Weigh readers by how well they agree with what comes out (DOI 10.1109/TMI.2004.828354).

    Class by class; a voxel gets the likeliest class above one half.
    """
    simpleitk = extras.load("SimpleITK", extra="learn")
    likeliest = np.full(masks[0].shape, _HALF)
    merged = np.zeros_like(masks[0])
    for number in range(1, class_count + 1):
        marks = [(mask == number).astype(np.uint8) for mask in masks]
        if not any(each.any() for each in marks):
            continue  # SimpleITK would divide by nothing
        rule = simpleitk.STAPLEImageFilter()
        rule.SetForegroundValue(1)
        rule.SetMaximumIterations(_MOST_ROUNDS)
        images = [simpleitk.GetImageFromArray(each) for each in marks]
        share = simpleitk.GetArrayFromImage(rule.Execute(images))
        is_likelier = share > likeliest
        merged[is_likelier] = number
        likeliest[is_likelier] = share[is_likelier]
    return merged


def _enter(hub: Hub, readings: Sequence[Reading], method: ConsensusMethod) -> LineageId:
    author = consensus_author(method)
    parents = [each.annotation_id for each in readings]
    id_ = consensus_id(author, parents)
    series_uid, classes = readings[0].series_uid, readings[0].classes
    with hub.database.read() as connection:
        if connection.execute(ANNOTATION.select().where(ANNOTATION.c.id == id_)).first():
            return id_
    arrays = [hub.array(each.mask_digest) for each in readings]
    masks = masks_of(arrays)
    merged = Segmentation(
        mask=merge(masks, method, class_count=len(classes)),
        geometry=volume_geometry(arrays[0].attributes, arrays[0].shape),
        classes=classes,
        author=author,
    )
    row = {
        "id": id_,
        "series_uid": series_uid,
        "instance_uid": None,
        "author": author,
        "classes": list(classes),
        "mask_digest": keep_mask(hub, merged),
        "created_at": clock.now().isoformat(),
    }
    facts = {"author": author, "classes": ", ".join(classes), "readers": str(len(readings))}
    with hub.database.write() as connection:
        insert_new(connection, ANNOTATION, row)
        node = node_of(id_, "annotation", name=id_, facts=facts)
        record(connection, node, [*parents, LineageId(series_uid)])
    return id_


def masks_of(arrays: Sequence[StoredArray]) -> list[Mask]:
    """Read the masks of one series.

    Raises:
        Refused: They lie on volumes of another size: the series makes several.
        DamagedObject: One is broken.
    """
    if len({each.shape for each in arrays}) > 1:
        raise Refused(
            "the annotations lie on different volumes of the series",
            hint="Send the volumes as series of their own.",
        )
    return [each.read().astype(np.uint8, copy=False) for each in arrays]
