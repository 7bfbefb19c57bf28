"""Damaged files full of identifiers: whatever of them passes the door names nobody (D8)."""

import functools
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

from sightline.deid.door import pass_door
from sightline.deid.quarantine import REASONS
from sightline.deid.vault import Vault
from sightline.values.identity import Patient, StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy
from tests.deid import hostile
from tests.deid.conftest import KEY, instance_of
from tests.mutants import damage

PATIENT = Patient(patient_id=hostile.PATIENT_ID, name="KANARI^VOGEL")
SYNTAXES = (hostile.EXPLICIT, hostile.IMPLICIT, hostile.DEFLATED, hostile.BIG, hostile.JPEG)
# Attributes of a hostile object, a share in each file, so that files are small and many.
SHARES = 12


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Whole files, each with some hundred identifiers among what a scanner says."""
    return tuple(_seeds())


def _seeds() -> Iterator[bytes]:
    for sop_class_uid in (hostile.CT, hostile.MR, hostile.PT):
        for share in range(SHARES):
            canaries = hostile.Canaries()
            whole = hostile.hostile(sop_class_uid, canaries)
            base = hostile.base(sop_class_uid)
            places = [tag for tag in sorted(whole) if tag not in base]
            tree = base | {tag: whole[tag] for tag in places[share::SHARES] if is_small(whole[tag])}
            tree[0x00400275] = ("SQ", [{0x00400007: ("LO", canaries.value("LO"))}])
            syntax = SYNTAXES[share % len(SYNTAXES)]
            yield hostile.part10(tree, syntax, canaries)


def is_small(element: tuple[str, hostile.Value]) -> bool:
    return not isinstance(element[1], list)


def study_of(folder: Path, content: bytes) -> IdentifiedStudy:
    names = SimpleNamespace(
        instance_uid=hostile.INSTANCE_UID,
        series_uid=hostile.SERIES_UID,
        sop_class_uid=hostile.CT,
    )
    instance: IdentifiedInstance = instance_of(folder, content, names)
    return IdentifiedStudy(
        uid=StudyUid(hostile.STUDY_UID), patient=PATIENT, revision=1, instances=(instance,)
    )


def test_nothing_of_a_damaged_file_names_anybody(tmp_path: Path) -> None:
    count = 20_000
    vault = Vault(KEY)
    ends: Counter[str] = Counter()
    for number in range(count):
        chance = random.Random(number)  # noqa: S311 - only damage is drawn
        seed = chance.choice(seeds())
        content = bytearray(seed)
        damage(content, seed, chance)
        study = study_of(tmp_path, bytes(content))
        passage = pass_door(study, vault)
        study.instances[0].read.__self__.unlink()  # type: ignore[attr-defined]
        ends.update(each.reason for each in passage.held)
        if passage.study is not None:
            ends["passed"] += 1
            assert hostile.survivors(passage.study.instances[0].content) == [], number
    assert ends.total() == count
    assert set(ends) - {"passed"} <= set(REASONS)
    # Enough of them are read on after the damage.
    assert ends["passed"] > count / 4
    assert ends["unreadable"] > count / 20
