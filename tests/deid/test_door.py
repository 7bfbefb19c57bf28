"""The door as a whole: no identifier leaves, references hold, geometry stays, odd input is held."""

import dataclasses
import datetime as dt
import hashlib
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.datadict import DicomDictionary

from sightline.deid.attributes import storage_classes
from sightline.deid.door import Passage, pass_door
from sightline.deid.quarantine import RELEASABLE
from sightline.deid.vault import Vault
from sightline.formats.dicom_image import read_volume
from sightline.formats.result_object import read_sources
from sightline.formats.sc import write_sc
from sightline.formats.seg import read_seg, read_seg_origin, write_seg
from sightline.phantoms.people import visit
from sightline.phantoms.series import write_series
from sightline.values.identity import (
    Digest,
    InstanceUid,
    LineageId,
    Patient,
    StudyUid,
)
from sightline.values.study import IdentifiedStudy
from tests.deid import hostile
from tests.deid.conftest import KEY, instance_of, vault_at
from tests.deid.studies import (
    content_of,
    pass_files,
    private_uids,
    read,
    results_of,
    study_in,
    uids_of,
    values_of,
    volume,
    write,
    written,
)
from tests.formats.sources import BY_HAND, CLASSES, IDENTITY, KINDS, drawn_on
from tests.verification import dicom_errors

PATIENT = Patient(patient_id=hostile.PATIENT_ID, name="KANARI^VOGEL")
PASSING = sorted(uid for uid, each in storage_classes().items() if not each.reason)
# Those that pass once a person has looked at the picture.
SHOWN = sorted(uid for uid, each in storage_classes().items() if each.reason in RELEASABLE)
KINDS_OF_OBJECT = [*PASSING, *SHOWN]
FORMS = (*hostile.FORMS, "name in")
SYNTAXES = (
    hostile.IMPLICIT,
    hostile.EXPLICIT,
    hostile.DEFLATED,
    hostile.BIG,
    *sorted(hostile.ENCAPSULATED),
)


def hostile_study(folder: Path, content: bytes, sop_class_uid: str) -> IdentifiedStudy:
    names = SimpleNamespace(
        instance_uid=hostile.INSTANCE_UID,
        series_uid=hostile.SERIES_UID,
        sop_class_uid=sop_class_uid,
    )
    return IdentifiedStudy(
        uid=StudyUid(hostile.STUDY_UID),
        patient=PATIENT,
        revision=1,
        instances=(instance_of(folder, content, names),),
    )


def canary_passage(
    folder: Path,
    sop_class_uid: str,
    syntax: str,
    canaries: hostile.Canaries | None = None,
    *,
    vault: Vault | None = None,
) -> Passage:
    canaries = canaries or hostile.Canaries()
    tree = hostile.hostile(sop_class_uid, canaries)
    is_shown = sop_class_uid in SHOWN
    if is_shown:
        tree |= {tag: (vr, canaries.value(vr)) for tag, vr in hostile.SIGNS.items()}
    content = hostile.part10(tree, syntax, canaries)
    assert canaries.count >= 300
    there = hostile.survivors(content)
    for form in FORMS if canaries.form == "mixed" else (canaries.form,):
        assert [each for each in there if form in each]
    study = hostile_study(folder, content, sop_class_uid)
    if is_shown:
        study = seen_by_a_person(study)
    return pass_door(study, vault or vault_at(folder / "vault"))


def seen_by_a_person(study: IdentifiedStudy) -> IdentifiedStudy:
    """Lift what somebody who looks at a picture may lift."""
    released = (dataclasses.replace(each, released=RELEASABLE) for each in study.instances)
    return dataclasses.replace(study, instances=tuple(released))


