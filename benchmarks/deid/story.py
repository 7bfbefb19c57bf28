"""Patients with a story: several studies months apart, at two sites, that refer to one another.

Each study has a CT and a PET series, an enhanced CT or MR image, and what was made of them:
segmentation, reports, key objects, presentation state, parametric map, structure set and dose. A
later study's report and key objects point back to the study before it. Nobody exists.
"""

import dataclasses
import datetime as dt
from pathlib import Path

import numpy as np
import pydicom
from benchmarks.deid.objects import Drawn, derived_objects
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

from sightline.formats.result_object import read_sources
from sightline.formats.seg import read_seg_origin, write_seg
from sightline.formats.sr import write_sr
from sightline.phantoms.enhanced import write_enhanced
from sightline.phantoms.people import Visit, uid_of, visit
from sightline.phantoms.scanner import AURORA, BOREAS
from sightline.phantoms.series import SeriesNames, WrittenSeries, save, write_series
from sightline.values.finding import Finding, Measurement
from sightline.values.geometry import Geometry
from sightline.values.identity import InstanceUid, LineageId, SeriesUid
from sightline.values.result import ResultIdentity
from sightline.values.volume import Segmentation, Volume

SHAPE = (4, 32, 32)
CLASSES = ("lesion", "lung")
ENHANCED = SeriesNames(number=4, description="CHEST THIN")
PET = SeriesNames(number=3, description="PET WB")
_OF_CT = ("KVP", "ConvolutionKernel", "RescaleType", "SpacingBetweenSlices", "PatientPosition")
INJECTED_BEFORE = dt.timedelta(minutes=61, seconds=17)


def write_story(folder: Path, *, patients: int, visits: int) -> Path:
    """Write all patients into a flat folder."""
    folder.mkdir()
    for seed in range(patients):
        before: list[Dataset] = []
        for number in range(visits):
            before = _write_visit(folder, seed, number=number, before=before)
    return folder


def _write_visit(folder: Path, seed: int, *, number: int, before: list[Dataset]) -> list[Dataset]:
    made = visit(seed, number=number)
    stem = f"{made.patient.patient_id}-{number}"
    scanner = (AURORA, BOREAS)[number % 2]
    made = dataclasses.replace(made, study_time=f"{made.study_time[:4]}{7 * number + 3:02d}")
    parts = folder / "parts"
    ct = write_series(_volume(number), parts / "ct", visit=made, scanner=scanner)
    enhanced = write_enhanced(
        _volume(number + 9), parts / "enhanced", visit=made, names=ENHANCED, scanner=scanner
    )
    for path in (*ct.files, *enhanced.files):
        _give_times(path, made)
    pet = _write_pet(ct, made, parts)
    drawn = Drawn(
        stem=uid_of(f"{made.study_uid}/derived"),
        images=tuple(pydicom.dcmread(path) for path in ct.files),
        before=tuple(before),
        moment=_moment(made) + dt.timedelta(hours=2, seconds=11),
    )
    results = [*_results(ct, drawn), *(_part10(each, parts) for each in derived_objects(drawn))]
    contents = [path.read_bytes() for path in (*ct.files, *pet, *enhanced.files)] + results
    for path in sorted(parts.rglob("*.dcm")):
        path.unlink()
    for name in ("ct", "enhanced", "pet", ""):
        (parts / name).rmdir()
    for place, content in enumerate(contents):
        (folder / f"{stem}-{place:03d}.dcm").write_bytes(content)
    return list(drawn.images)


def _volume(seed: int) -> Volume:
    voxels = np.random.default_rng(seed).integers(0, 2000, SHAPE, dtype=np.int16)
    affine = np.diag([3.0, 0.8, 0.8, 1.0])[[2, 1, 0, 3]]
    geometry = Geometry.from_affine(SHAPE, affine)
    return Volume(voxels=voxels, geometry=geometry, modality="CT", intercept=-1024.0, unit="HU")


def _moment(made: Visit) -> dt.datetime:
    return dt.datetime.strptime(made.study_date + made.study_time, "%Y%m%d%H%M%S")  # noqa: DTZ007 - DICOM


def _give_times(path: Path, made: Visit) -> None:
    """Series, acquisition and content begin one after the other, slice by slice."""
    dataset = pydicom.dcmread(path)
    place = int(dataset.InstanceNumber)
    for name, later_s in (
        ("Series", 95.0),
        ("Acquisition", 120 + 0.5 * place),
        ("Content", 240.25),
    ):
        moment = _moment(made) + dt.timedelta(seconds=later_s)
        setattr(dataset, f"{name}Date", moment.strftime("%Y%m%d"))
        setattr(dataset, f"{name}Time", moment.strftime("%H%M%S.%f"))
    dataset.save_as(path)


