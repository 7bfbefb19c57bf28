"""A model applied to a series: finding, picture and DICOM objects, durable but not yet public."""

import dataclasses
import hashlib
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from sightline import clock, extras, log
from sightline.archive.archive import Archive
from sightline.archive.results import start_prediction
from sightline.archive.studies import study, study_of_series
from sightline.engines.limited import Limits
from sightline.errors import UnsoundSeries
from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import SeriesGrid, SeriesVolumes, read_volumes
from sightline.formats.sc import write_sc
from sightline.formats.seg import write_seg
from sightline.formats.slice_picture import png
from sightline.formats.sr import write_sr
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import keep_trials, trials
from sightline.hub.models import model as model_record
from sightline.serve.pictures import overlay_picture
from sightline.serve.routing import recipe_of
from sightline.serve.triage import triage, triage_answer
from sightline.settings import LEAST_AGREEMENT
from sightline.values.answer import Answer
from sightline.values.finding import Finding
from sightline.values.identity import Digest, InstanceUid, LineageId, SeriesUid, StudyUid
from sightline.values.model import ModelRecord
from sightline.values.prediction import Prediction
from sightline.values.recipe import Recipe
from sightline.values.result import ResultIdentity
from sightline.values.trial import Trial, picked
from sightline.values.volume import Segmentation, Volume

_log = log.get("serve")
_UID_SPACE = uuid.UUID("6f1f3a52-2c57-4c5f-9d55-0d6f5f0f7b1e")
_KINDS = {"seg": 9001, "sr": 9002, "sc": 9003}
"""The objects of one prediction, and the series number each is given."""
_MOST_NAMED = 4


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Predicted:
    """What one prediction made; every digest is an object of the archive.

    Attributes:
        objects: lineage id and digest of each DICOM object.
    """

    prediction: Prediction
    finding: Finding
    picture_digest: Digest
    objects: tuple[tuple[LineageId, Digest], ...]


class Engine:
    """Keeps the weights of every model it was asked for, and applies them.

    Each runs by the fastest back end of those that were tried for it on this machine and agree with
    it in eager float32; where none was tried, as it was trained.
    """

    def __init__(self, hub: Hub, *, threads: int, least_agreement: float = LEAST_AGREEMENT) -> None:
        self._hub = hub
        self._threads = threads
        self._least_agreement = least_agreement
        self._loaded: dict[LineageId, Any] = {}

    def predict(self, record: ModelRecord, volume: Volume) -> Segmentation:
        """Draw what a model finds in a volume, on the volume's own grid.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
            Refused: The model draws nothing: it answers with numbers, places or an image.
        """
        engine = _learning("sightline.predict.engine")
        drawn: Segmentation = engine.predict(self.load(record), volume)
        return drawn

    def answer(self, record: ModelRecord, volume: Volume) -> Answer:
        """Return what a model says of a volume; what it draws lies on the volume's own grid.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
        """
        said: Answer = _learning("sightline.predict.engine").answer(self.load(record), volume)
        return said

    def load(self, record: ModelRecord) -> Any:  # noqa: ANN401 - loaded with the extra
        """Return a model ready to be applied; it stays loaded.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
        """
        if record.lineage_id not in self._loaded:
            self._loaded[record.lineage_id] = self._load(record)
        return self._loaded[record.lineage_id]

    def try_back_ends(
        self,
        record: ModelRecord,
        volume: Volume,
        *,
        names: Sequence[str] = (),
        tell: Callable[[Trial], None] = lambda _trial: None,
    ) -> Trial:
        """Try back ends on windows of a volume, and keep what was found; return the one to use.

        Raises:
            MissingExtra: The host has no learning stack.
            DamagedObject: The weights do not match their digest.
            UnknownName: There is no such back end.
        """
        model = self._read(record)
        windows = _learning("sightline.predict.engine").windows_of(model, volume)
        tried = _learning("sightline.predict.trial").try_back_ends(
            model, windows, names=names, tell=tell
        )
        keep_trials(self._hub, record.lineage_id, tried, machine=self._machine(model))
        self._loaded.pop(record.lineage_id, None)
        chosen = picked(tried, least_agreement=self._least_agreement)
        if chosen is None:
            raise AssertionError("a model agrees with itself")
        return chosen

    def words(self, record: ModelRecord, said: Answer) -> str:
        """Say an answer of a model in a line, as its task does.

        Raises:
            MissingExtra: The host has no learning stack.
        """
        manifest = _learning("sightline.predict.model").ModelManifest.from_json(record.manifest)
        task = _learning("sightline.tasks.contract").TASKS.get(manifest.plan.task)
        return str(task.words(said, manifest.plan))

    def _load(self, record: ModelRecord) -> object:
        loaded = self._read(record)
        tried = trials(self._hub, record.lineage_id, self._machine(loaded))
        chosen = picked(tried, least_agreement=self._least_agreement)
        if chosen is not None:
            loaded = loaded.by(chosen.back_end)
        _log.info("model_loaded", model=record.label, back_end=loaded.back_end)
        return loaded

    def _read(self, record: ModelRecord) -> Any:  # noqa: ANN401 - loaded with the extra
        models = _learning("sightline.predict.model")
        _learning("sightline.predict.engine").set_threads(self._threads)
        manifest = models.ModelManifest.from_json(record.manifest)
        with self._hub.objects.local_copies([record.weights_digest]) as (weights,):
            return models.Model.load(weights, manifest)

    @staticmethod
    def _machine(loaded: Any) -> str:  # noqa: ANN401 - loaded with the extra
        return str(_learning("sightline.predict.machine").machine_of(loaded.device))