_VRS = ("CS", "DA", "DS", "FL", "IS", "LO", "LT", "OB", "PN", "SH", "SQ", "ST", "UI", "UN", "US")


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> hostile.Tree:
    """Draw elements of any tag, VR and value, one in two with an identifier."""
    known = st.sampled_from(sorted(DicomDictionary))
    anything = st.integers(0x00080001, 0x7FDFFFFF)
    tree: hostile.Tree = {}
    for tag in draw(st.lists(known | anything, max_size=12)):
        if tag >> 16 in {0x0000, 0x0002, 0x7FE0} or tag in hostile.base():
            continue
        vr = draw(st.sampled_from(_VRS))
        if vr == "SQ" and depth < 3:
            tree[tag] = ("SQ", draw(st.lists(trees(depth + 1), max_size=3)))
        elif vr != "SQ":
            junk = draw(st.binary(max_size=24))
            hidden = draw(st.binary(max_size=2)) + b" KANARI 1"
            tree[tag] = (vr, draw(st.sampled_from([junk, b"KANARI^VOGEL", hidden])))
    return tree


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_canary_survives_in_any_transfer_syntax(tmp_path: Path, syntax: str) -> None:
    assert hostile.survivors(content_of(canary_passage(tmp_path, hostile.CT, syntax))) == []


@pytest.mark.parametrize("form", FORMS)
def test_no_canary_survives_in_any_form(tmp_path: Path, form: str) -> None:
    for sop_class_uid, syntax in ((hostile.CT, hostile.IMPLICIT), (SHOWN[0], hostile.EXPLICIT)):
        passage = canary_passage(tmp_path, sop_class_uid, syntax, hostile.Canaries(form=form))
        assert hostile.survivors(content_of(passage)) == []


@pytest.mark.parametrize("sop_class_uid", KINDS_OF_OBJECT)
def test_no_canary_survives_in_any_kind_of_object(tmp_path: Path, sop_class_uid: str) -> None:
    passage = canary_passage(tmp_path, sop_class_uid, hostile.EXPLICIT)
    assert hostile.survivors(content_of(passage)) == []


@pytest.mark.gate
@pytest.mark.parametrize("sop_class_uid", KINDS_OF_OBJECT)
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_no_canary_survives_in_any_kind_and_syntax(
    tmp_path: Path, sop_class_uid: str, syntax: str
) -> None:
    # Each form stands at each place in some kind or syntax.
    turn = KINDS_OF_OBJECT.index(sop_class_uid) + SYNTAXES.index(syntax)
    for canaries in (hostile.Canaries(), hostile.Canaries(form="mixed", turn=turn)):
        passage = canary_passage(tmp_path, sop_class_uid, syntax, canaries)
        assert hostile.survivors(content_of(passage)) == []


def test_no_name_survives_in_any_character_set(tmp_path: Path) -> None:
    for charset, name in hostile.UNICODE_NAMES.items():
        tree = hostile.base() | {
            0x00080005: ("CS", charset),
            0x00100010: ("PN", name),
            0x00081030: ("LO", name),
            0x00700084: ("PN", name),
            0x00104000: ("LT", name),
        }
        content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
        study = hostile_study(tmp_path, content, hostile.CT)
        passed = content_of(pass_door(study, vault_at(tmp_path / "vault")))
        assert hostile.survivors(passed) == []
        # Nothing but ASCII is left, so no character set is needed, or can be wrong.
        assert "SpecificCharacterSet" not in read(passed)


def test_what_an_image_needs_stays(tmp_path: Path) -> None:
    passed = read(content_of(canary_passage(tmp_path, hostile.CT, hostile.IMPLICIT)))
    assert passed.ImageType == ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert (passed.Rows, passed.Columns, passed.BitsAllocated) == (4, 4, 16)
    assert passed.ImagePositionPatient == [-10, -20, 30.5]
    assert passed.PixelData == bytes(range(32))
    assert (passed.RescaleIntercept, passed.KVP, passed.PatientAge) == (-1024, 120, "064Y")
    assert passed.StudyTime == "101112"


