"""What a model says of a series, measured, judged and written: finding, picture, DICOM objects.

Nothing is kept here, so that the same code makes a result and makes it again to prove it.
"""

import dataclasses
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from sightline import clock, log
from sightline.errors import UnsoundSeries
from sightline.formats.dicom_image import SeriesVolumes
from sightline.formats.sc import write_sc
from sightline.formats.seg import write_seg_on
from sightline.formats.slice_picture import png
from sightline.formats.sr import write_sr
from sightline.judge.familiarity import cautions_of
from sightline.serve.at_hand import Part
from sightline.serve.engine import Engine, Ran, learning
from sightline.serve.pictures import overlay_picture
from sightline.serve.routing import recipe_of
from sightline.serve.triage import triage, triage_answer
from sightline.values.answer import Answer
from sightline.values.finding import UNFAMILIAR, Finding
from sightline.values.identity import Digest, InstanceUid, LineageId, Patient, SeriesUid
from sightline.values.likeness import Familiar, Likeness
from sightline.values.model import ModelRecord
from sightline.values.prediction import Making, Prediction
from sightline.values.recipe import Recipe
from sightline.values.result import ResultIdentity
from sightline.values.volume import Segmentation, Volume

_log = log.get("serve")
_UID_SPACE = uuid.UUID("6f1f3a52-2c57-4c5f-9d55-0d6f5f0f7b1e")
_KINDS = {"seg": 9001, "sr": 9002, "sc": 9003}
"""The objects of one prediction, and the series number each is given."""
_MOST_NAMED = 4


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What one prediction comes to.

    Attributes:
        picture: a PNG for the study page.
        objects: DICOM objects by lineage id.
        making: how it was made.
        drawn: None where the answer is in numbers.
    """

    finding: Finding
    picture: bytes
    objects: dict[LineageId, bytes]
    making: Making
    drawn: Segmentation | None


def make(
    engine: Engine,
    record: ModelRecord,
    prediction: Prediction,
    *,
    files: list[Path],
    inputs: list[Digest],
    patient: Patient | None,
    then: Making | None = None,
) -> Made:
    """Predict a series and write what is to be published of it.

    Args:
        engine: applies the model.
        record: the model.
        prediction: whose names and time the objects bear.
        files: the instances of the series.
        inputs: their digests.
        patient: whom the objects name; None for whom the images name.
        then: how it was made once, for making it again by the same back end and held against the
            same; None for making it as it is made now.

    Raises:
        BadFile: The series is no volume that the model can take.
        MissingExtra: The host has no learning stack, or the back end does not run here.
        DamagedObject: The weights, or what the model is familiar with, do not match their digest.
    """
    watch = _Watch()
    series = engine.at_hand.series(inputs, files)
    part = series.part(_choose(recipe_of(record), series.read))
    watch.note("read")
    back_end = then.back_end if then else ""
    ran = engine.ran(record, back_end=back_end)
    watch.note("load")
    said = engine.answer(record, part.volume, back_end=back_end, prepare=part.prepare)
    watch.note("predict")
    finding = judged(engine, record, said, name=prediction.lineage_id)
    held_to, known = engine.familiar(record, then.familiar if then else None)
    finding = cautioned(finding, known, part.likeness)
    watch.note("measure")
    writer = _Writer(record, prediction, part, patient)
    picture, objects = writer.write(said.segmentation, finding)
    watch.note("write")
    _tell(prediction, record, ran, seconds=watch.seconds)
    making = _making(ran, inputs, watch.seconds, familiar=held_to)
    return Made(
        finding=finding, picture=picture, objects=objects, making=making, drawn=said.segmentation
    )


def judged(engine: Engine, record: ModelRecord, said: Answer, *, name: LineageId) -> Finding:
    """Return what an answer comes to by the recipe's rules, drawn or in numbers.

    Raises:
        MissingExtra: The host has no learning stack.
    """
    recipe = recipe_of(record)
    if said.segmentation is None:
        return triage_answer(recipe, said, engine.words(record, said))
    return finding_of(recipe, said.segmentation, name)


def cautioned(
    finding: Finding, known: Familiar | None, likeness: Callable[[], Likeness]
) -> Finding:
    """Add to a finding in which way its series is unlike what its model is familiar with.

    Args:
        finding: of the series.
        known: what the model is familiar with; None where nobody looked.
        likeness: says what the series looks like, where that is asked.
    """
    if known is None:
        return finding
    return dataclasses.replace(finding, cautions=cautions_of(known, likeness()))


def _tell(
    prediction: Prediction, record: ModelRecord, ran: Ran, *, seconds: dict[str, float]
) -> None:
    _log.info(
        "series_predicted",
        prediction=prediction.lineage_id,
        model=record.label,
        back_end=ran.back_end,
        **seconds,
    )


def _making(ran: Ran, inputs: list[Digest], seconds: dict[str, float], *, familiar: str) -> Making:
    return Making(
        inputs=tuple(inputs),
        back_end=ran.back_end,
        machine=ran.machine,
        software=ran.software,
        seconds=seconds,
        familiar=familiar,
    )


def result_id(prediction: LineageId, kind: str) -> LineageId:
    """Return the lineage id of one object of a prediction."""
    return LineageId(f"{prediction.replace('prediction-', 'result-')}-{kind}")


def result_ids(prediction: LineageId) -> list[LineageId]:
    """Return the lineage ids of all objects that a prediction may have."""
    return [result_id(prediction, kind) for kind in _KINDS]


def prediction_of_result(name: LineageId) -> LineageId:
    """Return the lineage id of the prediction that an object is of; any other name as it is."""
    stem, _, kind = name.rpartition("-")
    is_result = name.startswith("result-") and kind in _KINDS
    return LineageId(stem.replace("result-", "prediction-")) if is_result else name


def uid_from(lineage_id: str) -> str:
    """Derive a DICOM UID, so that a repeat names the same object (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_UID_SPACE, lineage_id).int}"


