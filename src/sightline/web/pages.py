"""The pages: worklist, study, trace, models, and the pictures they show."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from sightline import clock
from sightline.archive.clinical import messages, records_of_study, waiting_records
from sightline.archive.studies import lineage_of_instance
from sightline.archive.worklist import ResultObject, StudyOverview, is_picture, overview, worklist
from sightline.errors import DamagedObject, SightlineError, UnknownName
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.models import evaluations, models, releases
from sightline.hub.packages import package_of
from sightline.judge.metrics import Metric, metrics_of
from sightline.serve.gates import gate_checks
from sightline.values.evaluation import Evaluation
from sightline.values.identity import Digest, InstanceUid, LineageId, StudyUid
from sightline.values.lineage import Trace
from sightline.values.model import EvaluationRecord, GateCheck, ModelRecord, ReleaseRecord
from sightline.values.package import InstalledPackage
from sightline.values.prediction import Prediction
from sightline.web.lineage_picture import draw_lineage, kinds_of
from sightline.web.site import Site

_DAY_S = 86400.0
Days = Annotated[int, Query(ge=1, le=36500)]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownPrediction:
    """A prediction with the objects it published.

    Attributes:
        trace_id: where its story starts: its segmentation where there is one, else itself.
        seg_series_uid: what the viewer opens; empty where there is no segmentation.
    """

    prediction: Prediction
    results: tuple[ResultObject, ...]
    trace_id: LineageId
    seg_series_uid: str

    @property
    def priority(self) -> int:
        """Of the finding; less than routine where there is none."""
        return self.prediction.finding.priority if self.prediction.finding else -1

    @property
    def viewer_address(self) -> str:
        """Where the viewer shows the study with what was drawn."""
        return viewer_address(self.prediction.study_uid, self.seg_series_uid)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownEvaluation:
    """An evaluation with the metric that the model is gated by."""

    record: EvaluationRecord
    evaluation: Evaluation
    metric: Metric


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownModel:
    """A model with what is recorded of it.

    Attributes:
        checks: of its gate: as it stands before a model is live, as it was passed where it is.
        package: that it came in; None where it came otherwise.
    """

    model: ModelRecord
    evaluations: tuple[ShownEvaluation, ...]
    releases: tuple[ReleaseRecord, ...]
    checks: tuple[GateCheck, ...]
    package: InstalledPackage | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Lesson:
    """A collection that taught what is traced, and the subjects in it."""

    collection: str
    subjects: int


def viewer_address(study_uid: StudyUid, series_uid: str = "") -> str:
    """Return where the viewer shows a study, beginning with a series where it is given."""
    query = {"StudyInstanceUIDs": study_uid} | (
        {"initialSeriesInstanceUID": series_uid} if series_uid else {}
    )
    return f"/viewer/viewer?{urlencode(query)}"


def pages_router(site: Site) -> APIRouter:
    """Return the pages of a site."""
    router = APIRouter(default_response_class=HTMLResponse)
    _add_worklist(router, site)
    _add_study(router, site)
    _add_lineage(router, site)
    return router


def _add_worklist(router: APIRouter, site: Site) -> None:
    @router.get("/")
    def reading_list(q: str = "", days: Days = 7) -> HTMLResponse:
        since = clock.timestamp() - days * _DAY_S
        listed = worklist(site.archive, since=since, words=q)
        is_unused = not listed.total and not worklist(site.archive, since=0.0, limit=1).total
        return site.page("worklist.html", worklist=listed, q=q, days=days, is_unused=is_unused)


def _add_study(router: APIRouter, site: Site) -> None:
    @router.get("/studies/{study_uid}")
    def study(study_uid: str) -> HTMLResponse:
        shown = overview(site.archive, StudyUid(study_uid))
        predictions = [_shown(site.hub, shown, each) for each in reversed(shown.predictions)]
        return site.page(
            "study.html",
            study=shown,
            predictions=predictions,
            records=records_of_study(site.archive, shown.entry.study.uid),
            images=viewer_address(shown.entry.study.uid),
        )

    @router.get("/studies/{study_uid}/viewer")
    def viewer(study_uid: str) -> RedirectResponse:
        shown = overview(site.archive, StudyUid(study_uid))
        predictions = [_shown(site.hub, shown, each) for each in shown.predictions]
        first = max(predictions, key=lambda each: each.priority, default=None)
        address = first.viewer_address if first else viewer_address(shown.entry.study.uid)
        return RedirectResponse(address)

    @router.get("/pictures/{digest}")
    def picture(digest: str) -> Response:
        if not is_picture(site.archive, digest):
            raise UnknownName("there is no such picture", hint="Open it from the study page.")
        return Response(site.archive.objects.get(Digest(digest)), media_type="image/png")


def _add_lineage(router: APIRouter, site: Site) -> None:
    @router.get("/trace/{name}")
    def lineage(name: str, direction: Literal["up", "down"] = "up") -> HTMLResponse:
        known = lineage_of_instance(site.archive, InstanceUid(name))
        found = trace(site.hub, known or name, direction)
        return site.page(
            "trace.html",
            found=found,
            direction=direction,
            picture=draw_lineage(found),
            kinds=kinds_of(found),
            lessons=_lessons(site.hub, found) if direction == "up" else [],
        )

    @router.get("/clinical")
    def clinical() -> HTMLResponse:
        return site.page(
            "clinical.html",
            waiting=waiting_records(site.archive),
            messages=list(reversed(messages(site.archive))),
        )

    @router.get("/models")
    def model_list() -> HTMLResponse:
        shown = [_model(site, each) for each in reversed(models(site.hub))]
        return site.page("models.html", models=shown)


def _shown(hub: Hub, study: StudyOverview, prediction: Prediction) -> ShownPrediction:
    made = _made_by(hub, prediction)
    results = tuple(each for each in study.results if each.lineage_id in made)
    segmentation = next((each for each in results if each.kind == "SEG"), None)
    return ShownPrediction(
        prediction=prediction,
        results=results,
        trace_id=segmentation.lineage_id if segmentation else prediction.lineage_id,
        seg_series_uid=segmentation.series_uid if segmentation else "",
    )


def _made_by(hub: Hub, prediction: Prediction) -> set[LineageId]:
    try:
        return {step.node.id for step in trace(hub, prediction.lineage_id, "down").steps}
    except UnknownName:
        # A prediction enters lineage when it is published.
        return set()


def _lessons(hub: Hub, found: Trace) -> Iterable[Lesson]:
    for step in found.steps:
        if step.node.kind == "collection":
            above = trace(hub, step.node.id, "up").steps
            subjects = sum(each.node.kind == "subject" for each in above)
            yield Lesson(collection=step.node.name, subjects=subjects)


def _model(site: Site, record: ModelRecord) -> ShownModel:
    changes = [
        each for each in releases(site.hub, record.name) if each.model_id == record.lineage_id
    ]
    return ShownModel(
        model=record,
        evaluations=tuple(_evaluations(site.hub, record)),
        releases=tuple(changes),
        checks=_checks(site, record, changes),
        package=package_of(site.hub, record),
    )


def _checks(
    site: Site, record: ModelRecord, changes: Sequence[ReleaseRecord]
) -> tuple[GateCheck, ...]:
    if record.state == "live":
        return changes[-1].checks if changes else ()
    if record.state == "retired":
        return ()
    try:
        return tuple(gate_checks(site.archive, site.hub, record))
    except SightlineError:
        # Its recipe or evaluation is of a later Sightline; what can be read is shown.
        return ()


def _evaluations(hub: Hub, record: ModelRecord) -> Iterable[ShownEvaluation]:
    for each in evaluations(hub, record.lineage_id):
        try:
            found = Evaluation.from_json(each.content)
            metric = metrics_of(found.task)[0]
        except (DamagedObject, UnknownName):
            # Of a later Sightline; what can be read is shown.
            continue
        yield ShownEvaluation(record=each, evaluation=found, metric=metric)