def test_marks_say_what_was_done(tmp_path: Path) -> None:
    passage = canary_passage(tmp_path, hostile.CT, hostile.EXPLICIT)
    passed = read(content_of(passage))
    assert passage.study is not None
    assert passed.PatientID == passed.PatientName == passage.study.subject_id
    assert passed.PatientBirthDate == ""
    assert passed.PatientIdentityRemoved == "YES"
    assert passed.LongitudinalTemporalInformationModified == "MODIFIED"
    assert passed.BurnedInAnnotation == "NO"
    assert passed.RecognizableVisualFeatures == "NO"
    assert passed.DeidentificationMethod[1] == "DICOM PS3.15 2026c Table E.1-1"
    named = {item.CodeValue: item.CodeMeaning for item in passed.DeidentificationMethodCodeSequence}
    assert named == {
        "113100": "Basic Application Confidentiality Profile",
        "113104": "Clean Structured Content Option",
        "113105": "Clean Descriptors Option",
        "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
        "113111": "Retain Safe Private Option",
        "113108": "Retain Patient Characteristics Option",
    }
    meta = passed.file_meta
    assert meta.ImplementationVersionName == "SIGHTLINE"
    assert meta.MediaStorageSOPInstanceUID == passed.SOPInstanceUID
    assert "SourceApplicationEntityTitle" not in meta
    assert "PrivateInformation" not in meta


def test_certificate_is_verifiable_and_names_nobody(tmp_path: Path) -> None:
    passage = canary_passage(tmp_path, hostile.CT, hostile.EXPLICIT)
    assert passage.study is not None
    certificate = passage.study.certificate
    for instance in passage.study.instances:
        assert certificate.outputs[instance.uid] == hashlib.sha256(instance.content).hexdigest()
    assert certificate.held == {}
    assert certificate.table_edition == "DICOM PS3.15 2026c Table E.1-1"
    assert min(certificate.actions[each] for each in ("uid_replaced", "removed", "emptied")) > 0
    assert certificate.actions["private_removed"] >= 20
    assert certificate.actions["trailing_bytes_removed"] == 16
    text = json.dumps(dataclasses.asdict(certificate))
    assert hostile.survivors(b"DICM" + bytes(16) + text.encode()) == []


def test_same_study_and_key_give_the_same_bytes(tmp_path: Path) -> None:
    first = content_of(canary_passage(tmp_path, hostile.CT, hostile.DEFLATED))
    assert content_of(canary_passage(tmp_path, hostile.CT, hostile.DEFLATED)) == first


def test_two_visits_are_one_subject_months_apart(tmp_path: Path, vault: Vault) -> None:
    passed = []
    for number in (0, 1):
        series = write_series(volume(), tmp_path / str(number), visit=visit(3, number=number))
        passed.append(pass_files(series.files, vault))
    before = [dt.date.fromisoformat(visit(3, number=number).study_date) for number in (0, 1)]
    after = [dt.date.fromisoformat(read(each.instances[0].content).StudyDate) for each in passed]
    assert passed[0].subject_id == passed[1].subject_id
    assert passed[0].uid != passed[1].uid
    assert after[1] - after[0] == before[1] - before[0]
    assert 1 <= (before[0] - after[0]).days <= 3650


def test_another_key_shares_nothing(tmp_path: Path, vault: Vault) -> None:
    series = write_series(volume(), tmp_path / "ct", visit=visit(3))
    other = vault_at(tmp_path / "other", bytes(range(1, 33)))
    ours, theirs = pass_files(series.files, vault), pass_files(series.files, other)
    assert ours.subject_id != theirs.subject_id
    assert not uids_of(ours) & uids_of(theirs)
    dates = [read(study.instances[0].content).StudyDate for study in (ours, theirs)]
    assert dates[0] != dates[1]


@pytest.mark.parametrize("kind", KINDS)
def test_volume_is_the_same_on_both_sides(tmp_path: Path, vault: Vault, kind: str) -> None:
    series = KINDS[kind](tmp_path / "series")
    passed = pass_files(series.files, vault)
    before = read_volume(series.files)
    after = read_volume(write(passed, tmp_path / "passed"))
    assert np.array_equal(after.voxels, before.voxels)
    assert dataclasses.replace(after, voxels=before.voxels) == before


