"""A published result made again from its record, to prove that it is what it says."""

import dataclasses
import hashlib
from collections.abc import Iterable

from sightline.archive.archive import Archive
from sightline.archive.results import objects_of, prediction
from sightline.errors import Refused
from sightline.formats.dicom_file import read_header
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make, result_ids
from sightline.values.identity import Digest, LineageId, Patient
from sightline.values.prediction import Making, Prediction


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Remade:
    """A prediction beside its repetition.

    Attributes:
        differences: what was not as it was then; empty on the same machine with the same software.
        changed: published objects whose bytes came out otherwise, "finding" or "picture".
        objects: how many objects were made again.
    """

    prediction: Prediction
    differences: tuple[str, ...]
    changed: tuple[str, ...]
    objects: int

    @property
    def is_equal(self) -> bool:
        """Whether everything came out again, bit for bit."""
        return not self.changed


def remake(archive: Archive, engine: Engine, hub: Hub, *, name: LineageId) -> Remade:
    """Make a published prediction again, by the back end that made it, and compare every byte.

    Nothing is kept of it.

    Args:
        archive: holds the images and what was published.
        engine: applies the model.
        hub: holds the model.
        name: of the prediction.

    Raises:
        Refused: It was not published, or does not say how it was made.
        UnknownName: The prediction, its model, an image or its back end is gone.
        MissingExtra: The host has no learning stack, or the back end does not run here.
        DamagedObject: An image or the weights do not match their digest.
        BadFile: The series is no volume any more that the model takes.
    """
    known = prediction(archive, name)
    making = known.making
    if making is None:
        raise Refused(
            f"{name} does not say how it was made",
            hint=f"It is {known.state}; what was published by an earlier version kept no record.",
        )
    record = model(hub, known.model_id)
    sources = [Digest(each) for each in making.inputs]
    then = objects_of(archive, result_ids(known.lineage_id))
    with archive.objects.local_copies(sources) as files:
        made = make(
            engine,
            record,
            known,
            files=files,
            inputs=sources,
            patient=_named_then(archive, then.values()),
            then=making,
        )
    return Remade(
        prediction=known,
        differences=_differences(making, made.making),
        changed=_changed(known, made, then),
        objects=len(made.objects),
    )


def _changed(known: Prediction, made: Made, then: dict[LineageId, Digest]) -> tuple[str, ...]:
    """Name what did not come out again."""
    now = {each: hashlib.sha256(content).hexdigest() for each, content in made.objects.items()}
    changed: list[str] = [
        each for each in result_ids(known.lineage_id) if then.get(each) != now.get(each)
    ]
    if known.finding is None or not made.finding.repeats(known.finding):
        changed.append("finding")
    if hashlib.sha256(made.picture).hexdigest() != known.picture_digest:
        changed.append("picture")
    return tuple(changed)


def _named_then(archive: Archive, objects: Iterable[Digest]) -> Patient | None:
    """Return whom the published objects name; the archive may know more by now."""
    first = next(iter(objects), None)
    return None if first is None else read_header(archive.objects.get(first)).patient


def _differences(then: Making, now: Making) -> tuple[str, ...]:
    found = []
    if then.machine != now.machine:
        found.append(f"machine: {then.machine} then, {now.machine} now")
    for name in sorted({*then.software, *now.software}):
        before, after = then.software.get(name, "none"), now.software.get(name, "none")
        if before != after:
            found.append(f"{name}: {before} then, {after} now")
    return tuple(found)
