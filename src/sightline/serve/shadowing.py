"""A model in shadow: run on what comes, held beside the live version, shown and sent to nobody."""

import dataclasses
import statistics

import numpy as np
import numpy.typing as npt

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.results import objects_of, predictions_of_study
from sightline.archive.shadows import fail_shadow, keep_shadow, start_shadow
from sightline.errors import BadFile, SightlineError
from sightline.formats.seg import read_seg
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import model as model_record
from sightline.hub.models import models
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make, result_id
from sightline.serve.predicting import sources_of
from sightline.values.collection import parse_label
from sightline.values.identity import LineageId, SeriesUid
from sightline.values.prediction import Beside, Prediction, ShadowPrediction
from sightline.values.volume import Segmentation

_log = log.get("serve")


def shadow_series(
    archive: Archive, engine: Engine, hub: Hub, *, series_uid: SeriesUid, model_id: LineageId
) -> None:
    """Run a model in shadow on one series and keep what it says; what it refuses is kept, too.

    Raises:
        UnknownName: The series or the model is not there.
    """
    record = model_record(hub, model_id)
    sources, digest, study_uid = sources_of(archive, series_uid)
    wanted = ShadowPrediction(
        lineage_id=new_id("prediction"),
        study_uid=study_uid,
        series_uid=series_uid,
        series_digest=digest,
        model_id=model_id,
        model_version=record.label,
        created_at=clock.now().isoformat(timespec="seconds"),
    )
    shadow = start_shadow(archive, wanted)
    if shadow.state == "kept":
        return
    try:
        with archive.objects.local_copies(sources) as files:
            made = make(engine, record, _named_as(shadow), files=files, inputs=sources)
        seg = made.objects.get(result_id(shadow.lineage_id, "seg"))
        found = dataclasses.replace(
            shadow,
            finding=made.finding,
            seg_digest="" if seg is None else archive.objects.put(seg),
            making=made.making,
            beside=_beside(archive, _published(archive, hub, shadow), made),
        )
    except SightlineError as error:
        _log.warning("shadow_refused", series=series_uid, model=record.label, why=error.problem)
        fail_shadow(archive, shadow.lineage_id, error.problem)
    else:
        keep_shadow(archive, found)
        _log.info("shadow_kept", prediction=shadow.lineage_id, model=record.label)


def _named_as(shadow: ShadowPrediction) -> Prediction:
    return Prediction(
        lineage_id=shadow.lineage_id,
        study_uid=shadow.study_uid,
        series_uid=shadow.series_uid,
        series_digest=shadow.series_digest,
        model_id=shadow.model_id,
        model_version=shadow.model_version,
        created_at=shadow.created_at,
    )


def _published(archive: Archive, hub: Hub, shadow: ShadowPrediction) -> Prediction | None:
    """Return what the live version of the same model published of the same instances."""
    name = parse_label(shadow.model_version)[0]
    live = {each.lineage_id for each in models(hub, state="live") if each.name == name}
    same = [
        each
        for each in predictions_of_study(archive, shadow.study_uid)
        if each.state == "published"
        and each.model_id in live
        and (each.series_uid, each.series_digest) == (shadow.series_uid, shadow.series_digest)
    ]
    return same[-1] if same else None


def _beside(archive: Archive, published: Prediction | None, made: Made) -> Beside | None:
    if published is None or published.finding is None:
        return None
    return Beside(
        lineage_id=published.lineage_id,
        dice=None if made.drawn is None else _dice(archive, published.lineage_id, made.drawn),
        is_same_priority=made.finding.priority == published.finding.priority,
    )


def _dice(archive: Archive, published: LineageId, drawn: Segmentation) -> float | None:
    """Compare with a published mask, class by class; None where neither draws anything."""
    name = result_id(published, "seg")
    digest = objects_of(archive, [name]).get(name)
    if digest is None:
        return None
    try:
        other = read_seg(archive.objects.get(digest), drawn.geometry)
    except BadFile as error:
        # Of a series of several volumes, each model may take another.
        _log.warning("shadow_not_compared", published=published, why=error.problem)
        return None
    found = []
    for class_name in dict.fromkeys((*drawn.classes, *other.classes)):
        ours, theirs = _of_class(drawn, class_name), _of_class(other, class_name)
        total = int(ours.sum()) + int(theirs.sum())
        if total:
            found.append(2 * int((ours & theirs).sum()) / total)
    return statistics.fmean(found) if found else None


def _of_class(drawn: Segmentation, class_name: str) -> npt.NDArray[np.bool_]:
    if class_name not in drawn.classes:
        return np.zeros(drawn.mask.shape, np.bool_)
    return np.equal(drawn.mask, drawn.classes.index(class_name) + 1)