def _write_pet(ct: WrittenSeries, made: Visit, parts: Path) -> list[Path]:
    (parts / "pet").mkdir()
    series_uid, files = uid_of(f"{made.study_uid}/{PET.number}"), []
    for place, source in enumerate(ct.files):
        dataset = pydicom.dcmread(source)
        for name in _OF_CT:
            delattr(dataset, name)
        dataset.SOPClassUID, dataset.Modality = PositronEmissionTomographyImageStorage, "PT"
        dataset.SeriesInstanceUID = series_uid
        dataset.SOPInstanceUID = uid_of(f"{series_uid}/{place}")
        dataset.SeriesNumber, dataset.SeriesDescription = PET.number, PET.description
        dataset.ImageType = ["ORIGINAL", "PRIMARY"]
        dataset.RescaleIntercept = "0"
        dataset.NumberOfSlices, dataset.ImageIndex = len(ct.files), place + 1
        _describe_pet(dataset, made)
        path = parts / "pet" / f"{place}.dcm"
        save(dataset, path)
        files.append(path)
    return files


def _describe_pet(dataset: Dataset, made: Visit) -> None:
    injected = _moment(made) - INJECTED_BEFORE
    tracer = Dataset()
    tracer.RadiopharmaceuticalStartTime = injected.strftime("%H%M%S.%f")
    tracer.RadiopharmaceuticalStartDateTime = injected.strftime("%Y%m%d%H%M%S.%f")
    tracer.RadionuclideTotalDose, tracer.RadionuclideHalfLife = "350000000", "6586.2"
    tracer.RadionuclidePositronFraction = "0.967"
    tracer.RadionuclideCodeSequence = [_code("77004003", "SCT", "^18^Fluorine")]
    tracer.RadiopharmaceuticalCodeSequence = [_code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    dataset.RadiopharmaceuticalInformationSequence = [tracer]
    dataset.PatientWeight, dataset.PatientSize = "71.5", "1.74"
    lying = _code("102538003", "SCT", "recumbent")
    lying.PatientOrientationModifierCodeSequence = [_code("40199007", "SCT", "supine")]
    dataset.PatientOrientationCodeSequence = [lying]
    dataset.PatientGantryRelationshipCodeSequence = [_code("102540001", "SCT", "headfirst")]
    dataset.Units, dataset.CountsSource, dataset.DecayCorrection = "BQML", "EMISSION", "START"
    dataset.SeriesType = ["WHOLE BODY", "IMAGE"]
    dataset.CollimatorType, dataset.CorrectedImage = "NONE", ["ATTN", "DECY"]
    dataset.AttenuationCorrectionMethod = "measured"
    dataset.FrameReferenceTime, dataset.ActualFrameDuration = "90000", "180000"
    dataset.DecayFactor = "1.01"


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _results(ct: WrittenSeries, drawn: Drawn) -> list[bytes]:
    mask = np.random.default_rng(1).integers(0, 3, SHAPE, dtype=np.uint8)
    geometry = ct.volume.geometry
    found = Segmentation(mask=mask, geometry=geometry, classes=CLASSES, author="lung")
    seg = write_seg(found, ct.files, identity=_identity(drawn, 1), is_manual=False)
    measured = zip(CLASSES, read_seg_origin(seg).tracking_uids, strict=True)
    finding = Finding(
        priority=1, words="lesion 3 ml", measurements=tuple(_measured(*each) for each in measured)
    )
    return [seg, write_sr(finding, read_sources(ct.files), seg, identity=_identity(drawn, 2))]


def _measured(class_name: str, tracking_uid: str) -> Measurement:
    return Measurement(
        class_name=class_name,
        volume_ml=3.5,
        longest_diameter_mm=20.0,
        components=1,
        tracking_uid=tracking_uid,
    )


def _identity(drawn: Drawn, number: int) -> ResultIdentity:
    return ResultIdentity(
        instance_uid=InstanceUid(drawn.uid(9000 + number)),
        series_uid=SeriesUid(drawn.uid(9100 + number)),
        series_number=9000 + number,
        series_description="lung@3",
        author="lung",
        created_at=f"{drawn.moment.isoformat()}+00:00",
        model_version="lung@3",
        model_digest="ab" * 32,
        lineage_id=LineageId(f"result-{number}"),
    )


def _part10(dataset: Dataset, parts: Path) -> bytes:
    path = parts / "derived.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path.read_bytes()
