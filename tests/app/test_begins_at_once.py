"""A study whose model is resident is looked at as soon as it is known to be complete."""

import datetime as dt
import re
import statistics
from pathlib import Path

import pytest

from tests.app.conftest import Sightline

STUDIES, MOST_S = 8, 0.1
_COMPLETE = re.compile(r"(\S+Z) .*study_complete .*study=(\S+)")
_BEGINS = re.compile(r"(\S+Z) .*prediction_begins .*study=(\S+)")


@pytest.mark.gate
def test_the_next_study_begins_within_a_tenth_of_a_second(
    sightline_with_model: Sightline, tmp_path: Path
) -> None:
    there = len(sightline_with_model.run("studies").splitlines())
    sightline_with_model.start()
    for number in range(STUDIES):
        folder = tmp_path / str(number)
        first = ("--first", str(100 + number), "--patients", "1", "--size", "tiny")
        sightline_with_model.run("phantoms", "chest", str(folder), *first)
        sightline_with_model.run("send", sightline_with_model.destination, str(folder / "dicom"))
        sightline_with_model.run("wait", "--studies", str(there + number + 1))
    complete, begins = (_moments(pattern, sightline_with_model) for pattern in (_COMPLETE, _BEGINS))
    assert len(begins) == STUDIES
    waited = [(begins[study] - complete[study]).total_seconds() for study in begins]
    # The first one waits for the weights, too.
    assert statistics.median(waited[1:]) < MOST_S, waited
    assert min(waited) > 0


def _moments(pattern: re.Pattern[str], sightline: Sightline) -> dict[str, dt.datetime]:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", sightline.log())
    return {study: dt.datetime.fromisoformat(when) for when, study in pattern.findall(plain)}
