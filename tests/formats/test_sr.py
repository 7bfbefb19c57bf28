"""Findings as TID 1500 reports: what is written is what is read, and tied to its segments."""

import dataclasses
import io
import random

import pydicom
import pytest

from sightline.errors import BadFile, NotDicom
from sightline.formats.result_object import read_sources
from sightline.formats.seg import read_seg_origin, write_seg
from sightline.formats.sr import read_sr, write_sr
from sightline.phantoms.series import WrittenSeries
from sightline.values.finding import Finding, Measurement
from sightline.values.identity import InstanceUid, SeriesUid
from tests.formats.sources import CLASSES, IDENTITY, drawn_on
from tests.verification import dicom_errors

REPORT = dataclasses.replace(
    IDENTITY,
    instance_uid=InstanceUid("2.25.2001"),
    series_uid=SeriesUid("2.25.2000"),
    series_number=9002,
    series_description="lung@3 SR",
)


def _finding(seg: bytes) -> Finding:
    origin = read_seg_origin(seg)
    return Finding(
        priority=2,
        words="38.25 ml ground glass",
        measurements=tuple(
            Measurement(
                class_name=name,
                volume_ml=volume_ml,
                longest_diameter_mm=volume_ml * 1.7,
                components=int(volume_ml),
                tracking_uid=uid,
            )
            for name, volume_ml, uid in zip(
                CLASSES, (38.25, 1.0625, 0.0), origin.tracking_uids, strict=True
            )
        ),
    )


def test_reads_back_and_is_clean(series: WrittenSeries) -> None:
    seg = write_seg(drawn_on(series), series.files, identity=IDENTITY, is_manual=False)
    finding = _finding(seg)
    content = write_sr(finding, read_sources(series.files), seg, identity=REPORT)
    report = read_sr(content)
    assert report.measurements == finding.measurements
    assert report.words == finding.words
    assert (report.device, report.model_version) == ("lung", "lung@3")
    assert report.seg_uid == IDENTITY.instance_uid
    assert report.is_research_only
    assert dicom_errors(content) == []
    assert content == write_sr(finding, read_sources(series.files), seg, identity=REPORT)


def test_units_and_mark_stand_where_people_look(axial_ct: WrittenSeries) -> None:
    seg = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    content = write_sr(_finding(seg), read_sources(axial_ct.files), seg, identity=REPORT)
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert dataset.SeriesDescription == "RESEARCH USE ONLY lung@3 SR"
    assert b"RESEARCH USE ONLY. 38.25 ml ground glass" in content
    codes = {element.value for element in dataset.iterall() if element.keyword == "CodeValue"}
    assert {"ml", "mm", "118565006", "103339001", "126000"} <= codes
    assert dataset.PatientName == axial_ct.patient.name


def test_the_mark_goes_when_a_site_says_so(axial_ct: WrittenSeries) -> None:
    cleared = dataclasses.replace(REPORT, is_research_only=False)
    seg = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    content = write_sr(_finding(seg), read_sources(axial_ct.files), seg, identity=cleared)
    assert b"RESEARCH" not in content
    assert not read_sr(content).is_research_only


def test_a_class_that_was_not_drawn_is_refused(axial_ct: WrittenSeries) -> None:
    seg = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    stranger = dataclasses.replace(_finding(seg).measurements[0], class_name="liver")
    finding = Finding(priority=0, words="", measurements=(stranger,))
    with pytest.raises(BadFile, match="'liver' is no class") as caught:
        write_sr(finding, read_sources(axial_ct.files), seg, identity=REPORT)
    assert "ground_glass" in caught.value.hint


def test_what_is_no_report_is_refused(axial_ct: WrittenSeries) -> None:
    with pytest.raises(BadFile, match="no Comprehensive 3D SR"):
        read_sr(axial_ct.files[0].read_bytes())
    with pytest.raises(NotDicom):
        read_sr(b"hello")


def test_mutants_end_in_a_report_or_in_a_bad_file(axial_ct: WrittenSeries) -> None:
    chance = random.Random(5)  # noqa: S311 - a seeded test, no secret
    seg = write_seg(drawn_on(axial_ct), axial_ct.files, identity=IDENTITY, is_manual=False)
    original = write_sr(_finding(seg), read_sources(axial_ct.files), seg, identity=REPORT)
    for _ in range(150):
        mutant = bytearray(original)
        for _ in range(chance.randint(1, 20)):
            mutant[chance.randrange(132, len(mutant))] = chance.randrange(256)
        try:
            read_sr(bytes(mutant))
        except BadFile as error:
            assert error.hint  # noqa: PT017 - most mutants are fine
