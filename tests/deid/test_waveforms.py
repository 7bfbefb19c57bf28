"""Waveforms at the door: samples bit for bit, what is coded and measured, and no typed word."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    GeneralECGWaveformStorage,
    ImplicitVRLittleEndian,
    TwelveLeadECGWaveformStorage,
)

from sightline.deid.door import Passage, pass_door
from sightline.deid.profile import load_profile
from sightline.deid.vault import Vault
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from tests.deid import hostile
from tests.deid.studies import content_of, read, study_in, written
from tests.deid.test_door import canary_passage
from tests.instances import part10_of, slice_of
from tests.verification import dicom_errors

GENERAL_ECG = str(GeneralECGWaveformStorage)
NAMES = ("I", "II", "III")
REAL = "dicom/pydicom/test_files/waveform_ecg.dcm"


def code(value: str, scheme: str, meaning: str) -> Dataset:
    made = Dataset()
    made.CodeValue, made.CodingSchemeDesignator, made.CodeMeaning = value, scheme, meaning
    return made


def channel(name: str) -> Dataset:
    made = Dataset()
    made.ChannelLabel = f"Lead {name}"
    made.ChannelSourceSequence = [code(f"5.6.3-9-{len(name)}", "SCPECG", f"Lead {name}")]
    made.ChannelSensitivity, made.ChannelSensitivityCorrectionFactor = "2.5", "1"
    made.ChannelSensitivityUnitsSequence = [code("uV", "UCUM", "microvolt")]
    made.ChannelBaseline, made.ChannelSampleSkew, made.WaveformBitsStored = "0", "0", 16
    made.FilterLowFrequency, made.FilterHighFrequency = "0.05", "150"
    return made


def samples(count: int = 200) -> np.ndarray:
    return np.random.default_rng(3).integers(-2000, 2000, (count, len(NAMES)), dtype=np.int16)


def ecg(**changes: object) -> Dataset:
    """Make a general ECG of three leads whose labels, notes and header name people."""
    dataset = slice_of(1)
    for keyword in (
        *("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit"),
        *("PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation", "PixelSpacing"),
        *("ImagePositionPatient", "ImageOrientationPatient", "ImageType", "RescaleSlope"),
        *("RescaleIntercept", "RescaleType", "SliceThickness", "FrameOfReferenceUID", "KVP"),
        *("PositionReferenceIndicator", "WindowCenter", "WindowWidth", "AcquisitionNumber"),
    ):
        if keyword in dataset:
            del dataset[keyword]
    dataset.SOPClassUID, dataset.Modality = GENERAL_ECG, "ECG"
    dataset.ContentDate, dataset.ContentTime = "20240131", "101500"
    dataset.AcquisitionDateTime = "20240131101500.25"
    dataset.AcquisitionContextSequence = []
    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupLabel = "ORIGINAL", "Rhythm of Probe"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(NAMES), len(samples())
    group.SamplingFrequency = "500"
    group.ChannelDefinitionSequence = [channel(name) for name in NAMES]
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.WaveformPaddingValue = b"\x00\x80"
    group.WaveformData = samples().tobytes()
    dataset.WaveformSequence = [group]
    dataset.WaveformAnnotationSequence = [measure(), note("Sinus rhythm"), note("Seen by Dr Probe")]
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def measure() -> Dataset:
    made = Dataset()
    made.ReferencedWaveformChannels, made.AnnotationGroupNumber = [1, 0], 1
    made.ConceptNameCodeSequence = [code("5.10.2.1-3", "SCPECG", "RR Interval")]
    made.MeasurementUnitsCodeSequence = [code("ms", "UCUM", "millisecond")]
    made.NumericValue = "982"
    return made


def note(text: str) -> Dataset:
    made = Dataset()
    made.ReferencedWaveformChannels, made.AnnotationGroupNumber = [1, 0], 0
    made.UnformattedTextValue = text
    return made


def passage_of(content: bytes, folder: Path, vault: Vault, *, free_text: bool = False) -> Passage:
    profile = load_profile("hub").model_copy(update={"free_text": free_text})
    return pass_door(study_in([written(folder / "ecg.dcm", content)]), vault, profile)


def test_samples_and_all_that_is_measured_stay(tmp_path: Path, vault: Vault) -> None:
    content = part10_of(ecg())
    after = read(content_of(passage_of(content, tmp_path, vault)))
    before = read(content)
    group, was = after.WaveformSequence[0], before.WaveformSequence[0]
    assert group.WaveformData == was.WaveformData == samples().tobytes()
    assert (after.waveform_array(0) == before.waveform_array(0)).all()
    for keyword in (
        *("NumberOfWaveformChannels", "NumberOfWaveformSamples", "SamplingFrequency"),
        *("WaveformBitsAllocated", "WaveformSampleInterpretation", "WaveformPaddingValue"),
    ):
        assert group[keyword].value == was[keyword].value
    assert [each.ChannelLabel for each in group.ChannelDefinitionSequence] == [
        f"Lead {name}" for name in NAMES
    ]
    for one, two in zip(
        group.ChannelDefinitionSequence, was.ChannelDefinitionSequence, strict=True
    ):
        assert one == two


def test_what_was_typed_goes_unless_its_words_are_clinical(tmp_path: Path, vault: Vault) -> None:
    after = read(content_of(passage_of(part10_of(ecg()), tmp_path, vault)))
    assert "MultiplexGroupLabel" not in after.WaveformSequence[0]
    first, *notes = after.WaveformAnnotationSequence
    assert first == measure()
    assert [each.UnformattedTextValue for each in notes] == ["Sinus rhythm", "removed"]


def test_notes_pass_cleaned_where_free_text_does(tmp_path: Path, vault: Vault) -> None:
    passage = passage_of(part10_of(ecg()), tmp_path, vault, free_text=True)
    _, sinus, seen = read(content_of(passage)).WaveformAnnotationSequence
    assert sinus.UnformattedTextValue == "Sinus rhythm"
    assert seen.UnformattedTextValue.startswith("Seen by Dr [")
    assert "Probe" not in seen.UnformattedTextValue


def test_dates_move_together(tmp_path: Path, vault: Vault) -> None:
    after = read(content_of(passage_of(part10_of(ecg()), tmp_path, vault)))
    assert after.StudyDate == after.ContentDate == str(after.AcquisitionDateTime)[:8] != "20240131"
    assert str(after.AcquisitionDateTime)[8:] == "101500.25"


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
)
def test_in_every_encoding(tmp_path: Path, vault: Vault, syntax: pydicom.uid.UID) -> None:
    dataset = ecg()
    if syntax == ExplicitVRBigEndian:
        swapped = samples().astype(">i2").tobytes()
        dataset.WaveformSequence[0].WaveformData = swapped
    content = encoded(dataset, syntax)
    group = read(content_of(passage_of(content, tmp_path, vault))).WaveformSequence[0]
    assert group.WaveformData == dataset.WaveformSequence[0].WaveformData


def encoded(dataset: Dataset, syntax: pydicom.uid.UID) -> bytes:
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    with io.BytesIO() as file:
        pydicom.dcmwrite(file, dataset, enforce_file_format=True)
        return file.getvalue()


def longer(dataset: Dataset) -> None:
    dataset.WaveformSequence[0].WaveformData += b"SMITH^JOHN"


def shorter(dataset: Dataset) -> None:
    dataset.WaveformSequence[0].WaveformData = bytes(16)


def uncounted(dataset: Dataset) -> None:
    del dataset.WaveformSequence[0].NumberOfWaveformSamples


@pytest.mark.parametrize("change", [longer, shorter, uncounted])
def test_other_than_the_samples_that_it_says_is_held(
    tmp_path: Path, vault: Vault, change: Callable[[Dataset], None]
) -> None:
    dataset = ecg()
    change(dataset)
    (held,) = passage_of(part10_of(dataset), tmp_path, vault).held
    assert held.reason == "waveform_length"


def test_a_waveform_without_one_passes(tmp_path: Path, vault: Vault) -> None:
    content = part10_of(ecg(WaveformSequence=[]))
    assert passage_of(content, tmp_path, vault).held == ()


@pytest.mark.parametrize("uid", [hostile.CT, "1.2.840.10008.5.1.4.1.1.88.33"])
def test_samples_leave_in_waveforms_alone(tmp_path: Path, uid: str) -> None:
    content = content_of(canary_passage(tmp_path, uid, hostile.EXPLICIT))
    assert hostile.SAMPLES not in content
    ecg_uid = str(TwelveLeadECGWaveformStorage)
    of_ecg = content_of(canary_passage(tmp_path, ecg_uid, hostile.EXPLICIT))
    assert of_ecg.count(hostile.SAMPLES) == 1


def test_no_new_error_and_the_hub_takes_it(tmp_path: Path, vault: Vault) -> None:
    content = part10_of(ecg())
    passage = passage_of(content, tmp_path, vault)
    assert not set(dicom_errors(content_of(passage))) - set(dicom_errors(content))
    assert passage.study is not None
    hub = Hub.at(tmp_path / "hub")
    admit(hub, passage.study)
    hub.close()


def test_a_real_ecg_keeps_its_samples_and_measures(tmp_path: Path, vault: Vault) -> None:
    folder = os.environ.get("SIGHTLINE_TEST_DATA")
    if not folder:
        pytest.skip("SIGHTLINE_TEST_DATA is not set")
    content = (Path(folder) / REAL).read_bytes()
    passage = passage_of(content, tmp_path, vault)
    before, after = read(content), read(content_of(passage))
    assert not set(dicom_errors(content_of(passage))) - set(dicom_errors(content))
    pairs = list(zip(before.WaveformSequence, after.WaveformSequence, strict=True))
    assert len(pairs) == 2
    for one, two in pairs:
        assert one.WaveformData == two.WaveformData
        for was, is_now in zip(
            one.ChannelDefinitionSequence, two.ChannelDefinitionSequence, strict=True
        ):
            assert was.ChannelSensitivity == is_now.ChannelSensitivity
            sources = was.ChannelSourceSequence[0], is_now.ChannelSourceSequence[0]
            assert sources[0].CodeValue == sources[1].CodeValue
    measured = [
        [(each.ConceptNameCodeSequence[0].CodeValue, each.NumericValue) for each in notes]
        for notes in (
            [
                each
                for each in dataset.WaveformAnnotationSequence
                if "NumericValue" in each and "ConceptNameCodeSequence" in each
            ]
            for dataset in (before, after)
        )
    ]
    assert measured[0] == measured[1]
    assert len(measured[0]) > 5
