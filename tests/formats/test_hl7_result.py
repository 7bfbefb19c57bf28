"""Results as ORU^R01: every field where HL7 v2.5.1 puts it, and read back by our own reader."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st

from sightline.formats.hl7 import Message, Segment, parse
from sightline.formats.hl7_result import write_oru
from sightline.formats.result_items import NOTICE
from sightline.intake.hl7_messages import read_message
from sightline.values.clinical import ClinicalRecord
from sightline.values.clinical_result import ClinicalResult
from sightline.values.identity import Patient
from tests.clinical_results import RESULT, WORDS, of_patient, with_words


def told(result: ClinicalResult = RESULT) -> Message:
    return parse(write_oru(result, facility="SIGHT|LINE"))


def segment(message: Message, name: str) -> Segment:
    (found,) = (each for each in message.segments if each.name == name)
    return found


def items(message: Message, code: str) -> list[Segment]:
    return [each for each in message.segments if each.name == "OBX" and each.text(3) == code]


def record_of(result: ClinicalResult) -> ClinicalRecord:
    (record,) = read_message(told(result), lambda _: "").records
    return record


def test_the_header_names_message_and_sender() -> None:
    """HL7 v2.5.1 2.15.9: MSH-3, 4, 7, 9, 10, 11, 12, 18."""
    head = told().header
    assert [head.text(number) for number in (3, 4, 7)] == [
        "SIGHTLINE",
        "SIGHT|LINE",
        "20260102030405+0000",
    ]
    assert [head.text(9, each) for each in (1, 2, 3)] == ["ORU", "R01", "ORU_R01"]
    assert head.text(10) == RESULT.message_id
    assert 0 < len(head.text(10)) <= 20  # 2.15.9.10
    assert [head.text(number) for number in (11, 12, 18)] == ["P", "2.5.1", "UNICODE UTF-8"]


def test_the_patient_is_named_with_issuer_and_every_writing() -> None:
    """HL7 v2.5.1 3.4.2: PID-3, 5, 7, 8; XPN has the suffix before the prefix (2.A.89)."""
    patient = segment(told(), "PID")
    assert [patient.text(3, each) for each in (1, 4, 5)] == ["PHANTOM|1^a", "NORTH & SON", "MR"]
    latin, ideographic, phonetic = patient.repetitions(5)
    assert [patient.part(latin, each) for each in range(1, 9)] == [
        *("Prøbe", "Zoë", "Ann", "Jr", "Dr", "", "L", "A"),
    ]
    assert [patient.part(ideographic, each) for each in (1, 2, 8)] == ["王", "小東", "I"]
    assert [patient.part(phonetic, each) for each in (1, 2, 8)] == ["おう", "しょうとう", "P"]
    assert (patient.text(7), patient.text(8)) == ("19700102", "F")


def test_the_report_is_preliminary_and_names_its_order() -> None:
    """HL7 v2.5.1 7.4.1: OBR-3, 4, 7, 18, 22, 24, 25 (table 0123)."""
    report = segment(told(), "OBR")
    assert (report.text(3), report.text(3, 2)) == (RESULT.prediction.lineage_id, "SIGHTLINE")
    assert [report.text(4, each) for each in (1, 3)] == ["18748-4", "LN"]
    assert (report.text(7), report.text(22)) == ("20240131101500", "20260102030405+0000")
    assert (report.text(18), report.text(24), report.text(25)) == ("A|1", "RAD", "P")


def test_every_number_has_its_unit_and_every_item_is_preliminary() -> None:
    """HL7 v2.5.1 7.4.2: OBX-1, 2, 3, 4, 5, 6, 11 (table 0085)."""
    message = told()
    observed = [each for each in message.segments if each.name == "OBX"]
    assert [each.text(1) for each in observed] == [str(n) for n in range(1, len(observed) + 1)]
    assert {each.text(11) for each in observed} == {"P"}
    assert {each.text(18) for each in observed} == {"covid-chest@3"}
    numbers = [
        (each.text(3, 2), each.text(4), each.text(5), each.text(6), each.text(6, 3))
        for each in observed
        if each.text(2) == "NM"
    ]
    assert numbers == [
        ("Volume", "1", "42.125", "ml", "UCUM"),
        ("Long axis", "1", "41", "mm", "UCUM"),
        ("Number of connected parts", "1", "3", "1", "UCUM"),
        ("Volume", "2", "0", "ml", "UCUM"),
        ("Long axis", "2", "0", "mm", "UCUM"),
        ("Number of connected parts", "2", "0", "1", "UCUM"),
        ("Probability", "3", "0.8125", "1", "UCUM"),
    ]
    words, *classes = items(message, "121071")
    assert (words.text(2), words.whole(5)) == ("TX", WORDS)
    assert [(each.text(4), each.text(5, 9)) for each in classes] == [
        ("1", "consolidation"),
        ("2", "odd|class^name"),
        ("3", "effusion"),
    ]


def test_it_says_first_that_it_is_for_research_and_last_what_made_it() -> None:
    message = told()
    first = next(each for each in message.segments if each.name == "OBX")
    assert first.whole(5) == NOTICE
    assert "RESEARCH USE ONLY" in NOTICE

    def said(code: str) -> list[str]:
        return [each.text(5) for each in items(message, code)]

    assert said("111001") == ["covid-chest"]
    assert said("111003") == ["3"]
    assert said("LINEAGE") == [RESULT.prediction.lineage_id]
    assert said("110180") == ["1.2.3"]
    assert said("112002") == ["1.2.3.4"]
    assert said("SOP-INSTANCE") == ["2.25.7", "2.25.8"]


def test_our_own_reader_takes_it_as_a_preliminary_report_of_that_patient_and_study() -> None:
    record = record_of(RESULT)
    assert (record.kind, record.status, record.study_uid) == ("report", "P", "1.2.3")
    assert (record.source_key, record.accession_number) == (RESULT.prediction.lineage_id, "A|1")
    assert record.date == "20240131"
    assert NOTICE in record.text
    assert WORDS in record.text
    assert record.person is not None
    assert (record.person.patient_id, record.person.issuer) == ("PHANTOM|1^a", "NORTH & SON")
    demographics = record.person.demographics
    assert demographics is not None
    assert demographics.name == "Prøbe^Zoë^Ann^Dr^Jr"
    assert (demographics.birth_date, demographics.sex) == ("19700102", "F")


def test_long_text_of_several_lines_survives() -> None:
    words = "\n".join(f"line {number}: " + "größer | " * 500 for number in range(20))
    record = record_of(with_words(words))
    for line in words.splitlines():
        assert line.strip() in record.text


def test_the_same_result_is_the_same_message() -> None:
    assert write_oru(RESULT, facility="S") == write_oru(RESULT, facility="S")
    other = dataclasses.replace(RESULT.prediction, lineage_id="prediction-000000000000")
    assert dataclasses.replace(RESULT, prediction=other).message_id != RESULT.message_id


def test_a_patient_of_whom_little_is_known_is_written_without_the_rest() -> None:
    unknown = segment(told(of_patient(Patient(patient_id="7"))), "PID")
    assert [unknown.text(number) for number in (3, 5, 7, 8)] == ["7", "", "", ""]
    dateless = dataclasses.replace(RESULT, study_date="", study_time="noon")
    assert segment(told(dateless), "OBR").text(7) == ""


@given(st.text(max_size=200))
def test_any_words_come_back_as_they_were_but_for_control_characters(words: str) -> None:
    message = told(with_words(words))
    (read, *_) = items(message, "121071")
    expected = "\n".join(words.splitlines())
    kept = "".join(each if each == "\n" or each.isprintable() else " " for each in expected)
    came = "".join(each if each == "\n" or each.isprintable() else " " for each in read.whole(5))
    assert came.split() == kept.split()
