"""A live model gets the series its recipe accepts; for each other there is a reason."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sightline.archive.archive import Archive
from sightline.archive.receiving import keep
from sightline.archive.studies import SeriesFacts
from sightline.hub.collections import Criteria, make_version
from sightline.hub.hub import Hub
from sightline.serve.routing import refusal, route
from sightline.values.acquisition import Acquisition
from sightline.values.arrival import Source
from sightline.values.identity import Digest, SeriesUid, StudyUid
from sightline.values.recipe import Accepts
from tests.hubs import CLASSES, add_trained
from tests.instances import STUDY, part10_of, slice_of

CHEST = Accepts(modality="CT", body_part=["CHEST", "THORAX"], description_words=["thin", "lung"])


def _series(modality: str, body_part: str, description: str) -> SeriesFacts:
    return SeriesFacts(
        uid=SeriesUid("2.25.1"),
        modality=modality,
        description=description,
        body_part=body_part,
        instances=40,
    )


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (_series("CT", "Chest", "LUNG 1.0"), ""),
        (_series("CT", "THORAX", "axial Thin"), ""),
        (_series("MR", "CHEST", "thin"), "modality is MR, not CT"),
        (_series("SEG", "", ""), "modality is SEG, not CT"),
        (_series("CT", "", "thin"), "body part is not given"),
        (_series("CT", "ABDOMEN", "thin"), "body part is ABDOMEN"),
        (_series("CT", "CHEST", "topogram"), "the description has none of the recipe's words"),
    ],
)
def test_series_are_accepted_or_refused_for_a_reason(series: SeriesFacts, why: str) -> None:
    assert refusal(CHEST, series, Acquisition()) == why


def test_a_recipe_that_asks_only_for_a_modality_takes_all_of_it() -> None:
    assert refusal(Accepts(modality="MR"), _series("MR", "", ""), Acquisition()) == ""


THIN = Acquisition(
    image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
    orientation="axial",
    kernel="Br59d",
    contrast="",
    thickness_mm=1.0,
    order="CT Thorax nativ",
)


@pytest.mark.parametrize(
    ("asked", "acquired", "why"),
    [
        ({}, {"image_type": ("ORIGINAL", "PRIMARY", "LOCALIZER")}, "it is a scout"),
        ({"without_words": ["mip", "lung"]}, {}, "the description has 'lung'"),
        ({"order_words": ["thorax"]}, {}, ""),
        ({"order_words": ["abdomen"]}, {}, "the order has none of the recipe's words"),
        ({"orientation": ["axial"]}, {}, ""),
        ({"orientation": ["axial"]}, {"orientation": "coronal"}, "orientation is coronal"),
        ({"orientation": ["axial"]}, {"orientation": None}, "orientation is not given"),
        ({"kernels": ["b", "LUNG"]}, {}, ""),
        ({"kernels": ["LUNG"]}, {"kernel": ""}, "kernel is not given"),
        ({"kernels": ["LUNG"]}, {}, "kernel is Br59d"),
        ({"contrast": "without"}, {}, ""),
        ({"contrast": "with"}, {}, "contrast agent is not given"),
        ({"contrast": "without"}, {"contrast": "Iohexol"}, "contrast agent is Iohexol"),
        ({"max_slice_thickness_mm": 1.0}, {}, ""),
        (
            {"max_slice_thickness_mm": 0.8},
            {},
            "slice thickness is 1 mm; at most 0.8 mm are taken",
        ),
        (
            {"max_slice_thickness_mm": 3},
            {"thickness_mm": None},
            "slice thickness is not given; at most 3 mm are taken",
        ),
    ],
)
def test_how_a_series_was_acquired_decides_too(
    asked: dict[str, Any], acquired: dict[str, Any], why: str
) -> None:
    named = {name: getattr(THIN, name) for name in THIN.__slots__} | acquired
    series = _series("CT", "CHEST", "Thorax LUNG 1.0")
    assert refusal(Accepts(**asked), series, Acquisition(**named)) == why


def test_what_a_study_holds_is_read_from_its_instances(
    tmp_path: Path, hub: Hub, fill: Callable[..., None]
) -> None:
    archive = Archive.at(tmp_path / "archive")
    scout = {
        "SeriesInstanceUID": f"{STUDY}.7",
        "SOPInstanceUID": f"{STUDY}.7.1",
        "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        "BodyPartExamined": "CHEST",
    }
    keep(archive, part10_of(slice_of(99, **scout)), Source(name="test"))
    for number in range(1, 10):
        axial = slice_of(number, BodyPartExamined="CHEST", SeriesDescription="axial")
        keep(archive, part10_of(axial), Source(name="test"))
    fill(1)
    learned = make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES))
    candidate = add_trained(hub, "chest", collection=learned.label)
    assert route(archive, hub, StudyUid(STUDY)) == []
    found = route(archive, hub, StudyUid(STUDY), chosen=[candidate])
    assert {(each.description, each.refusal) for each in found} == {
        ("axial", ""),
        ("", "it is a scout"),
    }


def test_a_series_that_cannot_be_read_goes_to_nobody_and_the_others_go_on(
    tmp_path: Path, hub: Hub, fill: Callable[..., None]
) -> None:
    archive = Archive.at(tmp_path / "archive")
    names = {"SeriesInstanceUID": f"{STUDY}.7", "SOPInstanceUID": f"{STUDY}.7.1"}
    broken = part10_of(slice_of(99, **names))
    keep(archive, broken, Source(name="test"))
    for number in range(1, 10):
        axial = slice_of(number, BodyPartExamined="CHEST", SeriesDescription="axial")
        keep(archive, part10_of(axial), Source(name="test"))
    path = archive.objects.blobs.path(Digest(hashlib.sha256(broken).hexdigest()))
    assert path is not None
    path.unlink()
    fill(1)
    learned = make_version(hub, "chest", Criteria(modality="CT", classes=CLASSES))
    candidate = add_trained(hub, "chest", collection=learned.label)
    found = {
        each.description: each.refusal
        for each in route(archive, hub, StudyUid(STUDY), chosen=[candidate])
    }
    assert found["axial"] == ""
    assert found[""].startswith("its images cannot be read: ")
