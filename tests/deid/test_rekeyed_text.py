"""Cleaned text under the names of a project: nothing in it joins two releases."""

import datetime as dt
import re

import pytest

from sightline.deid.attributes import Attribute, facts
from sightline.deid.contract import Context, context_of
from sightline.deid.free_text import clean_text
from sightline.deid.profile import load_profile
from sightline.deid.projects import open_project
from sightline.deid.rekeyed_text import rekey
from sightline.deid.vault import Vault
from sightline.values.identity import Patient
from tests.deid.reports.tuning import tuning_reports

SUBJECT = Patient(patient_id="S-AAAAAAAAAA")
NAME = re.compile(r"\[NAME (\d{5})\]")
MOVED = re.compile(r"\[MOVED ([^\]]+)\]")
TEXT_VALUE, SERIES_DESCRIPTION = 0x0040A160, 0x0008103E
TEXT = (
    "Seen by Dr. [NAME 04711] on [MOVED 2020-02-06], by [NAME 00001] on [MOVED 9 February 2020] "
    "and in [MOVED March 2020]; [PATIENT] since [MOVED 2019]. Again Dr. [NAME 04711]."
)


@pytest.fixture
def projects(vault: Vault) -> list[Context]:
    profile = load_profile("hub")
    return [context_of(SUBJECT, open_project(vault, name), profile) for name in ("one", "two")]


def rekeyed(text: str, context: Context, tag: int = TEXT_VALUE) -> str:
    attribute: Attribute = facts()[tag]
    return rekey(text.encode(), attribute, context).decode()


def test_names_and_dates_are_others_in_each_project(projects: list[Context]) -> None:
    one, two = (rekeyed(TEXT, each) for each in projects)
    names = [NAME.findall(each) for each in (TEXT, one, two)]
    assert not set(names[0]) & set(names[1])
    assert not set(names[1]) & set(names[2])
    for first, second, third in names:
        assert first == third != second  # the same person stays the same person
    assert NAME.sub("", TEXT).split("[MOVED")[0] == NAME.sub("", one).split("[MOVED")[0]
    assert one.count("[MOVED ") == two.count("[MOVED ") == 4
    for day in ("2020-02-06", "9 February 2020"):
        assert day not in one
        assert day not in two
    assert rekeyed(TEXT, projects[0]) == one


def test_dates_move_as_all_dates_of_the_project(projects: list[Context]) -> None:
    for context in projects:
        (moved,) = re.findall(r"\[MOVED (\d{4}-\d\d-\d\d)\]", rekeyed(TEXT, context))
        days = dt.date(2020, 2, 6) - dt.date.fromisoformat(moved)
        assert days.days == context.offset_days


def test_a_text_without_surrogates_stays_byte_for_byte(projects: list[Context]) -> None:
    for text in ("8 mm nodule, 2020-02-06", "größenkonstant [PATIENT] [ID] [DATE]", ""):
        assert rekeyed(text, projects[0]) == text


def test_what_outgrows_its_value_tells_no_date(projects: list[Context]) -> None:
    text = f"{'x' * 45} [MOVED 6 May 2020]"
    assert len(text) == 64
    after = rekeyed(text, projects[0], SERIES_DESCRIPTION)
    assert len(after) <= 64
    assert "May 2020" not in after


def test_every_date_that_cleaning_moves_can_be_moved_again(
    vault: Vault, projects: list[Context]
) -> None:
    first = context_of(Patient(patient_id="1"), vault, load_profile("hub"))
    moved = 0
    for report in tuning_reports(60):
        cleaned = clean_text(report.text, report.record, first).text
        before, after = (MOVED.findall(each) for each in (cleaned, rekeyed(cleaned, projects[0])))
        assert len(after) == len(before)  # none had to give way to [DATE]
        assert not [one for one, two in zip(before, after, strict=True) if one == two]
        moved += len(after)
    assert moved > 200
