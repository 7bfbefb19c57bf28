"""Re-keyed objects: new names and dates, the same everything else."""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian

from sightline.deid.attributes import facts
from sightline.deid.dataset import Dataset, Element, read_file, write_dataset
from sightline.deid.projects import open_project
from sightline.deid.rekeying import Rekeying
from sightline.deid.uids import is_standard
from sightline.deid.vault import Vault
from sightline.errors import BadFile
from sightline.formats.dicom_file import part10
from sightline.formats.dicom_image import read_volume
from sightline.formats.seg import read_seg
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.values.identity import HubInstanceUid, HubSeriesUid, Patient, SubjectId
from sightline.values.study import DeidentifiedInstance, DeidentifiedStudy
from tests.deid import hostile
from tests.deid.conftest import KEY
from tests.deid.rules import KEEP
from tests.deid.studies import general, pass_files, private_uids, read, results_of, volume, written
from tests.deid.test_door import PASSING, SYNTAXES, canary_passage
from tests.instances import part10_of, slice_of
from tests.verification import dicom_errors


@pytest.fixture
def names(vault: Vault) -> Rekeying:
    return Rekeying(open_project(vault, "trial-7"))


def study(folder: Path, vault: Vault, *, number: int = 0) -> DeidentifiedStudy:
    """Take a series through the door, and with it a mask and a report."""
    series = write_series(volume(), folder / f"in-{number}", visit=visit(1, number=number))
    results = [
        written(folder / f"{number}-{place}", content)
        for place, content in enumerate(results_of(series))
    ]
    return pass_files([*series.files, *results], vault)


def rekeyed(study: DeidentifiedStudy, names: Rekeying) -> list[pydicom.FileDataset]:
    return [read(names.content(each.content, study.subject_id)) for each in study.instances]


def moment(dataset: pydicom.FileDataset) -> dt.datetime:
    text = f"{dataset.StudyDate}{str(dataset.StudyTime)[:6]}"
    return dt.datetime.strptime(text, "%Y%m%d%H%M%S")  # noqa: DTZ007 - of the scanner


def test_no_name_of_the_hub_is_left_and_references_resolve(
    tmp_path: Path, vault: Vault, names: Rekeying
) -> None:
    before = study(tmp_path, vault)
    after = rekeyed(before, names)
    old = set().union(*(private_uids(read(each.content)) for each in before.instances))
    new = set().union(*(private_uids(each) for each in after))
    assert not old & new
    assert len(new) == len(old)  # one to one
    for each, dataset in zip(before.instances, after, strict=True):
        assert dataset.SOPInstanceUID == names.instance(each.uid)
        assert dataset.file_meta.MediaStorageSOPInstanceUID == names.instance(each.uid)
        assert dataset.SeriesInstanceUID == names.series(each.series_uid)
        assert dataset.PatientID == dataset.PatientName == names.subject(before.subject_id)
        content = names.content(each.content, before.subject_id)
        for uid in old:
            assert uid.encode() not in content
        assert before.subject_id.encode() not in content
    images = {
        each.SOPInstanceUID
        for each in after
        if "PixelData" in each and "SegmentSequence" not in each
    }
    seg = next(each for each in after if "SegmentSequence" in each)
    report = next(each for each in after if each.Modality == "SR")
    referenced = {
        item.ReferencedSOPInstanceUID
        for series in seg.ReferencedSeriesSequence
        for item in series.ReferencedInstanceSequence
    }
    assert referenced == images
    cited = {
        str(element.value)
        for element in report.iterall()
        if element.keyword == "ReferencedSOPInstanceUID"
    }
    assert cited <= images | {seg.SOPInstanceUID}
    assert seg.SOPInstanceUID in cited


