"""A model applied to a series: what is to be published of it is durable, but not yet public."""

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

from sightline import clock, log
from sightline.archive.archive import Archive
from sightline.archive.belonging import Belonging, belonging_of
from sightline.archive.results import start_prediction
from sightline.archive.studies import study, study_of_series
from sightline.errors import UnknownName
from sightline.formats.dicom_file import read_header
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import model as model_record
from sightline.serve.engine import Engine
from sightline.serve.making import make
from sightline.values.finding import Finding
from sightline.values.identity import Digest, LineageId, SeriesUid, StudyUid
from sightline.values.model import ModelRecord
from sightline.values.prediction import Prediction

_log = log.get("serve")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What one prediction made; every digest is an object of the archive.

    Attributes:
        objects: lineage id and digest of each DICOM object.
    """

    prediction: Prediction
    finding: Finding
    picture_digest: Digest
    objects: tuple[tuple[LineageId, Digest], ...]


def predict_series(
    archive: Archive, engine: Engine, hub: Hub, *, series_uid: SeriesUid, model_id: LineageId
) -> Predicted | None:
    """Predict one series; None where it is published already.

    Raises:
        BadFile: The series is no volume that the model can take.
        MixedPatients: Its images are not of the study's patient alone.
        StudyChanged: The study is gone.
        MissingExtra: The host has no learning stack.
        UnknownName: The series or the model is not there.
    """
    record = model_record(hub, model_id)
    wanted, sources = new_prediction(archive, record, series_uid)
    prediction = start_prediction(archive, wanted)
    if prediction.state == "published":
        return None
    _log.info("prediction_begins", prediction=prediction.lineage_id, study=prediction.study_uid)
    with archive.objects.local_copies(sources) as files:
        whose = whose_images(archive, prediction.study_uid, files)
        made = make(engine, record, prediction, files=files, inputs=sources, patient=whose.patient)
    making = dataclasses.replace(made.making, patients=whose.rows)
    return Predicted(
        prediction=dataclasses.replace(prediction, making=making),
        finding=made.finding,
        picture_digest=archive.objects.put(made.picture),
        objects=tuple((name, archive.objects.put(each)) for name, each in made.objects.items()),
    )


def whose_images(archive: Archive, study_uid: StudyUid, files: Sequence[Path]) -> Belonging:
    """Return whose the images of a series are.

    Raises:
        MixedPatients: They are not of the study's patient alone.
        StudyChanged: The study is gone.
        NotDicom: One is broken.
    """
    images = [read_header(path.read_bytes()).patient for path in files]
    return belonging_of(archive, study_uid, images)


def new_prediction(
    archive: Archive, record: ModelRecord, series_uid: SeriesUid
) -> tuple[Prediction, list[Digest]]:
    """Name a prediction of a series as it is now; return with it the instances it looks at.

    Raises:
        UnknownName: There is no such series, or the PACS took all of it back.
    """
    whole = study(archive, study_of_series(archive, series_uid))
    digests = [each.digest for each in whole.instances if each.series_uid == series_uid]
    if not digests:
        raise UnknownName(
            f"series {series_uid} has no image that counts any more",
            hint="`sightline clinical rejected` lists what the PACS took back.",
        )
    prediction = Prediction(
        lineage_id=new_id("prediction"),
        study_uid=whole.uid,
        series_uid=series_uid,
        series_digest=hashlib.sha256("".join(sorted(digests)).encode()).hexdigest(),
        model_id=record.lineage_id,
        model_version=record.label,
        created_at=clock.now().isoformat(timespec="seconds"),
    )
    return prediction, digests
