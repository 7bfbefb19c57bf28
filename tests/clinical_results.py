"""A published result of a made-up person, for tests of what tells of it."""

import dataclasses
from collections.abc import Sequence

from sightline.archive.archive import Archive
from sightline.archive.outbox import MessageTo
from sightline.archive.receiving import keep
from sightline.archive.results import publish, start_prediction
from sightline.values.arrival import OutgoingResult, Source
from sightline.values.clinical_result import ClinicalResult, PublishedInstance
from sightline.values.finding import Finding, Measurement, Probability
from sightline.values.identity import InstanceUid, LineageId, Patient, SeriesUid, StudyUid
from sightline.values.prediction import Prediction
from tests.instances import ROOT, part10_of, slice_of

ONE_NODULE = Finding(priority=1, words="One nodule", measurements=())
WORDS = "consolidation 42.1 ml | 41 mm ^ 5~6 & \\x\\ größer"
FINDING = Finding(
    priority=2,
    words=WORDS,
    measurements=(
        Measurement(
            class_name="consolidation",
            volume_ml=42.125,
            longest_diameter_mm=41.0,
            components=3,
            tracking_uid="2.25.1",
        ),
        Measurement(
            class_name="odd|class^name",
            volume_ml=0.00001,
            longest_diameter_mm=0.0,
            components=0,
            tracking_uid="2.25.2",
        ),
    ),
    probabilities=(Probability(class_name="effusion", probability=0.8125),),
)
RESULT = ClinicalResult(
    prediction=Prediction(
        lineage_id=LineageId("prediction-9f2c41d07b3e"),
        study_uid=StudyUid("1.2.3"),
        series_uid=SeriesUid("1.2.3.4"),
        series_digest="d" * 64,
        model_id=LineageId("model-0123456789ab"),
        model_version="covid-chest@3",
        created_at="2026-01-02T03:04:05+00:00",
        state="published",
        finding=FINDING,
        finished_at=1767323045.75,
    ),
    patient=Patient(
        patient_id="PHANTOM|1^a",
        issuer="NORTH & SON",
        name="Prøbe^Zoë^Ann^Dr^Jr=王^小東=おう^しょうとう",
        birth_date="19700102",
        sex="F",
    ),
    accession_number="A|1",
    study_date="20240131",
    study_time="101500.250",
    modality="CT",
    instances=tuple(
        PublishedInstance(
            instance_uid=InstanceUid(f"2.25.{number}"),
            series_uid=SeriesUid(f"2.25.{number}1"),
            sop_class_uid="1.2.840.10008.5.1.4.1.1.66.4",
            modality=modality,
        )
        for number, modality in ((7, "SEG"), (8, "SR"))
    ),
)
"""Its words and names hold every separator of HL7."""


def with_words(words: str) -> ClinicalResult:
    finding = dataclasses.replace(FINDING, words=words)
    prediction = dataclasses.replace(RESULT.prediction, finding=finding)
    return dataclasses.replace(RESULT, prediction=prediction)


def of_patient(patient: Patient) -> ClinicalResult:
    return dataclasses.replace(RESULT, patient=patient)


def publish_one(
    archive: Archive,
    number: int,
    patient: str,
    messages: Sequence[MessageTo] = (),
    *,
    finding: Finding = ONE_NODULE,
) -> LineageId:
    """Receive a study of a patient and publish a prediction of it, with one object."""
    study, name = f"{ROOT}.{number}", LineageId(f"prediction-{number}")
    series = f"{study}.1"
    of_study = {"StudyInstanceUID": study, "PatientID": patient}
    image = slice_of(1, SOPInstanceUID=f"{series}.1", SeriesInstanceUID=series, **of_study)
    keep(archive, part10_of(image), Source(name="test"))
    ours = slice_of(
        1,
        SOPInstanceUID=f"{study}.9.1",
        SeriesInstanceUID=f"{study}.9",
        Modality="SEG",
        **of_study,
    )
    started = start_prediction(
        archive,
        Prediction(
            lineage_id=name,
            study_uid=StudyUid(study),
            series_uid=SeriesUid(series),
            series_digest="d",
            model_id=LineageId("model-1"),
            model_version="nodule@1",
            created_at="2026-01-01T00:00:00+00:00",
        ),
    )
    result = OutgoingResult(content=part10_of(ours), lineage_id=LineageId(f"result-{number}-seg"))
    done = dataclasses.replace(started, finding=finding)
    publish(archive, done, [result], destinations=[], messages=messages)
    return name
