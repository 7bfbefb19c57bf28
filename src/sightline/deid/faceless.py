"""A study that passed the door, with the faces cleared from its heads."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable

from sightline import log
from sightline.deid.door import Passage, hold
from sightline.deid.face_removal import CLEANED, remove_faces
from sightline.deid.faces import is_head
from sightline.errors import BadFile, Refused
from sightline.values.arrival import Holding
from sightline.values.identity import Digest
from sightline.values.study import (
    Certificate,
    DeidentifiedInstance,
    DeidentifiedStudy,
    IdentifiedStudy,
)

_log = log.get("deid")
_REASON = "face_not_removed"


def without_faces(passage: Passage, study: IdentifiedStudy, name: Callable[[str], str]) -> Passage:
    """Clear the face from every series of a passage that may show one.

    A series where that is not certain is held, as a whole; the certificate counts what was done.

    Args:
        passage: of the study.
        study: as it came to the door.
        name: tells what an instance is called after the door.
    """
    if passage.study is None:
        return passage
    kept: list[DeidentifiedInstance] = []
    held: set[str] = set()
    changed = 0
    for instances in _series(passage.study):
        try:
            faceless = remove_faces(instances) if any(map(is_head, instances)) else instances
        except (BadFile, Refused) as error:
            _log.warning("face_not_removed", series=instances[0].series_uid, why=error.problem)
            held.update(each.uid for each in instances)
            continue
        pairs = zip(instances, faceless, strict=True)
        changed += sum(old.content != new.content for old, new in pairs)
        kept += faceless
    holdings = (*passage.held, *_holdings(study, name, held))
    if not kept:
        return Passage(study=None, held=holdings)
    return Passage(study=_certified(passage.study, kept, (changed, len(held))), held=holdings)


def _series(study: DeidentifiedStudy) -> list[tuple[DeidentifiedInstance, ...]]:
    series: dict[str, list[DeidentifiedInstance]] = {}
    for instance in study.instances:
        series.setdefault(instance.series_uid, []).append(instance)
    return [tuple(instances) for instances in series.values()]


def _holdings(study: IdentifiedStudy, name: Callable[[str], str], held: set[str]) -> list[Holding]:
    chosen = (each for each in study.instances if held and name(each.uid) in held)
    return [hold(study, instance, _REASON) for instance in chosen]


def _certified(
    study: DeidentifiedStudy, kept: list[DeidentifiedInstance], counts: tuple[int, int]
) -> DeidentifiedStudy:
    """Return the study with what is left of it, and the certificate that says so."""
    changed, held = counts
    before = study.certificate
    reasons = Counter(before.held) + Counter({_REASON: held})
    certificate = Certificate(
        study_uid=before.study_uid,
        subject_id=before.subject_id,
        profile=before.profile,
        table_edition=before.table_edition,
        options=(*before.options, f"{CLEANED.value} {CLEANED.meaning}"),
        actions=before.actions | {"face_cleared_or_excluded": changed},
        outputs={each.uid: Digest(hashlib.sha256(each.content).hexdigest()) for each in kept},
        held=dict(sorted(reasons.items())),
        created_at=before.created_at,
    )
    return dataclasses.replace(study, instances=tuple(kept), certificate=certificate)
