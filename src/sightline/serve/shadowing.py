"""A model in shadow: run on what comes, held beside the live version, shown and sent to nobody."""

import dataclasses
import statistics

import numpy as np
import numpy.typing as npt

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.results import objects_of, predictions_of_study
from sightline.archive.shadows import fail_shadow, keep_shadow, start_shadow
from sightline.errors import BadFile, SightlineError
from sightline.formats.seg import read_seg
from sightline.hub.hub import Hub
from sightline.hub.models import model as model_record
from sightline.hub.models import models
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make, result_id
from sightline.serve.predicting import new_prediction, whose_images
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
    wanted, sources = new_prediction(archive, record, series_uid)
    prediction = start_shadow(archive, wanted)
    if prediction.state == "kept":
        return
    try:
        with archive.objects.local_copies(sources) as files:
            patient = whose_images(archive, prediction.study_uid, files).patient
            made = make(engine, record, prediction, files=files, inputs=sources, patient=patient)
        seg = made.objects.get(result_id(prediction.lineage_id, "seg"))
        shadow = ShadowPrediction(
            prediction=dataclasses.replace(prediction, finding=made.finding, making=made.making),
            seg_digest="" if seg is None else archive.objects.put(seg),
            beside=_beside(archive, _published(archive, hub, prediction), made),
        )
    except SightlineError as error:
        _log.warning("shadow_refused", series=series_uid, model=record.label, why=error.problem)
        fail_shadow(archive, prediction.lineage_id, error.problem)
    else:
        keep_shadow(archive, shadow)
        _log.info("shadow_kept", prediction=prediction.lineage_id, model=record.label)


def _published(archive: Archive, hub: Hub, said: Prediction) -> Prediction | None:
    """Return what the live version of the same model published of the same instances."""
    name = parse_label(said.model_version)[0]
    live = {each.lineage_id for each in models(hub, state="live") if each.name == name}
    same = [
        each
        for each in predictions_of_study(archive, said.study_uid)
        if each.state == "published"
        and each.model_id in live
        and (each.series_uid, each.series_digest) == (said.series_uid, said.series_digest)
    ]
    return same[-1] if same else None


def _beside(archive: Archive, published: Prediction | None, made: Made) -> Beside | None:
    if published is None or published.finding is None:
        return None
    return Beside(
        lineage_id=published.lineage_id,
        model_id=published.model_id,
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
