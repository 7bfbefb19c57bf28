"""The journey of one complete study: predict, publish, through the door, into the hub."""

import dataclasses
from typing import Any

from sightline import log
from sightline.archive.archive import Archive
from sightline.archive.clinical import records_of_study
from sightline.archive.record_changes import record_passed, revision_of_records
from sightline.archive.rejections import rejected
from sightline.archive.results import fail_predictions
from sightline.archive.studies import record_door, study
from sightline.audit.chain import Event, append
from sightline.deid.hub_door import HubDoor
from sightline.deid.known_identifiers import NOTHING_KNOWN, KnownIdentifiers
from sightline.deid.patient_records import known_of_archive
from sightline.errors import KeyDestroyed, SightlineError, StudyChanged
from sightline.hub.admission import admit
from sightline.hub.hub import Hub
from sightline.hub.models import models
from sightline.hub.subjects import Relinked
from sightline.hub.withdrawal import instances_of_series, withdraw
from sightline.jobs.engine import StepRunner
from sightline.serve.engine import Engine
from sightline.serve.messages import told_of_results
from sightline.serve.predicting import Predicted, predict_series
from sightline.serve.publishing import publish_prediction
from sightline.serve.routing import route
from sightline.serve.shadowing import shadow_series
from sightline.settings import Settings
from sightline.values.finding import Finding
from sightline.values.identity import (
    Digest,
    HubInstanceUid,
    HubSeriesUid,
    LineageId,
    Patient,
    SeriesUid,
    StudyUid,
)
from sightline.values.model import ModelState
from sightline.values.prediction import Making, Prediction
from sightline.values.rejection import STAYS_IN_HUB, TITLES

_log = log.get("app")
JOB_NAME, RECORDS_JOB_NAME = "study", "records"
_TIMES_AGAIN = 2
_NO_LONGER_TIED = "it is no longer a record of this study"


