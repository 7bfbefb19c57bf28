"""C-FIND: identifiers by themselves, and 200 random queries beside a plain filter."""

import io
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.errors import NotDicom, Refused
from sightline.intake.dimse import Listener
from sightline.intake.query import is_wholly_supported, matches
from sightline.intake.query_identifiers import Root, read_identifier, write_match
from sightline.peers.dimse import Destination
from sightline.peers.query import Questions, asking
from sightline.values.arrival import Source
from tests.counterparties import HOST, dcmtk
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid

SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    with DicomBytesIO() as buffer:
        buffer.is_implicit_VR = syntax == ImplicitVRLittleEndian
        buffer.is_little_endian = syntax != ExplicitVRBigEndian
        write_dataset(buffer, dataset)
        return bytes(buffer.getvalue())


def asked(level: str, **keys: object) -> Dataset:
    request = Dataset()
    request.QueryRetrieveLevel = level
    for name, value in keys.items():
        setattr(request, name, value)
    return request


def answers(
    archive: Archive, request: Dataset, *, root: Root = "study", syntax: str = SYNTAXES[1]
) -> list[Dataset]:
    """Ask without a network, and read the answers with pydicom."""
    content = encoded(request, syntax)
    identifier = read_identifier(content, transfer_syntax_uid=syntax, root=root)
    return [
        read_dataset(
            io.BytesIO(
                write_match(identifier, each, transfer_syntax_uid=syntax, retrieve_ae="SIGHTLINE")
            ),
            syntax == ImplicitVRLittleEndian,
            syntax != ExplicitVRBigEndian,
        )
        for each in matches(archive, identifier)
    ]


def put(archive: Archive, **attributes: object) -> None:
    keep(archive, part10_of(slice_of(1, size=2, **attributes)), Source(name="test"))


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_is_asked_for_comes_back_in_the_syntax_of_the_request(
    archive: Archive, syntax: str
) -> None:
    put(archive, PatientName="Müller^Jürgen")
    request = asked(
        "STUDY",
        PatientName="",
        StudyInstanceUID="",
        ModalitiesInStudy="",
        NumberOfStudyRelatedInstances="",
        ReferringPhysicianName="",
        ProcedureCodeSequence=[],
    )
    (found,) = answers(archive, request, syntax=syntax)
    assert found.SpecificCharacterSet == "ISO_IR 192"
    assert found.PatientName == "Müller^Jürgen"
    assert (found.StudyInstanceUID, found.ModalitiesInStudy) == (STUDY, "CT")
    assert found.NumberOfStudyRelatedInstances == 1
    assert (found.QueryRetrieveLevel, found.RetrieveAETitle) == ("STUDY", "SIGHTLINE")
    assert "ReferringPhysicianName" in found
    assert not found.ReferringPhysicianName
    assert len(found.ProcedureCodeSequence) == 0
    assert "PatientID" not in found  # nobody asked


def test_the_character_set_of_the_request_is_used_where_it_can(archive: Archive) -> None:
    put(archive, PatientName="Müller^Jürgen")
    request = asked("STUDY", SpecificCharacterSet="ISO_IR 100", PatientName="Mü*")
    (found,) = answers(archive, request)
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 100", "Müller^Jürgen")
    request = asked("STUDY", SpecificCharacterSet="ISO_IR 144", PatientName="")
    (found,) = answers(archive, request)
    assert (found.SpecificCharacterSet, found.PatientName) == ("ISO_IR 192", "Müller^Jürgen")


