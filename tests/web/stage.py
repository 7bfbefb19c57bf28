"""An archive and a hub with phantom studies, and what is expected to be found there."""

import dataclasses
import hashlib
from pathlib import Path

import httpx

from sightline.archive.archive import Archive
from sightline.archive.completeness import complete_quiet_studies
from sightline.archive.receiving import keep
from sightline.archive.results import publish, start_prediction
from sightline.archive.studies import record_door, study
from sightline.catalog.hub_tables import COLLECTION_VERSION, RUN
from sightline.formats.result_object import read_sources
from sightline.formats.sc import write_sc
from sightline.formats.seg import write_seg
from sightline.formats.slice_picture import png
from sightline.formats.sr import write_sr
from sightline.hub.collections import lineage_id
from sightline.hub.hub import Hub
from sightline.hub.lineage import node_of, record
from sightline.hub.models import add_evaluation, add_model, change_states
from sightline.phantoms.chest import CLASSES, chest_ct
from sightline.phantoms.people import Visit, uid_of, visit
from sightline.phantoms.series import WrittenSeries, write_series
from sightline.serve.pictures import overlay_picture
from sightline.values.arrival import Holding, OutgoingResult, Source
from sightline.values.collection import CollectionVersion
from sightline.values.finding import Finding, Measurement
from sightline.values.identity import InstanceUid, LineageId, SeriesUid, StudyUid
from sightline.values.lineage import Kind
from sightline.values.model import GateCheck, ReleaseRecord
from sightline.values.prediction import Prediction
from sightline.values.result import ResultIdentity

RUN_ID = LineageId("run-0a1b2c3d4e5f")
MODEL_ID = LineageId("model-0a1b2c3d4e5f")
SUBJECTS = 12


@dataclasses.dataclass(frozen=True, kw_only=True)
class Published:
    """A study with a prediction, as the tests expect to find it again."""

    study_uid: StudyUid
    written: WrittenSeries
    prediction: Prediction
    picture: bytes
    seg: ResultIdentity
    seg_content: bytes


@dataclasses.dataclass(frozen=True)
class Stage:
    """An archive, a hub, and functions that fill them."""

    archive: Archive
    hub: Hub
    folder: Path

    def receive(self, seed: int, *, slices: int = 12, of: Visit | None = None) -> WrittenSeries:
        """Receive a chest CT of one made-up person."""
        phantom = chest_ct(seed, shape=(slices, 96, 96))
        written = write_series(phantom.volume, self.folder / str(seed), visit=of or visit(seed))
        for path in written.files:
            keep(self.archive, path.read_bytes(), Source(name="test"))
        return written

    def complete(self) -> None:
        complete_quiet_studies(self.archive, quiet_period_s=0)

    def hold(self, written: WrittenSeries, reason: str) -> None:
        """Let the door hold a study."""
        held = Holding(
            study_uid=written.study_uid,
            series_uid=written.series_uid,
            reason=reason,
            detail="Images of this kind usually carry burned-in text.",
        )
        whole = study(self.archive, written.study_uid)
        record_door(self.archive, whole, state=f"held (quarantine: {reason})", held=[held])

    def predict(self, seed: int, written: WrittenSeries, finding: Finding) -> Published:
        """Publish the truth of a phantom as if a model had drawn it."""
        made = start_prediction(self.archive, prediction_of(seed, written))
        truth = chest_ct(seed, shape=written.volume.geometry.shape).truth
        drawn = dataclasses.replace(truth, author="covid-chest")
        sources = list(written.files)
        picture = overlay_picture(written.volume, drawn, footer=made.model_version)
        seg_identity = identity(made, "seg")
        seg = write_seg(drawn, sources, identity=seg_identity, is_manual=False)
        contents = {
            "seg": seg,
            "sr": write_sr(finding, read_sources(sources), seg, identity=identity(made, "sr")),
            "sc": write_sc(picture, read_sources(sources), identity=identity(made, "sc")),
        }
        results = [
            OutgoingResult(content=content, lineage_id=result_id(made, kind))
            for kind, content in contents.items()
        ]
        self._node(made.lineage_id, "prediction", [MODEL_ID], model=made.model_version)
        for each in results:
            self._node(each.lineage_id, "result", [made.lineage_id], model=made.model_version)
        finished = dataclasses.replace(
            made, finding=finding, picture_digest=self.archive.objects.put(png(picture))
        )
        publish(self.archive, finished, results, destinations=["PACS@127.0.0.1:11113"])
        return Published(
            study_uid=written.study_uid,
            written=written,
            prediction=finished,
            picture=png(picture),
            seg=seg_identity,
            seg_content=seg,
        )

    def teach(self) -> None:
        """Enter a model with all that it was learned from, an evaluation and a release."""
        members = [parent for number in range(SUBJECTS) for parent in self._subject(number)]
        chosen = CollectionVersion(name="covid", version=3, members=())
        inputs = [lineage_id(chosen)]
        self._node(inputs[0], "collection", members, name=chosen.label, series=str(SUBJECTS))
        for kind, facts in INPUTS.items():
            inputs.append(LineageId(f"{kind}-00c0ffee0002"))
            self._node(inputs[-1], kind, [], **facts)
        self._node(RUN_ID, "run", inputs)
        with self.hub.database.write() as connection:
            connection.execute(
                COLLECTION_VERSION.insert().values(
                    lineage_id=inputs[0],
                    name=chosen.name,
                    version=chosen.version,
                    digest=chosen.digest,
                    created_at=CREATED_AT,
                    test_evaluations=1,
                )
            )
            connection.execute(
                RUN.insert().values(
                    lineage_id=RUN_ID,
                    recipe="name: covid-chest\n",
                    collection=chosen.label,
                    state="finished",
                    record={},
                    created_at=CREATED_AT,
                    finished_at=CREATED_AT,
                )
            )
        model = add_model(
            self.hub, "covid-chest", run_id=RUN_ID, weights=b"weights", manifest={"recipe": ""}
        )
        add_evaluation(self.hub, model.lineage_id, chosen, split="test", content=EVALUATION)
        release = ReleaseRecord(
            model_id=model.lineage_id,
            from_state="candidate",
            to_state="live",
            approver="Dr Probe",
            reason="reached its gate",
            checks=(
                GateCheck(name="dice", asked="at least 0.8000", reached="0.8740", is_met=True),
            ),
            at=CREATED_AT,
        )
        change_states(self.hub, [release])

    def _subject(self, number: int) -> list[LineageId]:
        subject = LineageId(f"S-{hashlib.sha256(bytes([number])).hexdigest()[:10].upper()}")
        series = LineageId(uid_of(f"hub series {number}"))
        annotation = LineageId(f"annotation-{number:012x}")
        self._node(subject, "subject", [])
        self._node(series, "series", [subject], modality="CT", manufacturer="Phantom Works A")
        self._node(annotation, "annotation", [series], author="reader-1", classes="lesion")
        return [series, annotation]

    def _node(self, id_: LineageId, kind: Kind, parents: list[LineageId], **facts: str) -> None:
        node = node_of(id_, kind, name=facts.pop("name", id_), facts=facts)
        with self.hub.database.write() as connection:
            record(connection, node, parents)


