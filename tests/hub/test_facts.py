"""Facts of series come from what passed the door."""

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO

from sightline.hub.admission import admit
from sightline.hub.facts import count_by_scanner, facts_of
from sightline.hub.hub import Hub
from sightline.hub.withdrawal import instances_of_series, withdraw
from sightline.values.evaluation import Facts
from sightline.values.study import DeidentifiedStudy
from tests.hubs import study_of


def with_header(study: DeidentifiedStudy, **values: str) -> DeidentifiedStudy:
    """Give every image of a study some attributes."""
    instances = []
    for each in study.instances:
        dataset = pydicom.dcmread(DicomBytesIO(each.content))
        for name, value in values.items():
            setattr(dataset, name, value)
        buffer = DicomBytesIO()
        dataset.save_as(buffer)
        instances.append(type(each)(**{**_fields(each), "content": buffer.getvalue()}))
    return type(study)(
        uid=study.uid,
        subject_id=study.subject_id,
        instances=tuple(instances),
        certificate=study.certificate,
    )


def _fields(instance: object) -> dict[str, object]:
    return {name: getattr(instance, name) for name in instance.__dataclass_fields__}  # type: ignore[attr-defined]


@pytest.fixture
def told(hub: Hub, tmp_path: Path) -> Hub:
    study = with_header(
        study_of(1, tmp_path),
        ManufacturerModelName="One",
        ConvolutionKernel="B30f",
        PatientSex="F",
        PatientAge="061Y",
        InstitutionName="North",
    )
    admit(hub, study)
    return hub


def test_scanner_kernel_site_sex_and_age(told: Hub) -> None:
    assert facts_of(told, ["2.25.1001.1"]) == {
        "2.25.1001.1": Facts(
            manufacturer="Alpha", model="One", kernel="B30f", site="North", sex="F", age_years=61.0
        )
    }


def test_what_did_not_pass_is_empty(hub: Hub, fill: Callable[..., None]) -> None:
    fill(2, manufacturer="Beta")
    assert facts_of(hub, ["2.25.1002.1"]) == {"2.25.1002.1": Facts(manufacturer="Beta")}


def test_a_series_of_which_nothing_counts_has_none(told: Hub) -> None:
    instances = instances_of_series(told, "2.25.1001.1")
    withdraw(told, dict.fromkeys(instances, "consent withdrawn"))
    assert facts_of(told, ["2.25.1001.1", "2.25.99"]) == {}
    assert facts_of(told, []) == {}


def test_subjects_are_counted_by_scanner(told: Hub, fill: Callable[..., None]) -> None:
    fill(2, 3, manufacturer="Beta")
    counted = count_by_scanner(told, ["2.25.1001.1", "2.25.1002.1", "2.25.1003.1"])
    assert list(counted.items()) == [("Beta", 2), ("Alpha One", 1)]