@dataclasses.dataclass(frozen=True, slots=True)
class StudyJob:
    """The stages a study goes through, each a durable step with JSON in and out."""

    settings: Settings
    archive: Archive
    hub: Hub
    door: HubDoor
    engine: Engine

    def __call__(self, step: StepRunner, *, study_uid: str, revision: int) -> None:
        """Take one revision of a study along the whole road."""
        routed = step("route", self.route_study, study_uid=study_uid)
        for number, (series_uid, model_id) in enumerate(routed):
            self._serve(step, str(number), series_uid=series_uid, model_id=model_id)
        step("door", self.pass_study, study_uid=study_uid)
        step("records", self.pass_records, study_uid=study_uid)
        # Last: nobody waits for what a model in shadow says.
        for number, (series_uid, model_id) in enumerate(
            step("route shadows", self.route_shadows, study_uid=study_uid)
        ):
            step(f"shadow {number}", self.shadow, series_uid=series_uid, model_id=model_id)
        self.engine.at_hand.forget()
        _log.info("study_done", study=study_uid, revision=revision)

    def _serve(self, step: StepRunner, number: str, *, series_uid: str, model_id: str) -> None:
        """Predict and publish; what changed meanwhile is predicted again, a few times."""
        for again in ("", *(f" again {each}" for each in range(1, _TIMES_AGAIN + 1))):
            made = step(
                f"predict {number}{again}", self.predict, series_uid=series_uid, model_id=model_id
            )
            if made is None or not step(f"publish {number}{again}", self.publish, made=made):
                return

    def records(self, step: StepRunner, *, study_uid: str, revision: int) -> None:
        """Take what is tied to a study into the hub, after its images went that way."""
        step("records", self.pass_records, study_uid=study_uid)
        _log.info("records_done", study=study_uid, revision=revision)

    def route_study(self, study_uid: str) -> list[tuple[str, str]]:
        """Pick the series and live models that belong together."""
        return self._route(study_uid, "live")

    def route_shadows(self, study_uid: str) -> list[tuple[str, str]]:
        """Pick the series and models in shadow that belong together."""
        return self._route(study_uid, "shadow")

    def shadow(self, series_uid: str, model_id: str) -> None:
        """Run a model in shadow on one series; a refusal is recorded, and the study goes on."""
        shadow_series(
            self.archive,
            self.engine,
            self.hub,
            series_uid=SeriesUid(series_uid),
            model_id=LineageId(model_id),
        )

    def _route(self, study_uid: str, state: ModelState) -> list[tuple[str, str]]:
        chosen = models(self.hub, state=state)
        decisions = route(self.archive, self.hub, StudyUid(study_uid), chosen=chosen)
        for each in decisions:
            _log.info(
                "series_routed",
                series=each.series_uid,
                model=each.model_version,
                refused=each.refusal or None,
            )
        return [(each.series_uid, each.model_id) for each in decisions if not each.refusal]

    def predict(self, series_uid: str, model_id: str) -> dict[str, Any] | None:
        """Predict one series; a refusal is recorded, and the study goes on."""
        try:
            made = predict_series(
                self.archive,
                self.engine,
                self.hub,
                series_uid=SeriesUid(series_uid),
                model_id=LineageId(model_id),
            )
        except SightlineError as error:
            self._fail(series_uid, model_id, error)
            return None
        return None if made is None else dataclasses.asdict(made)

    def publish(self, made: dict[str, Any]) -> str:
        """Publish what `predict` made; return why not where the study changed, else nothing."""
        predicted = _predicted(made)
        try:
            publish_prediction(
                self.archive,
                self.hub,
                predicted,
                pacs=self.settings.pacs,
                messages=told_of_results(self.settings),
            )
        except StudyChanged as error:
            prediction = predicted.prediction
            self._fail(prediction.series_uid, prediction.model_id, error)
            return error.problem
        return ""

    def pass_study(self, study_uid: str) -> None:
        """Take the study, its annotations and its results through the door into the hub."""
        identified = study(self.archive, StudyUid(study_uid))
        passage = self.door.pass_study(identified, known=self._known(identified.patient))
        if passage.study is not None:
            relinked = admit(self.hub, passage.study)
            if relinked is not None:
                self._audit_relink(relinked)
        self._withdraw_rejected(identified.uid)
        reasons = sorted({holding.reason for holding in passage.held})
        state = "released" if passage.study is not None else "held"
        if reasons:
            state += f" (quarantine: {', '.join(reasons)})"
        record_door(self.archive, identified, state=state, held=passage.held)

    def pass_records(self, study_uid: str) -> None:
        """Take orders, reports and values of the study into the hub, as they are now.

        Those that are there and no longer pass are withdrawn: what is about another study after
        all, what its sender took back, and all of a study whose images the PACS took back.
        """
        uid = StudyUid(study_uid)
        revision = revision_of_records(self.archive, uid)
        identified = study(self.archive, uid)
        records = records_of_study(self.archive, uid) if identified.instances else []
        try:
            passed = self.door.pass_records(identified, records, self._known(identified.patient))
            series_uid = self.door.series_of_records(uid)
        except KeyDestroyed:
            _log.warning("records_do_not_reach_hub", study=study_uid, records=len(records))
        else:
            if passed is not None:
                relinked = admit(self.hub, passed)
                if relinked is not None:
                    self._audit_relink(relinked)
            stays = {each.uid for each in passed.instances} if passed else set()
            self._withdraw_all_but(series_uid, stays)
        record_passed(self.archive, uid, revision)

    def _withdraw_all_but(self, series_uid: HubSeriesUid, stays: set[HubInstanceUid]) -> None:
        gone = [each for each in instances_of_series(self.hub, series_uid) if each not in stays]
        withdrawn = withdraw(self.hub, dict.fromkeys(gone, _NO_LONGER_TIED))
        if withdrawn:
            objects = tuple(f"hub-instance:{uid}" for uid in withdrawn)
            self._audit("instances_withdrawn", objects, reason=_NO_LONGER_TIED)

    def _known(self, patient: Patient) -> KnownIdentifiers:
        """Return what the archive knows of a patient, where free text is searched for it."""
        is_needed = self.door.passes_free_text
        return known_of_archive(self.archive, patient) if is_needed else NOTHING_KNOWN

    def _audit_relink(self, relinked: Relinked) -> None:
        # Names of the hub alone: beside a patient's they would join the two stores.
        objects = (f"hub-study:{relinked.study_uid}", relinked.before, relinked.after)
        self._audit("study_relinked", objects, reason="its patient was merged or unmerged")

    def _withdraw_rejected(self, study_uid: StudyUid) -> None:
        """Take out of the hub what the PACS took back, where its reason asks for that."""
        codes = {
            each.instance_uid: each.code
            for each in rejected(self.archive, study_uid)
            if each.code not in STAYS_IN_HUB
        }
        if not codes:
            return
        try:
            names = self.door.names_of(codes)
        except KeyDestroyed:
            # Which instances of the hub these were, nobody can tell any more.
            _log.warning("rejection_does_not_reach_hub", study=study_uid, instances=len(codes))
            return
        reasons = {names[uid]: f"{code} {TITLES[code]}" for uid, code in codes.items()}
        withdrawn = withdraw(self.hub, reasons)
        if withdrawn:
            objects = tuple(f"hub-instance:{uid}" for uid in withdrawn)
            self._audit("instances_withdrawn", objects, reason="rejected by the PACS")

    def _audit(self, action: str, objects: tuple[str, ...], *, reason: str) -> None:
        event = Event(actor="worker", action=action, objects=objects, reason=reason)
        with self.archive.database.write() as connection:
            append(connection, event)

    def _fail(self, series_uid: str, model_id: str, error: SightlineError) -> None:
        _log.warning("prediction_refused", series=series_uid, why=error.problem)
        fail_predictions(
            self.archive,
            series_uid=SeriesUid(series_uid),
            model_id=LineageId(model_id),
            problem=error.problem,
        )


def _predicted(made: dict[str, Any]) -> Predicted:
    # A job of an earlier version, taken up after an upgrade, knows nothing of it.
    making = made["prediction"].get("making")
    return Predicted(
        prediction=Prediction(
            **(made["prediction"] | {"making": making and Making.from_json(making)})
        ),
        finding=Finding.from_json(made["finding"]),
        picture_digest=Digest(made["picture_digest"]),
        objects=tuple((LineageId(id_), Digest(digest)) for id_, digest in made["objects"]),
    )