def test_pixels_mask_and_geometry_stay(tmp_path: Path, vault: Vault, names: Rekeying) -> None:
    before = study(tmp_path, vault)
    files, seg = [], b""
    for number, each in enumerate(before.instances):
        content = names.content(each.content, before.subject_id)
        old, new = read(each.content), read(content)
        assert old.get("PixelData") == new.get("PixelData")
        if "SegmentSequence" in new:
            seg = content
            assert [each.SegmentLabel for each in new.SegmentSequence] == [
                each.SegmentLabel for each in old.SegmentSequence
            ]
        elif "PixelData" in new:
            files.append(written(tmp_path / f"out-{number}.dcm", content))
        assert general(dicom_errors(content)) <= general(dicom_errors(each.content))
    found = read_volume(files)
    np.testing.assert_array_equal(found.voxels, volume().voxels)
    assert found.geometry.affine == volume().geometry.affine
    assert read_seg(seg, found.geometry).mask.any()


def test_intervals_stay_to_the_second(tmp_path: Path, vault: Vault, names: Rekeying) -> None:
    studies = [study(tmp_path, vault, number=number) for number in (0, 1)]
    old = [moment(read(each.instances[0].content)) for each in studies]
    new = [moment(rekeyed(each, names)[0]) for each in studies]
    assert new[1] - new[0] == old[1] - old[0]
    assert new[0] < old[0]
    assert names.subject(studies[0].subject_id) == names.subject(studies[1].subject_id)


def test_two_projects_share_nothing(tmp_path: Path, vault: Vault, names: Rekeying) -> None:
    before = study(tmp_path, vault)
    other = Rekeying(open_project(vault, "trial-8"))
    for one, two in zip(rekeyed(before, names), rekeyed(before, other), strict=True):
        assert not private_uids(one) & private_uids(two)
        assert one.PatientID != two.PatientID
        assert one.StudyDate != two.StudyDate
        for author in ("ContentCreatorName", "PersonName"):
            if one.get(author):
                assert one[author].value != two[author].value


def test_the_same_object_gives_the_same_bytes(
    tmp_path: Path, vault: Vault, names: Rekeying
) -> None:
    before = study(tmp_path, vault)
    again = Rekeying(open_project(Vault.at(tmp_path / "vault"), "trial-7"))
    for each in before.instances:
        content = names.content(each.content, before.subject_id)
        assert again.content(each.content, before.subject_id) == content


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("sop_class_uid", [hostile.CT, PASSING[0], PASSING[-1]])
def test_whatever_passes_the_door_is_rekeyed_in_every_syntax(
    tmp_path: Path, names: Rekeying, sop_class_uid: str, syntax: str
) -> None:
    passed = canary_passage(tmp_path, sop_class_uid, syntax).study
    assert passed is not None
    given = passed.instances[0].content
    old, new = (
        list(flat(read_file(content, KEEP.sequences).elements))
        for content in (given, names.content(given, passed.subject_id))
    )
    assert [tag for tag, _ in old] == [tag for tag, _ in new]
    moved = {before for (tag, before), (_, after) in zip(old, new, strict=True) if before != after}
    rules = {facts()[tag].rule for tag, before in old if before in moved and tag in facts()}
    assert rules <= {"subject", "reader", "uids", "dates"}
    assert {"subject", "uids", "dates"} <= rules
    assert not {each for each in uids_of(old) & uids_of(new) if not is_standard(each)}


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("sop_class_uid", [hostile.CT, PASSING[0], PASSING[-1]])
def test_two_keys_at_the_door_are_one_after_the_other_in_every_syntax(
    tmp_path: Path, sop_class_uid: str, syntax: str
) -> None:
    _assert_door_and_rekeying_agree(tmp_path, sop_class_uid, syntax)


@pytest.mark.parametrize("sop_class_uid", PASSING)
def test_two_keys_at_the_door_are_one_after_the_other_for_every_kind(
    tmp_path: Path, sop_class_uid: str
) -> None:
    _assert_door_and_rekeying_agree(tmp_path, sop_class_uid, hostile.EXPLICIT)


def _assert_door_and_rekeying_agree(folder: Path, sop_class_uid: str, syntax: str) -> None:
    """What is in a rotated hub and what passes its door later are the same, byte for byte."""
    both = Vault(bytes(range(50, 82)), inner=Vault(KEY))
    inner = canary_passage(folder, sop_class_uid, syntax, vault=Vault(KEY)).study
    passed = canary_passage(folder, sop_class_uid, syntax, vault=both).study
    assert inner is not None
    assert passed is not None
    (before,), (after,) = inner.instances, passed.instances
    names = Rekeying(both.layer)
    assert names.content(before.content, inner.subject_id) == after.content
    assert names.subject(inner.subject_id) == passed.subject_id
    assert (names.instance(before.uid), names.series(before.series_uid), names.uid(inner.uid)) == (
        *(after.uid, after.series_uid, passed.uid),
    )


