"""Orders, reports and values find their studies, at once or when the study comes."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.archive.archive import Archive
from sightline.archive.clinical import (
    KeptRecord,
    Letter,
    messages,
    records_of_study,
    take,
    waiting_records,
)
from sightline.archive.receiving import keep
from sightline.archive.ties import RULES_FILE, load_rules, tie_waiting
from sightline.catalog.database import Database
from sightline.errors import BadMessage, BadSettings, Refused
from sightline.settings import Settings
from sightline.store.objects import ObjectStore
from sightline.values.arrival import Source
from sightline.values.clinical import Clinical, ClinicalRecord, Merge, Person, Unmerge
from sightline.values.identity import StudyUid
from sightline.values.tie_rules import TieRules
from tests.instances import ROOT, part10_of, slice_of

NUMBERS = itertools.count()


@pytest.fixture(params=["sqlite", "postgresql"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    if request.param == "sqlite":
        opened = Archive.at(tmp_path / "archive")
    else:
        database = Database.open(request.getfixturevalue("postgres_url"), "archive")
        opened = Archive(database, ObjectStore.open(tmp_path / "objects"))
    yield opened
    opened.close()


@pytest.fixture
def rules(tmp_path: Path) -> TieRules:
    return load_rules(Settings(data_dir=tmp_path))


def study(
    archive: Archive, number: int, patient: str, *, date: str = "20240131", accession: str = ""
) -> StudyUid:
    uid = f"{ROOT}.6.{number}"
    dataset = slice_of(
        1,
        size=4,
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.0",
        SOPInstanceUID=f"{uid}.0.1",
        PatientID=patient,
        StudyDate=date,
        AccessionNumber=accession,
    )
    keep(archive, part10_of(dataset), Source(name="test"))
    return StudyUid(uid)


def say(archive: Archive, rules: TieRules, said: Clinical, content: bytes = b"") -> bool:
    number = next(NUMBERS)
    letter = Letter(
        content=content or str(number).encode(), sender="RIS", control_id="1", kind="test"
    )
    return take(archive, letter, lambda: said, rules=rules)


def record(patient: str | None, *, kind: str = "report", **values: str) -> Clinical:
    made = ClinicalRecord(
        kind=kind,  # type: ignore[arg-type]  # one of three words
        source_key=values.pop("key", "1"),
        person=Person(patient_id=patient, issuer="") if patient else None,
        **values,
    )
    return Clinical(records=(made,))


def found(archive: Archive, uid: StudyUid) -> list[tuple[str, str]]:
    return [(each.record.kind, each.rule) for each in records_of_study(archive, uid)]


def waiting(archive: Archive) -> list[str]:
    return [each.waiting for each in waiting_records(archive)]


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (record("A", accession_number="ACC1"), "accession_number"),
        (record(None, accession_number="ACC1"), "accession_number"),
        (record("A", study_uid=f"{ROOT}.6.1"), "study_uid"),
        (record("A", date="20240130"), "patient_and_date"),
        (record("A", kind="observation", date="20240210"), "patient_and_date"),
        (record("A", accession_number="ACC9", date="20240131"), "patient_and_date"),
    ],
)
def test_a_record_finds_its_study(
    archive: Archive, rules: TieRules, said: Clinical, rule: str, *, is_first: bool
) -> None:
    if not is_first:
        say(archive, rules, said)
        assert waiting(archive) == ["no study agrees with it yet"]
    uid = study(archive, 1, "A", accession="ACC1")
    if is_first:
        say(archive, rules, said)
    else:
        assert tie_waiting(archive, rules) == 1
    assert found(archive, uid) == [(said.records[0].kind, rule)]
    assert waiting(archive) == []
    assert tie_waiting(archive, rules) == 0


@pytest.mark.parametrize(
    "said",
    [
        record("B", accession_number="ACC1"),
        record("B", study_uid=f"{ROOT}.6.1"),
    ],
)
def test_nothing_is_tied_to_another_patients_study(
    archive: Archive, rules: TieRules, said: Clinical
) -> None:
    uid = study(archive, 1, "A", accession="ACC1")
    say(archive, rules, said)
    assert found(archive, uid) == []
    assert waiting(archive) == ["what it names is the study of another patient"]


@pytest.mark.parametrize("date", ["20240101", "20240220", "", "yesterday"])
def test_a_date_too_far_off_waits(archive: Archive, rules: TieRules, date: str) -> None:
    uid = study(archive, 1, "A")
    say(archive, rules, record("A", date=date))
    assert found(archive, uid) == []


def test_several_studies(archive: Archive, rules: TieRules) -> None:
    same = [study(archive, number, "A", accession="ACC1") for number in (1, 2)]
    later = study(archive, 3, "A", date="20240203")
    say(archive, rules, record("A", key="one", accession_number="ACC1"))
    say(archive, rules, record("A", key="two", date="20240131"))
    say(archive, rules, record("A", key="three", kind="observation", date="20240204"))
    assert [found(archive, uid) for uid in same] == [[("report", "accession_number")]] * 2
    assert found(archive, later) == [("observation", "patient_and_date")]
    assert waiting(archive) == ["several studies agree with it"]


def test_a_later_record_of_the_same_key_replaces_it(archive: Archive, rules: TieRules) -> None:
    uid = study(archive, 1, "A", accession="ACC1")
    say(archive, rules, record("A", accession_number="ACC1", text="first", status="P"))
    say(archive, rules, record("A", accession_number="ACC1", text="final", status="F"))
    (kept,) = records_of_study(archive, uid)
    assert (kept.record.text, kept.record.status) == ("final", "F")


def test_merges_tie_and_unmerges_untie(archive: Archive, rules: TieRules) -> None:
    uid = study(archive, 1, "B", accession="ACC1")
    say(archive, rules, record("A", accession_number="ACC1"))
    a, b = (Person(patient_id=each, issuer="") for each in "AB")
    assert found(archive, uid) == []
    say(archive, rules, Clinical(changes=(Merge(survivor=b, merged=a),)))
    (kept,) = records_of_study(archive, uid)
    assert _patient(kept) == "B"
    say(archive, rules, Clinical(changes=(Unmerge(one=a, other=b),)))
    assert found(archive, uid) == []
    assert [_patient(each) for each in waiting_records(archive)] == ["A"]


def _patient(kept: KeptRecord) -> str:
    assert kept.patient is not None
    return kept.patient.patient_id


def test_what_is_refused_changes_nothing_and_is_kept(archive: Archive, rules: TieRules) -> None:
    a = Person(patient_id="A", issuer="")
    half = Clinical(changes=(Merge(survivor=Person(patient_id="B", issuer=""), merged=a),) * 1)
    bad = Clinical(changes=(*half.changes, Merge(survivor=a, merged=a)))
    with pytest.raises(Refused):
        say(archive, rules, bad, b"bad")

    def unreadable() -> Clinical:
        raise BadMessage("cannot be read", hint="-")

    letter = Letter(content=b"worse", sender="RIS", control_id="2", kind="test")
    with pytest.raises(BadMessage):
        take(archive, letter, unreadable, rules=rules)
    kept = messages(archive)
    assert [(each.state, archive.objects.get(each.digest)) for each in kept] == [
        ("refused", b"bad"),
        ("refused", b"worse"),
    ]
    uid = study(archive, 1, "A")
    assert say(archive, rules, record("A", accession_number="x"), b"good")
    assert not say(archive, rules, record("A", accession_number="x"), b"good")
    assert found(archive, uid) == []


def test_a_site_writes_its_own_rules(archive: Archive, tmp_path: Path) -> None:
    text = "rules:\n  - {by: patient_and_date, days_before: 400, when_several: nearest}\n"
    (tmp_path / RULES_FILE).write_text(text)
    rules = load_rules(Settings(data_dir=tmp_path))
    uid = study(archive, 1, "A", date="20230201")
    say(archive, rules, record("A", accession_number="ACC1", date="20240201"))
    assert found(archive, uid) == [("report", "patient_and_date")]


@pytest.mark.parametrize(
    "text", ["rules: [{by: name}]", "rules: [", "rules: [{by: study_uid, x: 1}]"]
)
def test_rules_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    (tmp_path / RULES_FILE).write_text(text)
    with pytest.raises(BadSettings, match=RULES_FILE):
        load_rules(Settings(data_dir=tmp_path))
