"""A hub that holds a few small annotated studies, made without the door."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from sightline.formats.seg import SEGMENTATION_STORAGE, write_seg
from sightline.hub.admission import admit
from sightline.hub.collections import version
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import add_evaluation, add_model, finish_run, start_run
from sightline.values.evaluation import Evaluation, Figure, MetricFigure
from sightline.values.geometry import Geometry
from sightline.values.identity import (
    HubInstanceUid,
    HubSeriesUid,
    HubStudyUid,
    InstanceUid,
    LineageId,
    SeriesUid,
    SubjectId,
)
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.recipe import Recipe
from sightline.values.result import ResultIdentity
from sightline.values.study import Certificate, DeidentifiedInstance, DeidentifiedStudy
from sightline.values.volume import Segmentation

SHAPE = (6, 16, 12)
AFFINE = np.array(
    [[0, 0, 0.8, -5], [0, 0.7, 0, 3], [2.5, 0, 0, 100], [0, 0, 0, 1]], dtype=np.float64
)
CLASSES = ("ground_glass", "consolidation")


def voxels_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(-1000, 1000, SHAPE, dtype=np.int16)


def mask_of(number: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[1:3, 2 : 5 + number % 3, 3:6] = 1
    mask[4, 8:10, 3:6] = 2
    return mask


def study_of(
    number: int,
    folder: Path,
    *,
    subject: int | None = None,
    manufacturer: str = "Alpha",
    drawn: tuple[np.ndarray, np.ndarray] | None = None,
) -> DeidentifiedStudy:
    """Make a study that looks as if it had passed the door; `drawn` is an image and its mask."""
    voxels, mask = drawn or (voxels_of(number), mask_of(number))
    uid = f"2.25.{1000 + number}"
    subject_id = SubjectId(f"S-{number if subject is None else subject:010d}")
    images = [_slice(number, k, manufacturer, each) for k, each in enumerate(voxels)]
    sources = []
    for k, content in enumerate(images):
        path = folder / f"{number}-{k}.dcm"
        path.write_bytes(content)
        sources.append(path)
    segmentation = Segmentation(
        mask=mask,
        geometry=Geometry.from_affine(mask.shape, AFFINE),
        classes=CLASSES,
        author="reader-1",
    )
    identity = ResultIdentity(
        instance_uid=InstanceUid(f"{uid}.9.1"),
        series_uid=SeriesUid(f"{uid}.9"),
        series_number=9,
        series_description="mask",
        author="reader-1",
        created_at="2026-01-02T03:04:05+00:00",
    )
    seg = write_seg(segmentation, sources, identity=identity, is_manual=True)
    series = HubSeriesUid(f"{uid}.1")
    instances = [
        DeidentifiedInstance(
            uid=HubInstanceUid(f"{uid}.1.{k}"),
            series_uid=series,
            sop_class_uid=CTImageStorage,
            content=content,
        )
        for k, content in enumerate(images)
    ]
    instances.append(
        DeidentifiedInstance(
            uid=HubInstanceUid(f"{uid}.9.1"),
            series_uid=HubSeriesUid(f"{uid}.9"),
            sop_class_uid=SEGMENTATION_STORAGE,
            content=seg,
            source_series_uid=series,
        )
    )
    certificate = Certificate(
        study_uid=HubStudyUid(uid),
        subject_id=subject_id,
        profile="test",
        table_edition="none",
        options=(),
        actions={},
        outputs={each.uid: "0" * 64 for each in instances},
        held={},
        created_at="2026-01-02T03:04:05+00:00",
    )
    return DeidentifiedStudy(
        uid=HubStudyUid(uid),
        subject_id=subject_id,
        instances=tuple(instances),
        certificate=certificate,
    )


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub.at(tmp_path / "hub")


@pytest.fixture
def fill(hub: Hub, tmp_path: Path) -> Callable[..., None]:
    """Admit studies by number."""

    def _fill(*numbers: int, manufacturer: str = "Alpha") -> None:
        for number in numbers:
            admit(hub, study_of(number, tmp_path, manufacturer=manufacturer))

    return _fill


def recipe_of(
    name: str, *, at_least: float = 0.5, modality: str = "CT", gate: str = "", triage: str = ""
) -> str:
    """Return a small recipe as YAML; `gate` and `triage` are more of those, as flow YAML."""
    return Recipe.from_yaml(
        f"{{name: {name}, title: T, accepts: {{modality: {modality}}}, "
        f"task: {{classes: [ground_glass, consolidation]}}, triage: [{triage}], "
        f"gate: {{at_least: {at_least}, min_subjects: 2{gate and ', '}{gate}}}}}"
    ).to_yaml()


def add_run(hub: Hub, recipe: str, collection: str) -> LineageId:
    """Enter a finished run, as a training would."""
    run_id = new_id("run")
    record = {"code": {"name": "code", "digest": "0"}, "environment": {"python": "3"}}
    start_run(
        hub,
        RunRecord(
            lineage_id=run_id,
            recipe=recipe,
            collection=collection,
            state="started",
            record=record,
            created_at="2026-01-02T03:04:05+00:00",
        ),
    )
    finish_run(hub, run_id, {"seconds": 1})
    return run_id


def add_trained(
    hub: Hub,
    name: str,
    *,
    collection: str,
    dice: float | None = None,
    subjects: int = 5,
    recipe: str = "",
) -> ModelRecord:
    """Enter a model as a training would, with an evaluation of that Dice; its weights are none."""
    recipe = recipe or recipe_of(name)
    run_id = add_run(hub, recipe, collection)
    made = add_model(hub, name, run_id=run_id, weights=run_id.encode(), manifest={"recipe": recipe})
    if dice is not None:
        content = evaluation_of_dice(dice, subjects=subjects).to_json()
        add_evaluation(
            hub, made.lineage_id, version(hub, collection), split="test", content=content
        )
    return made


def evaluation_of_dice(dice: float | None, *, subjects: int) -> Evaluation:
    """Return an evaluation that knows one figure."""
    figure = Figure(value=dice, low=dice, high=dice, subjects=subjects)
    return Evaluation(
        task="segment",
        classes=CLASSES,
        subjects=subjects,
        examples=(),
        figures=(MetricFigure(metric="dice", class_name="", figure=figure),),
    )


def _slice(number: int, k: int, manufacturer: str, pixels: np.ndarray) -> bytes:
    dataset = Dataset()
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"2.25.{1000 + number}.1.{k}"
    dataset.StudyInstanceUID = f"2.25.{1000 + number}"
    dataset.SeriesInstanceUID = f"2.25.{1000 + number}.1"
    dataset.FrameOfReferenceUID = f"2.25.{1000 + number}.2"
    dataset.PatientID, dataset.PatientName = f"S-{number}", f"S-{number}^"
    dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20250102", "101112", "1"
    dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.Manufacturer = "CT", manufacturer
    dataset.SeriesDescription, dataset.BodyPartExamined = "thin", "CHEST"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, k + 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.ImagePositionPatient = [-5, 3, 100 + 2.5 * k]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.8], 2.5
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, -1024, "HU"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    content: bytes = buffer.getvalue()
    return content