@pytest.mark.parametrize("kind", KINDS)
def test_references_of_results_resolve(tmp_path: Path, vault: Vault, kind: str) -> None:
    series = KINDS[kind](tmp_path / "series")
    seg, report = results_of(series)
    for name, content in {"seg": seg, "sr": report}.items():
        (tmp_path / "series" / f"{name}.dcm").write_bytes(content)
    files = sorted((tmp_path / "series").iterdir())
    passed = pass_files(files, vault)
    assert len(passed.instances) == len(files)
    present = {each.uid for each in passed.instances}
    referenced = set()
    for instance in passed.instances:
        referenced |= set(values_of(read(instance.content), "ReferencedSOPInstanceUID"))
    assert referenced
    assert referenced <= present
    originals = {uid for path in files for uid in private_uids(pydicom.dcmread(path))}
    everything = b"".join(instance.content for instance in passed.instances)
    assert not [uid for uid in originals if uid.encode() in everything]
    segs = [each for each in passed.instances if each.source_series_uid]
    assert [each.source_series_uid for each in segs] == [vault.uid(series.series_uid)]


@pytest.mark.parametrize("kind", KINDS)
def test_checker_finds_no_new_error(tmp_path: Path, vault: Vault, kind: str) -> None:
    series = KINDS[kind](tmp_path / "series")
    seg, report = results_of(series)
    for content in (series.files[0].read_bytes(), seg, report):
        path = tmp_path / "given.dcm"
        path.write_bytes(content)
        passed = pass_files([path], vault).instances[0].content
        assert set(dicom_errors(passed)) <= set(dicom_errors(content))


def test_segmentation_keeps_mask_and_classes_and_hides_its_reader(
    tmp_path: Path, vault: Vault
) -> None:
    series = KINDS["axial CT"](tmp_path / "series")
    drawn = dataclasses.replace(drawn_on(series), classes=("lesion", "ground_glass", "lung"))
    seg = tmp_path / "series" / "seg.dcm"
    seg.write_bytes(write_seg(drawn, series.files, identity=BY_HAND, is_manual=True))
    passed = pass_files([seg], vault).instances[0]
    after = read_seg(passed.content, series.volume.geometry)
    assert np.array_equal(after.mask, drawn.mask)
    assert after.classes == drawn.classes
    assert after.author == vault.reader("Reader^One")
    assert b"Reader^One" not in passed.content


def test_unknown_class_name_is_held_until_the_site_allows_it(tmp_path: Path) -> None:
    series = KINDS["axial CT"](tmp_path / "series")
    drawn = dataclasses.replace(drawn_on(series), classes=("zenker", "smith", "lung"))
    seg = tmp_path / "series" / "seg.dcm"
    seg.write_bytes(write_seg(drawn, series.files, identity=BY_HAND, is_manual=True))
    study = study_in([seg])
    vault_at(tmp_path / "vault")
    held = pass_door(study, Vault.at(tmp_path / "vault")).held
    assert [each.reason for each in held] == ["unknown_segment_name"]
    (tmp_path / "vault" / "words.txt").write_text("zenker smith")
    passage = pass_door(study, Vault.at(tmp_path / "vault"))
    assert passage.study is not None
    origin = read_seg_origin(passage.study.instances[0].content)
    assert origin.classes == ("zenker", "smith", "lung")


