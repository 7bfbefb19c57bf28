"""Studies of the hub that several readers marked."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sightline.formats.seg import SEGMENTATION_STORAGE, write_seg
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.hub.predictions import add_prediction
from sightline.values.collection import CollectionVersion
from sightline.values.finding import Finding
from sightline.values.geometry import Geometry
from sightline.values.identity import (
    HubInstanceUid,
    HubSeriesUid,
    InstanceUid,
    LineageId,
    SeriesUid,
)
from sightline.values.prediction import HubPrediction
from sightline.values.result import ResultIdentity
from sightline.values.study import DeidentifiedInstance, DeidentifiedStudy
from sightline.values.volume import Segmentation
from tests.hubs import AFFINE, SHAPE, add_trained, study_of

NODULE = ("nodule",)


def block(*sides: tuple[int, int]) -> np.ndarray:
    """Return a mask of one block, from first to last voxel of each axis; empty without sides."""
    mask = np.zeros(SHAPE, np.uint8)
    if sides:
        mask[tuple(slice(*side) for side in sides)] = 1
    return mask


WIDE = block((1, 4), (2, 10), (2, 8))
NARROW = block((1, 4), (2, 10), (2, 6))
SHIFTED = block((1, 4), (4, 12), (2, 8))
EMPTY = block()


def read_by(
    number: int,
    folder: Path,
    drawn: Mapping[str, np.ndarray],
    *,
    subject: int | None = None,
    first: int = 0,
) -> DeidentifiedStudy:
    """Make a study that looks as if it had passed the door with a mask of each reader.

    Args:
        number: of the study.
        folder: for its files.
        drawn: the mask of each reader.
        subject: whose study; None for one of its own.
        first: place of the first mask, so that later ones have other names.
    """
    study = study_of(number, folder, subject=subject)
    images = [each for each in study.instances if each.sop_class_uid != SEGMENTATION_STORAGE]
    sources = [folder / f"{number}-{k}.dcm" for k in range(SHAPE[0])]
    masks = [
        _mask(study.uid, place, sources, author=author, mask=mask)
        for place, (author, mask) in enumerate(drawn.items(), start=first)
    ]
    return dataclasses.replace(study, instances=(*images, *masks))


def admit_read(
    hub: Hub,
    folder: Path,
    number: int,
    drawn: Mapping[str, np.ndarray],
    *,
    subject: int | None = None,
) -> HubSeriesUid:
    """Admit such a study and return the series that was read."""
    admit(hub, read_by(number, folder, drawn, subject=subject))
    return HubSeriesUid(f"2.25.{1000 + number}.1")


def add_predicted(
    hub: Hub, chosen: CollectionVersion, mask_digest: str, *, number: int = 1, finding: Finding
) -> HubPrediction:
    """Enter what a model that nobody trained drew of the last series of a version."""
    record = add_trained(hub, "finder", collection=chosen.label)
    member = chosen.members[-1]
    made = HubPrediction(
        lineage_id=LineageId(f"prediction-{number:012}"),
        model_id=record.lineage_id,
        model=record.label,
        collection=chosen.label,
        series_uid=member.series_uid,
        subject_id=member.subject_id,
        split=member.split,
        volume_digest=member.volume_digest,
        mask_digest=mask_digest,
        finding=finding,
        created_at="2026-01-02T03:04:05+00:00",
    )
    add_prediction(hub, made, chosen)
    return made


def instance_of(number: int, place: int) -> HubInstanceUid:
    """Name the mask of the reader at that place."""
    return HubInstanceUid(f"2.25.{1000 + number}.8{place}.1")


def _mask(
    study_uid: str, place: int, sources: list[Path], *, author: str, mask: np.ndarray
) -> DeidentifiedInstance:
    identity = ResultIdentity(
        instance_uid=InstanceUid(f"{study_uid}.8{place}.1"),
        series_uid=SeriesUid(f"{study_uid}.8{place}"),
        series_number=80 + place,
        series_description="mask",
        author=author,
        created_at="2026-01-02T03:04:05+00:00",
    )
    segmentation = Segmentation(
        mask=mask, geometry=Geometry.from_affine(SHAPE, AFFINE), classes=NODULE, author=author
    )
    return DeidentifiedInstance(
        uid=HubInstanceUid(identity.instance_uid),
        series_uid=HubSeriesUid(identity.series_uid),
        sop_class_uid=SEGMENTATION_STORAGE,
        content=write_seg(segmentation, sources, identity=identity, is_manual=True),
        source_series_uid=HubSeriesUid(f"{study_uid}.1"),
    )
