"""Free text: what is gone, what stays, and how much of both over a thousand reports."""

import dataclasses
import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.deid.cleaning.spans import CleanedText
from sightline.deid.free_text import LONGEST, TOO_LONG, clean_text
from sightline.deid.known_identifiers import KnownIdentifiers
from sightline.errors import UnknownName
from sightline.values.identity import Patient
from tests.deid.reports.judging import judging_reports
from tests.deid.reports.scoring import rebuilt, score_of
from tests.deid.reports.tuning import tuning_reports
from tests.deid.rules import CONTEXT

KNOWN = KnownIdentifiers(
    names=("Strößner-Möller^Jörg^Ägidius", "MÜLLER^ANNA"),
    people=("Weber^Karl",),
    ids=("00471122", "A-2021/0815"),
    birth_dates=("19560312",),
    phones=("0711 / 12 34 56",),
    addresses=("Große Gasse 5a",),
    places=("70173 Stuttgart",),
    institutions=("Klinik am Eichert",),
)
NOTHING = KnownIdentifiers()


def cleaned(text: str, known: KnownIdentifiers = KNOWN) -> str:
    """Return a cleaned text with all numbers of people as one, and check that it stays so."""
    result = clean_text(text, known, CONTEXT).text
    assert clean_text(result, known, CONTEXT).text == result
    return re.sub(r"\[NAME \d{5}\]", "[NAME]", result)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The patient, as the records know them, in every spelling
        ("Patient: STROESSNER-MOELLER, JÖRG", "Patient: [PATIENT]"),
        ("Hr. Strössner - Möller kam.", "Hr. [PATIENT] kam."),
        ("S t r ö ß n e r geht es gut.", "[PATIENT] geht es gut."),
        ("Strösner geht es gut.", "[PATIENT] geht es gut."),
        ("MüllerAnna", "[PATIENT]"),
        ("Anna\nMüller's cyst", "[PATIENT]'s cyst"),
        ("Mu\u0308ller", "[PATIENT]"),
        ("Mül\u00adler", "[PATIENT]"),
        # Numbers and places of the records
        ("Nr. 471122, 0471 122, A20210815", "Nr. [ID], [ID], [ID]"),
        ("Grosse Gasse 5 a, Stuttgart", "[ADDRESS], [PLACE]"),
        ("KLINIK AM EICHERT", "[INSTITUTION]"),
        ("+49 711 123456", "[PHONE]"),
        # Names by their place
        ("Dr. Klein, Frau Berg, Mr Young", "Dr. [NAME], Frau [NAME], Mr [NAME]"),
        ("Dr.med.Hans-Peter Mustermann", "Dr.med.[NAME]"),
        ("Signed by: JOHN A. SMITHERSON, M.D.", "Signed by: [NAME], M.D."),
        ("cc: Dr. O'Brien; Dr. de la Cruz", "cc: Dr. [NAME]; Dr. [NAME]"),
        ("gez. Beutlhauser", "gez. [NAME]"),
        ("Frau Dr.in Maier", "Frau Dr.in [NAME]"),
        # Dates in their own form; times stay
        ("12.03.2021", "[MOVED 06.02.2020]"),
        ("12. März 2021", "[MOVED 6. Februar 2020]"),
        ("March 12th, 2021", "[MOVED February 6th, 2020]"),
        ("Seen on the 12th of March.", "Seen on the [MOVED 6th of February]."),
        ("The CT of 3/12/21 at 14:30", "The CT of [MOVED 2/6/20] at 14:30"),
        ("2021-03-12T14:30:00", "[MOVED 2020-02-06]T14:30:00"),
        ("März 2021, 03/2021", "[MOVED Januar 2020], [MOVED 01/2020]"),
        ("Freitag, 12.03.2021", "[MOVED Donnerstag, 06.02.2020]"),
        ("12.-14.03.2021", "[MOVED 6.-08.02.2020]"),
        ("OP seit 2015", "OP seit [MOVED 2013]"),
        ("geb. 12. März 1956", "geb. [BIRTH DATE]"),
        ("born 03/12/1956", "born [BIRTH DATE]"),
        # What looks like an identifier
        ("foo.bar@klinik-x.de", "[EMAIL]"),
        ("https://pacs.x.de/study?id=4", "[URL]"),
        ("1.2.840.113619.2.55.3.604688119.971", "[ID]"),
        ("SSN 123-45-6789", "SSN [ID]"),
        ("KVNR A123456789", "KVNR [ID]"),
        ("Gartenweg 7, 12345 Musterstadt", "[ADDRESS], [PLACE]"),
        ("He lives at 12 Orchard Lane", "He lives at [ADDRESS]"),
        ("Station 3a, Zimmer 214", "Station [WARD], Zimmer [WARD]"),
        ("92-jährige, 89-jährige", "90+-jährige, 89-jährige"),
        ("a 95 year old man", "a 90+ year old man"),
    ],
)
def test_identity_goes(text: str, expected: str) -> None:
    assert cleaned(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Baker-Zyste, Morbus Bechterew, Kerley B lines, Hodgkin lymphoma, Crohn disease",
        "Douglas-Raum, Virchow node, Swan-Ganz, Foley, Osgood-Schlatter, Ductus Wirsungianus",
        "L4/5, Th12/L1, Segment IVa, BI-RADS 4a, pT2 pN1a (2/14) M0, Gleason 3+4=7",
        "12 x 8 x 7 mm, 3,2 cm, 35 HU, 120 ml, 1.5 T, b1000, 370 MBq, TR/TE 2000/90",
        "Serie 3, Bild 12/345, HR 80, RR 120/80, EF 55%",
        "Young patient. Mark the lesion. It may be benign. Will return. Im Winter.",
        "Kleine Zyste. Lange Stenose. Die A. carotis interna, M. psoas.",
        "No Hampton hump or Westermark sign; consistent with COVID-19 pneumonia, Deauville score 4.",
        "Bekanntes Klatskin-Karzinom, Stadium Bismuth IIIa, Status nach Billroth II, ZVK in situ.",
        "MR Abdomen, MS lesions, DR thorax, OA of the knee, 12 Fr catheter",
        "",
    ],
)
def test_the_clinical_story_stays(text: str) -> None:
    assert cleaned(text, NOTHING) == text


