"""What happens to each element of a file at the door, and why."""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydicom.datadict import dictionary_has_tag, keyword_for_tag

from sightline.deid.attributes import facts, sequence_tags, table_rows
from sightline.deid.contract import RULES
from sightline.deid.dataset import Element, read_file
from sightline.deid.door import pass_door
from sightline.deid.keep_list import OF_THE_DOOR, KeepList, keep_list, softened_by
from sightline.deid.known_identifiers import NOTHING_KNOWN, KnownIdentifiers
from sightline.deid.profile import Profile
from sightline.deid.study_files import read_studies
from sightline.deid.vault import Vault
from sightline.errors import NotDicom
from sightline.values.study import IdentifiedStudy

_OWN_RULES = {
    "code": "Coded concepts: kept where a known scheme has such a code, the meaning made known.",
    "pixels": "Pixels: as they came, unless text is found in them.",
    "samples": "Samples of a waveform: as they came, in a waveform alone.",
    "sequence": "Sequences: their items, cleaned.",
}
_MARKS = "marks: the door writes how the object was de-identified, and for whom"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Explained:
    """What happens to one element.

    Attributes:
        place: keywords and numbers of items that lead there, such as
            `ReferencedSeriesSequence[1].SeriesInstanceUID`.
        outcome: kept, changed, emptied, removed or added.
        why: the rule, or what keeps it from passing.
        before: the value that came, for eyes that may see it.
        after: the value that leaves.
    """

    place: str
    tag: int
    outcome: str
    why: str
    before: bytes
    after: bytes


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """What happens to one file.

    Attributes:
        held: why it is held as a whole; empty where it passes.
        elements: in the order of their tags, sequences before what they hold.
        content: the Part 10 file that leaves; empty where it is held.
    """

    held: str
    elements: tuple[Explained, ...]
    content: bytes


def explain(
    study: IdentifiedStudy,
    vault: Vault,
    profile: Profile,
    *,
    known: KnownIdentifiers = NOTHING_KNOWN,
) -> Explanation:
    """Tell what happens to each element of the first instance of a study.

    Args:
        study: as it came.
        vault: gives the names.
        profile: says what may leave.
        known: what the records know of the patient besides the study itself.

    Raises:
        NotDicom: Its bytes are no DICOM file.
        DamagedObject: They are no longer what came.
        OSError: It cannot be read.
    """
    (instance, *_) = study.instances
    first = dataclasses.replace(study, instances=(instance,))
    passage = pass_door(first, vault, profile, known=known)
    keep = keep_list(profile)
    before = read_file(instance.read(), sequence_tags()).elements
    content = passage.study.instances[0].content if passage.study else b""
    after = read_file(content, sequence_tags()).elements if content else {}
    held = f"{passage.held[0].reason}: {passage.held[0].detail}" if passage.held else ""
    elements = tuple(_compare(before, after, keep))
    return Explanation(held=held, elements=elements, content=content)


def explain_file(path: Path, vault: Vault, profile: Profile) -> Explanation:
    """Tell what happens to each element of a file.

    Raises:
        NotDicom: It is no DICOM file.
        OSError: It cannot be read.
    """
    studies, _ = read_studies([path])
    if not studies:
        raise NotDicom(f"{path.name} is no DICOM file", hint="Name one Part 10 file.")
    return explain(studies[0], vault, profile)


def _compare(
    before: Mapping[int, Element], after: Mapping[int, Element], keep: KeepList, *, within: str = ""
) -> Iterator[Explained]:
    for tag in sorted({*before, *after}):
        came, leaves = before.get(tag), after.get(tag)
        place = within + _name(tag)
        yield Explained(
            place=place,
            tag=tag,
            outcome=_outcome(came, leaves),
            why=_why(tag, keep, is_marked=came is None),
            before=bytes(came.value) if came else b"",
            after=bytes(leaves.value) if leaves else b"",
        )
        if came and leaves and came.items and leaves.items:
            pairs = zip(came.items, leaves.items, strict=False)
            for number, (item, cleaned) in enumerate(pairs, 1):
                yield from _compare(item, cleaned, keep, within=f"{place}[{number}].")


def _outcome(came: Element | None, leaves: Element | None) -> str:
    if came is None or leaves is None:
        return "added" if came is None else "removed"
    if came.items is not None:
        return "kept" if bool(came.items) == bool(leaves.items) else "emptied"
    if bytes(came.value).strip(b"\0 ") == bytes(leaves.value).strip(b"\0 "):
        return "kept"
    return "changed" if leaves.value else "emptied"


def _name(tag: int) -> str:
    known = dictionary_has_tag(tag) and keyword_for_tag(tag)
    return known or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _why(tag: int, keep: KeepList, *, is_marked: bool) -> str:
    attribute = keep.attributes.get(tag)
    if is_marked:
        return _MARKS
    if attribute is None:
        return _why_not(tag, keep.profile)
    if attribute.rule in _OWN_RULES:
        said = _OWN_RULES[attribute.rule]
    else:
        module = sys.modules[RULES.get(attribute.rule).clean.__module__]
        said = (module.__doc__ or "").splitlines()[0]
    return f"{said} {_source(tag, keep.profile)}"


def _why_not(tag: int, profile: Profile) -> str:
    if tag >> 16 & 1:
        return "private attribute"
    keyword = _name(tag)
    if keyword in OF_THE_DOOR:
        return "written by the door itself, or of no use after it"
    if keyword in profile.remove:
        return f"never passes with the profile {profile.name}"
    if tag in table_rows():
        return _source(tag, profile)
    return "no attribute that may pass: nothing says what may stand in it"


def _source(tag: int, profile: Profile) -> str:
    row = table_rows().get(tag)
    if row is None:
        return "(beyond Table E.1-1)"
    columns = softened_by(facts()[tag], row, profile) if tag in facts() else frozenset()
    by = f", softened by the option {', '.join(sorted(columns))}" if columns else ""
    return f"(Table E.1-1: {row.action}{by})".replace("_", " ")