def predict_series(
    archive: Archive, engine: Engine, hub: Hub, *, series_uid: SeriesUid, model_id: LineageId
) -> Predicted | None:
    """Predict one series; None where it is published already.

    Raises:
        BadFile: The series is no volume that the model can take.
        MissingExtra: The host has no learning stack.
        UnknownName: The series or the model is not there.
    """
    record = model_record(hub, model_id)
    sources, digest, study_uid = _sources(archive, series_uid)
    prediction = start_prediction(
        archive,
        Prediction(
            lineage_id=new_id("prediction"),
            study_uid=study_uid,
            series_uid=series_uid,
            series_digest=digest,
            model_id=model_id,
            model_version=record.label,
            created_at=clock.now().isoformat(timespec="seconds"),
        ),
    )
    if prediction.state == "published":
        return None
    with archive.objects.local_copies(sources) as files:
        return _predict(archive, engine, record, prediction=prediction, files=files)


def _predict(
    archive: Archive,
    engine: Engine,
    record: ModelRecord,
    *,
    prediction: Prediction,
    files: list[Path],
) -> Predicted:
    recipe = recipe_of(record)
    frames = sum(read_header(path.read_bytes()).frames or 1 for path in files)
    limits = Limits.for_files(files, frames=frames)
    volume, grid = _choose(recipe, limits.call(read_volumes, files))
    began = clock.monotonic()
    said = engine.answer(record, volume)
    drawn = said.segmentation
    if drawn is None:
        finding = triage_answer(recipe, said, engine.words(record, said))
    else:
        finding = finding_of(recipe, drawn, prediction.lineage_id)
    _log.info(
        "series_predicted",
        prediction=prediction.lineage_id,
        model=record.label,
        seconds=round(clock.monotonic() - began, 2),
    )
    writer = _Writer(archive, record, prediction, files, grid)
    if drawn is None:
        picture = overlay_picture(volume, _nothing_drawn(volume, record), footer=finding.words)
        objects = writer.write_picture(picture)
    else:
        picture = overlay_picture(volume, drawn, footer=record.label)
        objects = writer.write(drawn, finding, picture)
    return Predicted(
        prediction=prediction,
        finding=finding,
        picture_digest=archive.objects.put(png(picture)),
        objects=objects,
    )