def flat(elements: Dataset) -> Iterator[tuple[int, bytes]]:
    for tag, element in elements.items():
        yield tag, bytes(element.value)
        for item in element.items or ():
            yield from flat(item)


def uids_of(values: list[tuple[int, bytes]]) -> set[str]:
    return {
        each.decode().strip("\0 ")
        for tag, value in values
        if tag in facts() and facts()[tag].vr == "UI"
        for each in value.split(b"\\")
    }


@pytest.mark.parametrize("sop_class_uid", PASSING)
def test_every_kind_of_object_is_rekeyed(
    tmp_path: Path, names: Rekeying, sop_class_uid: str
) -> None:
    passed = canary_passage(tmp_path, sop_class_uid, hostile.EXPLICIT).study
    assert passed is not None
    before = read(passed.instances[0].content)
    after = read(names.content(passed.instances[0].content, passed.subject_id))
    assert not private_uids(before) & private_uids(after)
    same = {"UI", "DA", "DT", "PN", "SQ"}
    changed = {
        each.keyword
        for each in before
        if each.VR not in same and after[each.tag].value != each.value
    }
    assert changed <= {"PatientID"}
    dates = [each.tag for each in before if each.VR in {"DA", "DT"} and each.value]
    assert dates
    assert all(before[tag].value != after[tag].value for tag in dates)


def with_elements(instance: DeidentifiedInstance, added: Dataset) -> bytes:
    """Write an instance of the hub with other elements in it."""
    parsed = read_file(instance.content, ())
    return part10(
        *write_dataset(parsed.elements | added, parsed.transfer_syntax_uid),
        sop_class_uid=instance.sop_class_uid,
        sop_instance_uid=instance.uid,
        transfer_syntax_uid=parsed.transfer_syntax_uid,
    )


def test_private_values_are_rekeyed_by_their_vr_or_left_out(
    tmp_path: Path, vault: Vault, names: Rekeying
) -> None:
    before = study(tmp_path, vault).instances[0]
    private = {
        0x20050010: Element("LO", b"Philips MR Imaging DD 001 "),
        0x2005100E: Element("FL", b"\0\0\x80?"),
        0x20051000: Element("UI", b"2.25.7"),
        0x20051001: Element("DA", b"20240131"),
        0x20051002: Element("UN", b"2.25.7"),
        0x20051003: Element("PN", b"R-AAAAAAAAAA"),
    }
    content = with_elements(before, private)
    after = read(names.content(content, SubjectId("S-AAAAAAAAAA")))
    assert after[0x2005100E].value == 1.0
    assert after[0x20051000].value == names.instance(HubInstanceUid("2.25.7"))
    assert after[0x20051001].value != "20240131"
    assert 0x20051002 not in after
    assert 0x20051003 not in after


def test_safe_private_values_of_an_implicit_file_stay(
    tmp_path: Path, vault: Vault, names: Rekeying
) -> None:
    image = slice_of(1)
    image.add_new(0x00190013, "LO", "SIEMENS MR HEADER")
    image.add_new(0x0019130C, "IS", "1000")
    image.add_new(0x00990010, "LO", "NQHeader")
    image.add_new(0x00991002, "UI", "1.2.3.4711")
    path = written(tmp_path / "image.dcm", part10_of(image, ImplicitVRLittleEndian))
    passed = pass_files([path], vault)
    parsed = read_file(passed.instances[0].content, ())
    assert {0x00190013, 0x0019130C, 0x00990010, 0x00991002} <= parsed.elements.keys()
    foreign = {
        0x00190014: Element("", b"SIEMENS MED NM  "),
        0x0019140C: Element("", b"1000"),  # of a block that is on no list
        0x00191308: Element("", b"IMAGE NUM 4 "),
    }
    content = with_elements(passed.instances[0], foreign)
    after = read_file(names.content(content, passed.subject_id), ()).elements
    private = {tag: bytes(each.value).strip(b"\0 ") for tag, each in after.items() if tag >> 16 & 1}
    assert private == {
        0x00190013: b"SIEMENS MR HEADER",
        0x0019130C: b"1000",
        0x00990010: b"NQHeader",
        0x00991002: names.instance(HubInstanceUid(vault.uid("1.2.3.4711"))).encode(),
    }


