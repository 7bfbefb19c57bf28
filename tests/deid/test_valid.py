"""Validity (D5): dciodvfy finds no error in what left that it did not find in what came."""

import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from sightline.deid.door import pass_door
from sightline.deid.quarantine import RELEASABLE
from sightline.deid.vault import Vault
from sightline.values.study import IdentifiedStudy
from tests.deid.full_objects import fill
from tests.deid.kinds import copied, objects
from tests.deid.studies import content_of, dicom_files, general, study_in
from tests.deid.test_door import seen_by_a_person
from tests.instances import part10_of
from tests.verification import Checked, checked

# Where Table E.1-1 itself asks for what PS3.3 does not allow: it removes a responsible person, whom
# an animal must have (Type 2C), and the number of an approval, but not the committee beside it.
CONTRADICTIONS = (
    "ResponsiblePerson(0010,2297)",
    "ResponsibleOrganization(0010,2299)",
    "ClinicalTrialProtocolEthicsCommitteeName(0012,0081)",
)
_ATTRIBUTE = re.compile(r"Error - </(?:.*/)?(\w+\([0-9a-f]{4},[0-9a-f]{4}\))")


@dataclasses.dataclass
class Found:
    """What the checker said of a set of files.

    Attributes:
        files: how many of each object definition were compared.
        new: errors of outputs beyond those of their inputs.
    """

    files: Counter[str] = dataclasses.field(default_factory=Counter)
    new: Counter[str] = dataclasses.field(default_factory=Counter)

    def compare(self, before: bytes, after: bytes) -> None:
        given, left = checked(before), checked(after)
        assert left.iod == given.iod
        if given.iod:
            self.files[given.iod] += 1
            self.new += _counted(left) - _counted(given)


def _counted(found: Checked) -> Counter[str]:
    return Counter(line for error in found.errors for line in general([error]))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    return list(objects(tmp_path_factory.mktemp("kinds") / "in"))


def as_made(dataset: Dataset) -> bytes:
    return part10_of(copied(dataset), ExplicitVRLittleEndian)


def implicit(dataset: Dataset) -> bytes:
    return part10_of(copied(dataset), ImplicitVRLittleEndian)


def full(dataset: Dataset) -> bytes:
    """Write it with all that its definition allows: thousands of attributes."""
    filled = copied(dataset)
    assert fill(filled) > 2000
    return part10_of(filled, ExplicitVRLittleEndian)


def passed_and_compared(
    contents: Iterable[bytes], folder: Path, pass_: Callable[[IdentifiedStudy], bytes]
) -> Found:
    found = Found()
    for content in contents:
        path = folder / "given.dcm"
        path.write_bytes(content)
        found.compare(content, pass_(seen_by_a_person(study_in([path]))))
    return found


def test_no_object_has_a_new_error(made: list[Dataset], tmp_path: Path, vault: Vault) -> None:
    contents = (way(each) for each in made for way in (as_made, implicit, full))
    found = passed_and_compared(
        contents, tmp_path, lambda study: content_of(pass_door(study, vault))
    )
    attributes = {line: match[1] for line in found.new if (match := _ATTRIBUTE.match(line))}
    assert [line for line in found.new if attributes.get(line) not in CONTRADICTIONS] == []
    assert found.files.total() >= 60
    assert len(found.files) >= 20
    assert found.files.total() == 3 * len(made)


def test_the_checker_sees_what_a_door_could_break(made: list[Dataset], tmp_path: Path) -> None:
    """A door that empties what must not be empty shows in each kind of object."""

    def empty(study: IdentifiedStudy) -> bytes:
        broken = copied(
            next(each for each in made if each.SOPInstanceUID == study.instances[0].uid)
        )
        broken.Modality, broken.StudyInstanceUID = "", ""
        return part10_of(broken)

    found = passed_and_compared(map(as_made, made), tmp_path, empty)
    assert found.new.total() >= 2 * len(made)


def test_real_pictures_that_a_person_released_have_no_new_error(
    test_data: Path, vault: Vault
) -> None:
    found, held = Found(), Counter[str]()
    for path in dicom_files(test_data / "dicom"):
        study = seen_by_a_person(study_in([path]))
        passage = pass_door(study, vault)
        held.update(each.reason for each in passage.held)
        if passage.study is not None:
            found.compare(path.read_bytes(), passage.study.instances[0].content)
    assert found.new == Counter()
    assert found.files.total() >= 350
    assert len(found.files) >= 12
    assert not held.keys() & RELEASABLE