def _nothing_drawn(volume: Volume, record: ModelRecord) -> Segmentation:
    """An answer in numbers has no outlines; its words stand on the picture."""
    return Segmentation(
        mask=np.zeros(volume.voxels.shape, np.uint8),
        geometry=volume.geometry,
        classes=(),
        author=record.name,
    )


def result_id(prediction: LineageId, kind: str) -> LineageId:
    """Return the lineage id of one object of a prediction."""
    return LineageId(f"{prediction.replace('prediction-', 'result-')}-{kind}")


def uid_from(lineage_id: str) -> str:
    """Derive a DICOM UID, so that a repeat names the same object (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid5(_UID_SPACE, lineage_id).int}"


@dataclasses.dataclass(frozen=True, slots=True)
class _Writer:
    archive: Archive
    record: ModelRecord
    prediction: Prediction
    sources: list[Path]
    grid: SeriesGrid

    def write(
        self, drawn: Segmentation, finding: Finding, picture: npt.NDArray[np.uint8]
    ) -> tuple[tuple[LineageId, Digest], ...]:
        """Write SEG, SR and SC and keep them; SR and SEG share their tracking UIDs."""
        tracking_uids = {each.class_name: each.tracking_uid for each in finding.measurements}
        seg = write_seg(
            drawn,
            self.sources,
            identity=self._identity("seg"),
            is_manual=False,
            tracking_uids=tracking_uids,
            stack=self.grid.name,
        )
        drawn_on = [self.sources[file] for file in self.grid.files]
        sr = write_sr(finding, drawn_on, seg, identity=self._identity("sr"))
        sc = write_sc(picture, drawn_on, identity=self._identity("sc"))
        return self._keep("seg", seg), self._keep("sr", sr), self._keep("sc", sc)

    def write_picture(self, picture: npt.NDArray[np.uint8]) -> tuple[tuple[LineageId, Digest], ...]:
        """Write an SC alone, of an answer that is words and numbers."""
        drawn_on = [self.sources[file] for file in self.grid.files]
        return (self._keep("sc", write_sc(picture, drawn_on, identity=self._identity("sc"))),)

    def _identity(self, kind: str) -> ResultIdentity:
        lineage_id = result_id(self.prediction.lineage_id, kind)
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
        )

    def _keep(self, kind: str, content: bytes) -> tuple[LineageId, Digest]:
        return result_id(self.prediction.lineage_id, kind), self.archive.objects.put(content)


def _sources(archive: Archive, series_uid: SeriesUid) -> tuple[list[Digest], str, StudyUid]:
    whole = study(archive, study_of_series(archive, series_uid))
    instances = [each for each in whole.instances if each.series_uid == series_uid]
    names = "".join(sorted(each.digest for each in instances))
    digest = hashlib.sha256(names.encode()).hexdigest()
    return [each.digest for each in instances], digest, whole.uid


def _choose(recipe: Recipe, series: SeriesVolumes) -> tuple[Volume, SeriesGrid]:
    """Take the one volume of a series that the recipe accepts; none is preferred over another."""
    refusals = [unfit(recipe, volume) for volume in series.volumes]
    fitting = [number for number, error in enumerate(refusals) if error is None]
    if len(fitting) == 1:
        return series.volumes[fitting[0]].evened(), series.grids[fitting[0]]
    if len(refusals) == 1 and refusals[0] is not None:
        raise refusals[0]
    names = "; ".join(grid.name for grid in series.grids[:_MOST_NAMED])
    raise UnsoundSeries(
        f"the series makes {len(refusals)} volumes, and {len(fitting) or 'none'} of them fit "
        f"recipe {recipe.name}: {names}{'; ...' if len(refusals) > _MOST_NAMED else ''}",
        hint="Send the one to predict as a series of its own, or narrow `accepts` in the recipe.",
    )


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

    measure = _learning("sightline.predict.measure").measure
    return triage(recipe, measure(drawn, tracking_uid))


def _learning(module: str) -> ModuleType:
    return extras.load(module, extra="learn")