CREATED_AT = "2026-01-15T08:30:00+00:00"
INPUTS: dict[Kind, dict[str, str]] = {
    "recipe": {"yaml": "name: covid-chest\ntask:\n  classes: [ground_glass]\n"},
    "code": {"name": "sightline 0.1.0", "digest": "5e" * 32},
    "environment": {"python": "3.11.2", "package:torch": "2.13.0"},
}
SCORE = {"mean": 0.874, "low": 0.841, "high": 0.902, "subjects": 8}
EVALUATION = {
    "format": "sightline-evaluation",
    "version": 1,
    "subjects": 8,
    "dice": SCORE | {"by_class": dict.fromkeys(CLASSES, SCORE)},
    "volume_error_ml": dict.fromkeys(CLASSES, 3.2),
    "series": [],
    "note": "Intervals are 95 % bootstraps over subjects. Research use only.",
}


def result_id(made: Prediction, kind: str) -> LineageId:
    return LineageId(f"{made.lineage_id.replace('prediction', 'result')}-{kind}")


def identity(made: Prediction, kind: str) -> ResultIdentity:
    id_ = result_id(made, kind)
    return ResultIdentity(
        instance_uid=InstanceUid(uid_of(id_)),
        series_uid=SeriesUid(uid_of(f"{id_}/series")),
        series_number={"seg": 9001, "sr": 9002, "sc": 9003}[kind],
        series_description=f"{made.model_version} {kind.upper()}",
        author="covid-chest",
        created_at=made.created_at,
        model_version=made.model_version,
        model_digest="ab" * 32,
        lineage_id=id_,
    )


def prediction_of(seed: int, written: WrittenSeries) -> Prediction:
    return Prediction(
        lineage_id=LineageId(f"prediction-{seed:012x}"),
        study_uid=written.study_uid,
        series_uid=written.series_uid,
        series_digest="00" * 32,
        model_id=MODEL_ID,
        model_version="covid-chest@1",
        created_at=CREATED_AT,
    )


def finding_of(priority: int, words: str, *, volume_ml: float = 84.3) -> Finding:
    measured = [
        Measurement(
            class_name=name,
            volume_ml=volume_ml / (number + 1),
            longest_diameter_mm=41.0 - 9 * number,
            components=3 - number if volume_ml else 0,
            tracking_uid=uid_of(f"{words}/{name}"),
        )
        for number, name in enumerate(CLASSES)
    ]
    return Finding(priority=priority, words=words, measurements=tuple(measured))


@dataclasses.dataclass(frozen=True)
class Served:
    """A site that answers at `url`, and what is on it."""

    url: str
    stage: Stage
    urgent: Published
    soon: Published
    routine: Published
    receiving: WrittenSeries
    held: WrittenSeries

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"{self.url}{path}", headers=headers, timeout=60)