def test_our_own_results_cross_their_pictures_do_not(tmp_path: Path, vault: Vault) -> None:
    series = KINDS["axial CT"](tmp_path / "series")
    _, report = results_of(series)
    seg = write_seg(drawn_on(series), series.files, identity=IDENTITY, is_manual=False)
    names = dataclasses.replace(IDENTITY, instance_uid=InstanceUid("2.25.3001"))
    picture = write_sc(np.zeros((8, 8, 3), np.uint8), read_sources(series.files), identity=names)
    study = study_in(
        [written(tmp_path / f"{n}.dcm", each) for n, each in enumerate((seg, report, picture))]
    )
    ours = tuple(
        dataclasses.replace(each, lineage_id=LineageId(f"result-{n}"))
        for n, each in enumerate(study.instances)
    )
    passage = pass_door(dataclasses.replace(study, instances=ours), vault)
    assert passage.held == ()
    assert passage.study is not None
    assert {each.lineage_id for each in passage.study.instances} == {"result-0", "result-1"}
    assert passage.study.certificate.actions["own_picture_omitted"] == 1
    # Classes of our own models come from recipes; "something else" is on no list.
    assert read_seg_origin(passage.study.instances[0].content).classes == CLASSES
    theirs = pass_door(study, vault)
    assert [each.reason for each in theirs.held] == ["unknown_segment_name"]


def test_damaged_and_exchanged_files_are_held_the_others_pass(tmp_path: Path, vault: Vault) -> None:
    series = write_series(volume(), tmp_path / "ct", visit=visit(3))
    study = study_in(series.files)
    damaged, exchanged, broken, *_ = study.instances
    series.files[0].write_bytes(damaged.read()[:-2] + b"??")
    content = broken.read()
    cut = content.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\xff\xff", 1)
    series.files[2].write_bytes(cut)
    instances = (
        damaged,
        dataclasses.replace(exchanged, uid=InstanceUid("1.2.3")),
        dataclasses.replace(broken, digest=Digest(hashlib.sha256(cut).hexdigest())),
        *study.instances[3:],
    )
    passage = pass_door(dataclasses.replace(study, instances=instances), vault)
    assert [each.reason for each in passage.held] == ["damaged", "identity_mismatch", "unreadable"]
    assert passage.study is not None
    assert len(passage.study.instances) == len(study.instances) - 3
    assert passage.study.certificate.held == {
        "damaged": 1,
        "identity_mismatch": 1,
        "unreadable": 1,
    }
    for each in passage.held:
        assert each.detail
        assert "PHANTOM" not in each.detail


def test_patient_without_an_id_is_held(tmp_path: Path, vault: Vault) -> None:
    series = write_series(volume(), tmp_path / "ct", visit=visit(3))
    study = dataclasses.replace(study_in(series.files), patient=Patient(patient_id="  "))
    passage = pass_door(study, vault)
    assert passage.study is None
    assert {each.reason for each in passage.held} == {"no_patient_id"}


@settings(deadline=None, max_examples=60)
@given(tree=trees())
def test_random_datasets_neither_crash_nor_leak(
    tmp_path_factory: pytest.TempPathFactory, tree: hostile.Tree
) -> None:
    folder = tmp_path_factory.getbasetemp()
    syntax = hostile.EXPLICIT if len(tree) % 2 else hostile.IMPLICIT
    content = hostile.part10(hostile.base() | tree, syntax, hostile.Canaries())
    passage = pass_door(hostile_study(folder, content, hostile.CT), Vault(KEY))
    for instance in passage.study.instances if passage.study else ():
        assert hostile.survivors(instance.content) == []


@settings(deadline=None, max_examples=150, derandomize=True)
@given(data=st.data())
def test_mutated_files_neither_crash_nor_leak(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    canaries = hostile.Canaries()
    tree = hostile.base() | hostile.concepts(canaries) | hostile.private_block(canaries)
    tree[0x0040A730] = ("SQ", hostile.content_items(canaries))
    content = bytearray(hostile.part10(tree, hostile.EXPLICIT, canaries))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(132, len(content) - 1))] = data.draw(st.integers(0, 255))
    study = hostile_study(tmp_path_factory.getbasetemp(), bytes(content), hostile.CT)
    passage = pass_door(study, Vault(KEY))
    for instance in passage.study.instances if passage.study else ():
        assert hostile.survivors(instance.content) == []