def test_every_level_of_both_roots(archive: Archive) -> None:
    for number in (1, 2, 3):
        keep(archive, part10_of(slice_of(number, size=2)), Source(name="test"))
    (patient,) = answers(
        archive,
        asked("PATIENT", PatientID="", NumberOfPatientRelatedInstances=""),
        root="patient",
    )
    assert (patient.PatientID, patient.NumberOfPatientRelatedInstances) == ("PHANTOM-1", 3)
    above = {"StudyInstanceUID": STUDY}
    (series,) = answers(
        archive,
        asked("SERIES", SeriesInstanceUID="", NumberOfSeriesRelatedInstances="", **above),
    )
    assert (series.SeriesInstanceUID, series.NumberOfSeriesRelatedInstances) == (SERIES, 3)
    wanted = asked("IMAGE", SeriesInstanceUID=SERIES, SOPInstanceUID="", Rows="", **above)
    assert [each.SOPInstanceUID for each in answers(archive, wanted)] == [uid(1), uid(2), uid(3)]
    assert {each.Rows for each in answers(archive, wanted)} == {2}
    some = asked("IMAGE", SeriesInstanceUID=SERIES, SOPInstanceUID=[uid(3), uid(1), "1.2"], **above)
    assert [each.SOPInstanceUID for each in answers(archive, some)] == [uid(1), uid(3)]


@pytest.mark.parametrize(
    ("root", "request_"),
    [
        ("study", asked("PATIENT", PatientID="")),
        ("study", asked("FRAME", PatientID="")),
        ("study", asked("SERIES", StudyInstanceUID="")),
        ("study", asked("SERIES", StudyInstanceUID=["1.2", "1.3"])),
        ("study", asked("IMAGE", StudyInstanceUID="1.2")),
        ("patient", asked("STUDY", PatientID="A*", StudyInstanceUID="")),
        ("patient", asked("STUDY", StudyInstanceUID="")),
    ],
)
def test_what_the_model_does_not_have_is_refused(root: Root, request_: Dataset) -> None:
    with pytest.raises(Refused):
        read_identifier(encoded(request_), transfer_syntax_uid=SYNTAXES[1], root=root)


def test_broken_identifiers() -> None:
    content = encoded(asked("STUDY", PatientName="X" * 40))
    for end in (3, 9, len(content) - 1):
        with pytest.raises((NotDicom, Refused)):
            read_identifier(content[:end], transfer_syntax_uid=SYNTAXES[1], root="study")


def test_unsupported_keys_are_known() -> None:
    def supports(**keys: object) -> bool:
        content = encoded(asked("STUDY", **keys))
        return is_wholly_supported(
            read_identifier(content, transfer_syntax_uid=SYNTAXES[1], root="study")
        )

    assert supports(PatientName="", StudyDate="20240101-")
    assert not supports(PatientName="", ReferringPhysicianName="")


# 200 random queries over the network, beside a filter that knows nothing of SQL.

NAMES = ("Müller^Jürgen", "MULLER^JORG", "Probe^One", "probe^two", "O'Hara^Anne_B", "Wang^X=王^小")
DESCRIPTIONS = ("Chest", "CHEST 100%", "Head_CT", "", "abdomen")


def some_studies(seed: int) -> list[dict[str, str]]:
    draw = random.Random(seed)  # noqa: S311 - test data, no secret
    return [
        {
            "StudyInstanceUID": f"{ROOT}.50.{number}",
            "SeriesInstanceUID": f"{ROOT}.51.{number}",
            "SOPInstanceUID": f"{ROOT}.52.{number}",
            "PatientID": (patient := f"P{draw.randrange(20)}"),
            "PatientName": NAMES[hash_of(patient) % len(NAMES)],
            "PatientBirthDate": f"19{hash_of(patient) % 90 + 10}0101",
            "PatientSex": "MFO"[hash_of(patient) % 3],
            "StudyDate": draw.choice(
                ("", f"2024{draw.randrange(1, 13):02}{draw.randrange(1, 29):02}")
            ),
            "StudyTime": draw.choice(
                ("", f"{draw.randrange(24):02}{draw.randrange(60):02}", "101500.25")
            ),
            "AccessionNumber": draw.choice(("", f"A{draw.randrange(30)}", "a1")),
            "StudyDescription": draw.choice(DESCRIPTIONS),
            "Modality": draw.choice(("CT", "MR", "US")),
        }
        for number in range(80)
    ]


def hash_of(text: str) -> int:
    return int(text[1:]) * 7919