def test_a_name_that_is_a_word_goes_where_it_is_a_name() -> None:
    known = KnownIdentifiers(names=("Baker^May",))
    assert cleaned("Mrs. Baker has a Baker cyst.", known) == "Mrs. [PATIENT] has a Baker cyst."
    assert cleaned("It may be so; May was told.", known) == "It may be so; [PATIENT] was told."
    known = KnownIdentifiers(names=("Klein^Otto",))
    assert cleaned("Herr Klein, klein gewachsen", known) == "Herr [PATIENT], klein gewachsen"


def test_records_that_hold_words_and_years_take_none_away() -> None:
    known = KnownIdentifiers(
        people=("CT", "RADIOLOGY", "Head^Tech"), ids=("2021", "1"), institutions=("Hospital",)
    )
    text = "CT was performed. Head and neck. Seen in the Hospital, TE 90, TR 2021 ms."
    assert cleaned(text, known) == text
    assert cleaned("CT 12.03.2021", known) == "CT [MOVED 06.02.2020]"


def test_one_person_is_one_surrogate_in_every_text_of_a_patient() -> None:
    first = clean_text("Dr. Anna Kowalczyk; Kowalczyk agrees. Dr. Lindner", NOTHING, CONTEXT).text
    numbers = re.findall(r"\[NAME (\d{5})\]", first)
    assert numbers[0] == numbers[1] != numbers[2]
    again = clean_text("signed by KOWALCZYK", NOTHING, CONTEXT).text
    assert re.findall(r"\[NAME (\d{5})\]", again) == numbers[:1]
    other = dataclasses.replace(CONTEXT, patient=Patient(patient_id="OTHER"))
    assert numbers[0] not in clean_text("Dr. Kowalczyk", NOTHING, other).text