def test_what_stands_for_a_date_is_not_moved(tmp_path: Path, vault: Vault, names: Rekeying) -> None:
    """Moved, it would tell everybody by how many days."""
    before = study(tmp_path, vault).instances[0]
    dummies = {
        0x00080022: Element("DA", b"19000101"),
        0x0008002A: Element("DT", b"19000101000000"),
        0x00080023: Element("DA", b"20240131"),
    }
    content = with_elements(before, dummies)
    after = read(names.content(content, SubjectId("S-AAAAAAAAAA")))
    assert after.AcquisitionDate == "19000101"
    assert after.AcquisitionDateTime == "19000101000000"
    assert after.ContentDate not in {"20240131", "19000101"}


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ("seen [MOVED 20240130] here", "seen [MOVED 20240129] here"),
        ("seen [MOVED 2024-03-01] here", "seen [MOVED 2024-02-29] here"),
        ("am [MOVED 13.01.2024] gesehen", "am [MOVED 12.01.2024] gesehen"),
        ("am [MOVED 1. März 2024] gesehen", "am [MOVED 29. Februar 2024] gesehen"),
        ("on [MOVED Tuesday, January 30, 2024]", "on [MOVED Monday, January 29, 2024]"),
        ("on [MOVED 01/30/2024] seen", "on [MOVED 01/29/2024] seen"),
        ("on [MOVED 04/04/2024] seen", "on [MOVED 04/03/2024] seen"),
        ("[PATIENT] [ID] 03/04 [DATE]", "[PATIENT] [ID] 03/04 [DATE]"),
        ("[MOVED by Mister X]", "[DATE]"),
        ("no bracket 20240130", "no bracket 20240130"),
    ],
)
def test_dates_in_cleaned_texts_move_once_more(vault: Vault, given: str, left: str) -> None:
    subject = next(
        each
        for number in range(100_000)
        if vault.date_offset_days(Patient(patient_id=(each := f"S-{number:010}"))) == 1
    )
    assert Rekeying(vault).text(given, SubjectId(subject)) == left


def test_people_in_cleaned_texts_are_numbered_anew(vault: Vault) -> None:
    names, subject = Rekeying(vault), SubjectId("S-AAAAAAAAAA")
    after = names.text("Dr. [NAME 00429] and [NAME 12345], then [NAME 00429]", subject)
    numbers = re.findall(r"\[NAME (\d{5})\]", after)
    assert numbers[0] == numbers[2] != numbers[1]
    assert not {"00429", "12345"} & {*numbers}
    other = names.text("Dr. [NAME 00429]", SubjectId("S-BBBBBBBBBB"))
    assert numbers[0] not in other


def test_a_value_that_never_passed_the_door_is_an_error(vault: Vault, tmp_path: Path) -> None:
    names = Rekeying(open_project(vault, "trial-7"))
    before = study(tmp_path, vault).instances[0]
    parsed = read_file(before.content, ())
    elements = parsed.elements | {0x00080020: Element("DA", b"MONDAY  ")}
    odd = part10(
        *write_dataset(elements, parsed.transfer_syntax_uid),
        sop_class_uid=before.sop_class_uid,
        sop_instance_uid=before.uid,
        transfer_syntax_uid=parsed.transfer_syntax_uid,
    )
    with pytest.raises(BadFile, match="00080020"):
        names.content(odd, SubjectId("S-AAAAAAAAAA"))


def test_names_of_series_and_instances_agree(names: Rekeying) -> None:
    assert str(names.series(HubSeriesUid("2.25.5"))) == str(
        names.instance(HubInstanceUid("2.25.5"))
    )
