"""Each subject is held out once; the model of all folds averages what they hold probable."""

from pathlib import Path

import pytest
import torch

from sightline.errors import Refused
from sightline.hub.hub import Hub
from sightline.hub.lineage import trace
from sightline.hub.models import model, run, runs
from sightline.predict.ensemble import Ensemble
from sightline.predict.model import Model, ModelManifest
from sightline.train.cross import begin_cross, train_cross
from sightline.train.progress import Progress
from sightline.train.session import Session, Wish, begin, resume
from sightline.values.model import ModelRecord
from tests.train.hub import LABEL, TINY, workplace


class Stopped(BaseException):
    """Stands for whatever ends a process in the middle of a run."""


def _load(hub: Hub, record: ModelRecord) -> Model:
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        return Model.load(weights, ModelManifest.from_json(record.manifest))


def test_folds_that_were_stopped_go_on_and_make_one_model(hub: Hub, tmp_path: Path) -> None:
    place = workplace(tmp_path)
    session = begin_cross(hub, TINY, LABEL, folds=2, workplace=place, wish=Wish())
    seen: list[str] = []

    def stop(progress: Progress) -> None:
        if len(seen) == 2 and progress.step == 3:
            raise Stopped

    def note(own: Session) -> None:
        seen.append(str(own.fold))

    with pytest.raises(Stopped):
        train_cross(hub, session, on_fold=note, on_progress=stop)
    again = resume(hub, session.run_id, runs_dir=tmp_path / "runs")
    trained = train_cross(hub, again, on_fold=note, on_progress=lambda _: None)
    assert seen == ["1/2", "2/2", "2/2"]
    assert run(hub, session.run_id).state == "finished"
    assert [each["subjects"] for each in trained.record["cross_validation"]] == [3, 2]
    assert trained.model.label == "tiny@1"
    parts = [each for each in runs(hub) if each.record.get("part_of") == session.run_id]
    assert len(parts) == 2
    _check_average(hub, trained.model)
    above = {step.node.name for step in trace(hub, "tiny@1", "up").steps}
    assert {"tiny-fold-1@1", "tiny-fold-2@1", LABEL} <= above
    with pytest.raises(Refused, match="several networks"):
        begin(hub, TINY, LABEL, workplace=place, wish=Wish(start_from="tiny@1"))


def _check_average(hub: Hub, made: ModelRecord) -> None:
    ensemble = _load(hub, made)
    folds = [_load(hub, model(hub, f"tiny-fold-{number}")) for number in (1, 2)]
    image = torch.randn((1, 1, *ensemble.manifest.plan.patch))
    with torch.inference_mode():
        mean = sum(each.network(image).softmax(dim=1) for each in folds) / 2
        assert torch.allclose(ensemble.network(image).softmax(dim=1), mean, atol=1e-6)


def test_one_fold_is_refused(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="holds nothing out"):
        begin_cross(hub, TINY, LABEL, folds=1, workplace=workplace(tmp_path), wish=Wish())


def test_an_ensemble_of_one_network_says_what_it_says(hub: Hub, tmp_path: Path) -> None:
    session = begin_cross(hub, TINY, LABEL, folds=2, workplace=workplace(tmp_path), wish=Wish())
    manifest = ModelManifest(
        recipe=TINY.to_yaml(), plan=session.plan, classes=session.plan.classes, weights_digest=""
    )
    network = manifest.build().eval()
    image = torch.randn((1, 1, *session.plan.patch))
    with torch.inference_mode():
        alone = network(image).softmax(dim=1)
        both = Ensemble([network, network], session.plan)(image).softmax(dim=1)
    assert torch.allclose(alone, both, atol=1e-6)