def test_what_only_looks_moved_is_not_kept() -> None:
    assert "Kowalczyk" not in cleaned("[MOVED Dr. Kowalczyk]")
    assert cleaned("[MOVED 06.02.2020]") == "[MOVED 06.02.2020]"


def test_spans_lead_from_one_text_to_the_other() -> None:
    text = "Dr. Kowalczyk saw Mrs. Müller on 12.03.2021."
    result = clean_text(text, KNOWN, CONTEXT)
    assert result.counts == {"date": 1, "name": 1, "patient": 1}
    assert [text[each.offset : each.offset + each.length] for each in result.spans] == [
        *("Kowalczyk", "Müller", "12.03.2021"),
    ]
    after = [
        result.text[each.cleaned_offset : each.cleaned_offset + each.cleaned_length]
        for each in result.spans
    ]
    assert after[1:] == ["[PATIENT]", "[MOVED 06.02.2020]"]
    assert re.fullmatch(r"\[NAME \d{5}\]", after[0])


def test_languages_are_files_and_an_unknown_one_is_named() -> None:
    only = clean_text("am 12. März 2021", NOTHING, CONTEXT, languages=("german",)).text
    assert only == "am [MOVED 6. Februar 2020]"
    with pytest.raises(UnknownName, match="latin"):
        clean_text("", NOTHING, CONTEXT, languages=("latin",))


@settings(deadline=None, max_examples=200)
@given(text=st.text(max_size=120))
def test_no_text_makes_it_fail(text: str) -> None:
    result = clean_text(text, KNOWN, CONTEXT)
    assert clean_text(result.text, KNOWN, CONTEXT).text == result.text


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "A", "1", "1.", "1 ", "Aa ", "A-", "A. ", "@", "a@a.", "Dr. ", "cc: ", "\n", "((("),
        *(
            "12.03.",
            "St. ",
            "Klinik ",
            "signed by ",
            "[MOVED ",
            "+49 ",
            "Müller ",
            "Mü-\n",
            "\u0301",
        ),
    ],
)
def test_hostile_text_takes_linear_time(unit: str) -> None:
    clean_text("warm", KNOWN, CONTEXT)
    text = (unit * LONGEST)[:LONGEST]
    started = time.process_time()
    clean_text(text, KNOWN, CONTEXT)
    assert time.process_time() - started < 4


def test_a_text_beyond_every_report_goes_at_once() -> None:
    text = "Dr. Müller " * 100_000
    started = time.process_time()
    assert clean_text(text, KNOWN, CONTEXT).text == TOO_LONG
    assert clean_text(TOO_LONG, KNOWN, CONTEXT).text == TOO_LONG
    assert time.process_time() - started < 2


def test_noise_of_any_characters_is_cleaned() -> None:
    chance = random.Random(1)  # noqa: S311 - repeatable
    text = "".join(
        chr(chance.choice((chance.randrange(128), chance.randrange(0xD800)))) for _ in range(20_000)
    )
    assert isinstance(clean_text(text + "\ud800\x00", KNOWN, CONTEXT), CleanedText)


def test_thousand_reports_lose_their_identifiers_and_keep_their_words() -> None:
    reports = judging_reports(1000)
    results = [(each, clean_text(each.text, each.record, CONTEXT)) for each in reports]
    score = score_of(results)
    assert score.planted.total() > 14_000
    assert score.recall(is_known=True) >= 0.99
    assert score.recall(is_known=False) >= 0.95
    assert score.words_kept >= 0.99
    for report, result in results:
        assert rebuilt(report, result) == report.text
    for report, result in results[::10]:
        assert clean_text(result.text, report.record, CONTEXT).text == result.text


def test_reports_of_the_tuning_set_do_as_well() -> None:
    reports = tuning_reports(100)
    score = score_of((each, clean_text(each.text, each.record, CONTEXT)) for each in reports)
    assert score.recall(is_known=True) >= 0.99
    assert score.recall(is_known=False) >= 0.95
    assert score.words_kept >= 0.99
