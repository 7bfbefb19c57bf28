"""Codes of class names: never a wrong meaning, and none that the standard does not know."""

import pytest
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from sightline.formats.class_codes import CODED_NAMES, PRIVATE_SCHEME, meaning_of


def _is_standard(code: Code) -> bool:
    scheme = getattr(codes, code.scheme_designator)
    return any(getattr(scheme, name) == code for name in scheme.dir())


@pytest.mark.parametrize("name", sorted(CODED_NAMES))
def test_every_code_stands_in_the_standard(name: str) -> None:
    meaning = meaning_of(name)
    assert meaning.kind.scheme_designator in {"SCT", "DCM"}
    assert _is_standard(meaning.kind)
    assert _is_standard(meaning.category)


@pytest.mark.parametrize(
    ("name", "kind", "modifier"),
    [
        ("Ground Glass", "Ground glass opacity", None),
        ("ground-glass", "Ground glass opacity", None),
        ("lesions", "Lesion", None),
        ("anterior", "Hippocampus", "Anterior"),
        ("hippocampus_posterior", "Hippocampus", "Posterior"),
        ("left_kidney", "Kidney", "Left"),
        ("lung_right", "Lung", "Right"),
    ],
)
def test_spellings_and_sides(name: str, kind: str, modifier: str | None) -> None:
    meaning = meaning_of(name)
    assert meaning.kind.meaning == kind
    assert (meaning.modifier and meaning.modifier.meaning) == modifier


@pytest.mark.parametrize("name", ["class_7", "left", "right_of_something", "x" * 80])
def test_unknown_names_keep_their_own_meaning(name: str) -> None:
    meaning = meaning_of(name)
    assert meaning.category.meaning == "Tissue"
    assert meaning.kind.scheme_designator == PRIVATE_SCHEME
    assert len(meaning.kind.value) <= 16
    assert meaning.kind.meaning == name[:64]
