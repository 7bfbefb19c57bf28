"""References (D4): what one object says of another still finds it, and no original UID is left."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, UID_dictionary

from sightline.archive.receiving import keep
from sightline.deid.attributes import Attribute, facts, storage_classes, table_rows
from sightline.deid.door import pass_door
from sightline.deid.folder import deidentify_folder
from sightline.deid.projects import open_project
from sightline.deid.rekeying import Rekeying
from sightline.deid.releasing import Order, release
from sightline.deid.study_files import read_studies
from sightline.deid.vault import Vault
from sightline.hub.collections import Criteria, make_version
from sightline.values.arrival import Source
from sightline.values.identity import HubInstanceUid, StudyUid
from sightline.values.study import DeidentifiedStudy
from tests.deid.house import ANNA, House, house
from tests.deid.referring import write_referring
from tests.deid.studies import content_of, read, study_in, written
from tests.instances import ROOT, SERIES, STUDY, part10_of, slice_of, uid

__all__ = ["house"]

KINDS = {
    *("CT", "PT", "SEG", "SR", "KO", "PR", "RTSTRUCT", "RTDOSE", "RTPLAN", "REG"),
    "OT",  # parametric map
}
LEVELS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
CLASSES = ("lesion", "lung")
FULL_PATIENTS, FULL_VISITS = 12, 4
# Sequences and UIDs beyond the table that do not leave as they are: who gave out a number, how a
# code is named elsewhere, what was encrypted or done before; and documents, which the door holds.
NO_REFERENCES = {
    *("IssuerOfAccessionNumberSequence", "IssuerOfPatientIDQualifiersSequence"),
    *("SourcePatientGroupIdentificationSequence", "GroupOfPatientsIdentificationSequence"),
    *("CodingSchemeIdentificationSequence", "EquivalentCodeSequence", "ContextUID"),
    *("MappingResourceUID", "ContextGroupExtensionCreatorUID"),
    *("MappingResourceIdentificationSequence", "ContextGroupIdentificationSequence"),
    *("OrderPlacerIdentifierSequence", "OrderFillerIdentifierSequence"),
    *("HL7StructuredDocumentReferenceSequence", "PrivateDataElementCharacteristicsSequence"),
    *("EncryptedAttributesSequence", "MACParametersSequence"),
    "DeidentificationMethodCodeSequence",
}
NAMING = ("ReferencedSOPInstanceUID", *LEVELS)
Place: TypeAlias = tuple[str | int, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A file and what it became."""

    before: Dataset
    after: Dataset


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What became of the UIDs of a set of objects.

    Attributes:
        references: how many named an instance, series, study or frame of reference of the set,
            by kind of object; the names that these bear themselves are not counted.
        removed: how many of them are gone with an attribute that the table removes, by attribute.
        broken: all others that do not name what they named: kind, place.
        ambiguous: originals that became two UIDs, and UIDs that two originals became.
        unknown: UIDs of the outputs at places where the input has none.
    """

    references: Counter[str]
    removed: Counter[str]
    broken: list[tuple[str, Place]]
    ambiguous: list[str]
    unknown: list[tuple[str, Place]]


def uids_in(dataset: Dataset, place: Place = ()) -> Iterator[tuple[Place, str]]:
    """Walk every element of VR UI at every depth, but those that the standard itself names."""
    for element in dataset:
        here = (*place, int(element.tag))
        if element.VR == "SQ":
            for number, item in enumerate(element.value):
                yield from uids_in(item, (*here, number))
        elif element.VR == "UI" and element.value:
            values = [element.value] if isinstance(element.value, str) else element.value
            for number, value in enumerate(values):
                if not is_standard(str(value)):
                    yield (*here, number), str(value)


def is_standard(value: str) -> bool:
    return value in UID_dictionary or value in storage_classes()


def resolved(pairs: Sequence[Pair]) -> Resolved:
    """Hold what the outputs say of each other against what the inputs say of each other."""
    named = {
        str(pair.before[level].value): str(pair.after[level].value)
        for pair in pairs
        for level in LEVELS
        if level in pair.before
    }
    counts = {"references": Counter[str](), "removed": Counter[str]()}
    found = Resolved(**counts, broken=[], ambiguous=[], unknown=[])
    became: dict[str, str] = {}
    for pair in pairs:
        kind = str(pair.before.Modality)
        before, after = dict(uids_in(pair.before)), dict(uids_in(pair.after))
        found.unknown.extend((kind, place) for place in after.keys() - before.keys())
        for place, original in before.items():
            is_own = len(place) == 2 and any(_tag(level) == place[0] for level in LEVELS)
            found.references[kind] += original in named and not is_own
            removed = [] if place in after else [tag for tag in place if _is_removed(tag)]
            found.removed.update(facts()[tag].keyword for tag in removed[-1:])
            if original in named and after.get(place) != named[original] and not removed:
                found.broken.append((kind, place))
            if place in after and became.setdefault(original, after[place]) != after[place]:
                found.ambiguous.append(original)
    twice = [value for value, count in Counter(became.values()).items() if count > 1]
    found.ambiguous.extend(twice)
    return found


def _is_removed(tag: int) -> bool:
    """Tell whether the table lets an attribute go; numbers of items and values have no row."""
    row = table_rows().get(tag)
    return row is not None and row.action in {"X", "X/Z", "Z"}


def _tag(keyword: str) -> int:
    return int(pydicom.tag.Tag(keyword))


def uids_of(contents: Iterable[bytes]) -> set[bytes]:
    return {value.encode() for content in contents for _, value in uids_in(read(content))}


def survivors(uids: Iterable[bytes], contents: Iterable[bytes]) -> list[bytes]:
    """List the UIDs that stand anywhere in the bytes, as they are or in UTF-16."""
    everything = b"\n".join(contents)
    return [
        value
        for value in sorted(uids)
        if value in everything or value.decode().encode("utf-16-le") in everything
    ]


def assert_all_resolve(pairs: Sequence[Pair], *, at_least: int) -> None:
    found = resolved(pairs)
    assert found.broken == []
    assert set(found.removed) == {"ReferencedStudySequence"}
    assert found.removed.total() < found.references.total() / 50
    assert found.ambiguous == []
    assert found.unknown == []
    assert found.references.total() >= at_least
    assert {str(pair.before.Modality) for pair in pairs} == KINDS
    assert {kind for kind, count in found.references.items() if count} == KINDS - {"PT"}


def paired(source: Path, contents: Iterable[bytes], name_of: Callable[[str], str]) -> list[Pair]:
    """Put each file beside what became of it; none is missing, none is new."""
    after = {str(dataset.SOPInstanceUID): dataset for dataset in map(read, contents)}
    before = [pydicom.dcmread(path) for path in sorted(source.iterdir())]
    pairs = [Pair(before=each, after=after[name_of(each.SOPInstanceUID)]) for each in before]
    assert len(after) == len(pairs)
    return pairs


def through_the_door(source: Path, vault: Vault) -> list[DeidentifiedStudy]:
    studies, not_dicom = read_studies(sorted(source.iterdir()))
    assert not_dicom == []
    passages = [pass_door(study, vault) for study in studies]
    assert [each.held for each in passages] == [()] * len(studies)
    return [each.study for each in passages if each.study is not None]


def by_the_door(source: Path, vault: Vault) -> tuple[list[Pair], list[bytes]]:
    contents = [
        instance.content
        for study in through_the_door(source, vault)
        for instance in study.instances
    ]
    return paired(source, contents, vault.uid), contents


def by_the_folder_tool(source: Path, vault: Vault) -> tuple[list[Pair], list[bytes]]:
    out = source.parent / "out"
    passage = deidentify_folder(source, out, vault, processes=2)
    assert (passage.held, passage.not_dicom) == ((), ())
    contents = [path.read_bytes() for path in sorted(out.rglob("*.dcm"))]
    names = [str(path.relative_to(out)).encode() for path in out.rglob("*")]
    beside = [path.read_bytes() for path in out.rglob("*.json")]
    assert beside
    return paired(source, contents, vault.uid), [*contents, *names, *beside]


def by_a_project(source: Path, vault: Vault) -> tuple[list[Pair], list[bytes]]:
    names = Rekeying(open_project(vault, "trial-7"))
    contents: list[bytes] = []
    for study in through_the_door(source, vault):
        hub = [each.content for each in study.instances]
        given = [names.content(content, study.subject_id) for content in hub]
        assert survivors(uids_of(hub), given) == []
        contents += given
    pairs = paired(source, contents, lambda uid: names.instance(HubInstanceUid(vault.uid(uid))))
    return pairs, contents


WAYS = (by_the_door, by_the_folder_tool, by_a_project)
Way: TypeAlias = Callable[[Path, Vault], tuple[list[Pair], list[bytes]]]


@pytest.mark.parametrize("way", WAYS)
def test_every_reference_resolves(tmp_path: Path, vault: Vault, way: Way) -> None:
    source = write_referring(tmp_path / "in", patients=1)
    pairs, contents = way(source, vault)
    assert_all_resolve(pairs, at_least=400)
    assert survivors(uids_of(path.read_bytes() for path in source.iterdir()), contents) == []


@pytest.mark.gate
@pytest.mark.parametrize("way", WAYS)
def test_every_reference_resolves_in_many_studies(tmp_path: Path, vault: Vault, way: Way) -> None:
    source = write_referring(tmp_path / "in", patients=FULL_PATIENTS, visits=FULL_VISITS)
    pairs, contents = way(source, vault)
    assert_all_resolve(pairs, at_least=10_000)
    assert survivors(uids_of(path.read_bytes() for path in source.iterdir()), contents) == []


def test_a_broken_reference_shows(tmp_path: Path, vault: Vault) -> None:
    source = write_referring(tmp_path / "in", patients=1)
    pairs, _ = by_the_door(source, vault)
    report = next(pair.after for pair in pairs if pair.after.Modality == "SR")
    cited = next(each for each in report.iterall() if each.keyword == "ReferencedSOPInstanceUID")
    cited.value = report.SOPInstanceUID
    assert len(resolved(pairs).broken) == 1


def test_a_later_study_still_refers_to_the_earlier_one(tmp_path: Path, vault: Vault) -> None:
    source = write_referring(tmp_path / "in", patients=1)
    pairs, _ = by_the_door(source, vault)
    later = max(pairs, key=lambda pair: str(pair.before.StudyDate)).after.StudyInstanceUID
    earlier = {
        str(pair.after.SOPInstanceUID) for pair in pairs if pair.after.StudyInstanceUID != later
    }
    kinds = {
        str(pair.after.Modality)
        for pair in pairs
        if pair.after.StudyInstanceUID == later
        and earlier & {value for _, value in uids_in(pair.after)}
    }
    assert kinds == {"CT", "SR", "KO", "PR", "REG", "RTPLAN"}


def test_a_release_resolves_within_itself(house: House, tmp_path: Path) -> None:
    source = write_referring(tmp_path / "in", patients=2)
    for path in sorted(source.iterdir()):
        keep(house.archive, path.read_bytes(), Source(name="test"))
    studies = {
        StudyUid(pydicom.dcmread(path, stop_before_pixels=True).StudyInstanceUID)
        for path in source.iterdir()
    }
    hub: set[bytes] = set()
    for uid_ in sorted(studies):
        passage = house.pass_study(uid_)
        assert (passage.held, passage.study is None) == ((), False)
        hub |= uids_of(each.content for each in passage.study.instances) if passage.study else set()
    chosen = make_version(house.hub, "lesions", Criteria(classes=CLASSES))
    out = tmp_path / "out"
    order = Order(chosen=chosen, folder=out, project="trial-7", is_public=False)
    done = release(house.book, house.hub, order, occasion=ANNA, on_progress=lambda _: None)
    contents = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
    contents += [str(path.relative_to(out)).encode() for path in out.rglob("*")]
    objects = [pydicom.dcmread(path) for path in out.rglob("*.dcm")]
    assert len(objects) == done.instances
    given = uids_of(path.read_bytes() for path in source.iterdir())
    assert survivors(given | hub, contents) == []
    # What a mask names is its images, and they left with it.
    masks = [each for each in objects if each.Modality == "SEG"]
    assert len(masks) == len(studies)
    there = {str(each[level].value) for each in objects for level in LEVELS if level in each}
    for mask in masks:
        named = {value for place, value in uids_in(mask) if place[-2] in map(_tag, NAMING)}
        assert named
        assert named <= there


def test_every_sequence_that_may_pass_keeps_its_references(tmp_path: Path, vault: Vault) -> None:
    """Each attribute that no row of the table removes, in an image that refers from all of them."""
    image = slice_of(1)
    sequences = [
        tag for tag, each in facts().items() if each.vr == "SQ" and tag not in table_rows()
    ]
    for tag in sequences:
        image.add_new(tag, "SQ", [_references()])
    single = [tag for tag, each in facts().items() if _is_name(tag, each, image)]
    for tag in single:
        image.add_new(tag, "UI", uid(2))
    path = written(tmp_path / "image.dcm", part10_of(image))
    content = content_of(pass_door(study_in([path]), vault))
    before, after = dict(uids_in(image)), dict(uids_in(read(content)))
    lost = {place for place, value in before.items() if after.get(place) != vault.uid(value)}
    assert {facts()[place[0]].keyword for place in lost} == NO_REFERENCES
    assert len(before) - len(lost) >= 2300
    assert survivors(map(str.encode, before.values()), [content]) == []


def _is_name(tag: int, fact: Attribute, image: Dataset) -> bool:
    is_uid = fact.vr == "UI" and "Class" not in fact.keyword and "Syntax" not in fact.keyword
    return is_uid and tag >> 16 not in {0x0000, 0x0004} and tag not in image


def _references() -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, uid(2)
    item.StudyInstanceUID, item.SeriesInstanceUID = STUDY, SERIES
    item.FrameOfReferenceUID = item.ReferencedFrameOfReferenceUID = f"{ROOT}.9"
    return item