def unfit(recipe: Recipe, volume: Volume) -> UnsoundSeries | None:
    """Return why a recipe does not take a volume by its grid; None where it does."""
    slices = volume.geometry.shape[0]
    spacing = volume.geometry.spacing_mm[0]
    if slices < recipe.accepts.min_slices:
        return UnsoundSeries(
            f"{slices} slices; recipe {recipe.name} asks at least {recipe.accepts.min_slices}",
            hint="Send the whole series, or change `accepts` in the recipe.",
        )
    if spacing > recipe.accepts.max_slice_spacing_mm:
        return UnsoundSeries(
            f"slices {spacing:.1f} mm apart; recipe {recipe.name} takes at most "
            f"{recipe.accepts.max_slice_spacing_mm:g} mm",
            hint="Send the thin reconstruction, or change `accepts` in the recipe.",
        )
    return None


def finding_of(recipe: Recipe, drawn: Segmentation, prediction_id: LineageId) -> Finding:
    """Measure what a model drew, and judge it by the recipe's triage rules.

    Raises:
        MissingExtra: The host has no learning stack.
    """

    def tracking_uid(class_name: str) -> str:
        return uid_from(f"{prediction_id}/{class_name}")

    measure = learning("sightline.predict.measure").measure
    return triage(recipe, measure(drawn, tracking_uid))


class _Watch:
    """Notes how long each step took."""

    def __init__(self) -> None:
        self._since = clock.monotonic()
        self.seconds: dict[str, float] = {}

    def note(self, step: str) -> None:
        now = clock.monotonic()
        self.seconds[step], self._since = round(now - self._since, 3), now


@dataclasses.dataclass(frozen=True, slots=True)
class _Writer:
    record: ModelRecord
    prediction: Prediction
    part: Part
    patient: Patient | None

    def write(
        self, drawn: Segmentation | None, finding: Finding
    ) -> tuple[bytes, dict[LineageId, bytes]]:
        """Write the picture as PNG and SC, and SEG and SR where something can be drawn."""
        volume = self.part.volume
        caution = UNFAMILIAR if finding.cautions else ""
        if drawn is None:
            # An answer in numbers has no outlines; its words stand on the picture.
            nothing = _nothing_drawn(volume)
            picture = overlay_picture(volume, nothing, footer=finding.words, caution=caution)
            results = {}
        else:
            footer = self.record.label
            picture = overlay_picture(volume, drawn, footer=footer, caution=caution)
            results = self._write_drawn(drawn, finding)
        sc = write_sc(picture, self.part.sources, identity=self._identity("sc"))
        return png(picture), results | {self._id("sc"): sc}

    def _write_drawn(self, drawn: Segmentation, finding: Finding) -> dict[LineageId, bytes]:
        """Write SEG and SR, which share their tracking UIDs."""
        tracking_uids = {each.class_name: each.tracking_uid for each in finding.measurements}
        seg = write_seg_on(
            drawn,
            self.part.sources,
            grid=self.part.grid,
            identity=self._identity("seg"),
            is_manual=False,
            tracking_uids=tracking_uids,
        )
        sr = write_sr(finding, self.part.sources, seg, identity=self._identity("sr"))
        return {self._id("seg"): seg, self._id("sr"): sr}

    def _id(self, kind: str) -> LineageId:
        return result_id(self.prediction.lineage_id, kind)

    def _identity(self, kind: str) -> ResultIdentity:
        lineage_id = self._id(kind)
        return ResultIdentity(
            instance_uid=InstanceUid(uid_from(lineage_id)),
            series_uid=SeriesUid(uid_from(f"{lineage_id}/series")),
            series_number=_KINDS[kind],
            series_description=f"{self.record.label} {kind.upper()}",
            author=self.record.name,
            created_at=self.prediction.created_at,
            model_version=self.record.label,
            model_digest=self.record.weights_digest,
            lineage_id=lineage_id,
            patient=self.patient,
        )


def _choose(recipe: Recipe, series: SeriesVolumes) -> int:
    """Number the one volume of a series that the recipe accepts; none is preferred over another."""
    refusals = [unfit(recipe, volume) for volume in series.volumes]
    fitting = [number for number, error in enumerate(refusals) if error is None]
    if len(fitting) == 1:
        return fitting[0]
    if len(refusals) == 1 and refusals[0] is not None:
        raise refusals[0]
    names = "; ".join(grid.name for grid in series.grids[:_MOST_NAMED])
    raise UnsoundSeries(
        f"the series makes {len(refusals)} volumes, and {len(fitting) or 'none'} of them fit "
        f"recipe {recipe.name}: {names}{'; ...' if len(refusals) > _MOST_NAMED else ''}",
        hint="Send the one to predict as a series of its own, or narrow `accepts` in the recipe.",
    )


def _nothing_drawn(volume: Volume) -> Segmentation:
    return Segmentation(
        mask=np.zeros(volume.voxels.shape, np.uint8),
        geometry=volume.geometry,
        classes=(),
        author="",
    )