def some_query(draw: random.Random, studies: list[dict[str, str]]) -> dict[str, str]:
    one = draw.choice(studies)
    date, time = one["StudyDate"], one["StudyTime"]
    wild = {
        name: draw.choice(
            (value, value[:2] + "*", "*" + value[-2:], "?" + value[1:], value.lower())
        )
        for name in ("PatientName", "PatientID", "AccessionNumber", "StudyDescription")
        if (value := one[name])
    }
    choices = wild | {
        "StudyDate": draw.choice((date, f"{date}-", f"-{date}", "20240301-20240715")),
        "StudyTime": draw.choice((time, "1000-1200", "101500-", "-0930")),
        "ModalitiesInStudy": draw.choice((one["Modality"], "CT\\US", "M*")),
        "StudyInstanceUID": draw.choice(
            (one["StudyInstanceUID"], f"{one['StudyInstanceUID']}\\1.2")
        ),
        "PatientSex": one["PatientSex"],
        "PatientBirthDate": draw.choice((one["PatientBirthDate"], "19300101-19600101")),
    }
    chosen = draw.sample(sorted(choices), draw.choice((1, 1, 2, 3)))
    return {name: choices[name] for name in chosen if choices[name] not in {"-", ""}}


def is_match(study: dict[str, str], query: dict[str, str]) -> bool:
    return all(
        is_value(name, study[name.replace("ModalitiesInStudy", "Modality")], key)
        for name, key in query.items()
    )


def is_value(name: str, value: str, key: str) -> bool:
    if name.endswith("UID"):
        return value in key.split("\\")
    if name.endswith(("Date", "Time")):
        first, dash, last = key.partition("-")
        last = last if dash else first
        return bool(value) and value >= first and (not last or value[: len(last)] <= last)
    flags = re.IGNORECASE if name == "PatientName" else 0
    keys = key.split("\\") if name in {"ModalitiesInStudy", "PatientSex"} else [key]
    patterns = [re.escape(each).replace(r"\*", ".*").replace(r"\?", ".") for each in keys]
    return any(re.fullmatch(pattern, value, flags) for pattern in patterns)


@pytest.fixture
def asking_us(
    archive: Archive, listener: Listener
) -> Iterator[tuple[Questions, list[dict[str, str]]]]:
    studies = some_studies(11)
    for each in studies:
        put(archive, **each)
    here = Destination(ae_title="SIGHTLINE", host=HOST, port=listener.port)
    with asking(here, calling_ae="TEST") as questions:
        yield questions, studies


def test_200_random_queries_are_answered_as_a_filter_would(
    asking_us: tuple[Questions, list[dict[str, str]]],
) -> None:
    questions, studies = asking_us
    draw = random.Random(5)  # noqa: S311 - test data, no secret
    sizes = set()
    for _ in range(200):
        query = some_query(draw, studies)
        expected = {each["StudyInstanceUID"] for each in studies if is_match(each, query)}
        found = [each.uid for each in questions.studies(query)]
        assert len(found) == len(set(found)), query
        assert set(found) == expected, query
        sizes.add(len(found))
    assert len(sizes) > 10  # neither all nor nothing


def test_a_query_is_cancelled(asking_us: tuple[Questions, list[dict[str, str]]]) -> None:
    questions, studies = asking_us
    some = list(questions.ask("STUDY", {}, ("PatientName",), is_cancelled=lambda: True))
    assert len(some) == 1
    assert len(questions.studies({})) == len(studies)


def test_findscu_asks_us(archive: Archive, listener: Listener, tmp_path: Path) -> None:
    put(archive)
    options = ("-aec", "SIGHTLINE", "-X", "-od", tmp_path, HOST, listener.port)
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=PHANTOM*", "-k", "StudyDate")
    done = dcmtk("findscu", "-S", "-v", *options, *keys)
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("rsp*.dcm"))) == 1
    patient = dcmtk(
        "findscu", "-P", "-v", *options, "-k", "QueryRetrieveLevel=PATIENT", "-k", "PatientID"
    )
    assert "Success" in patient.stderr + patient.stdout
    refused = dcmtk("findscu", "-S", "-v", *options, "-k", "QueryRetrieveLevel=PATIENT")
    assert "DataSetDoesNotMatchSOPClass" in refused.stderr + refused.stdout
