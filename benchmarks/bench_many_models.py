"""Several models on one CT: what they share of it read and prepared once, or by each for itself.

A phantom CT of 512 x 512 x 250 voxels with known lesions, and models that see it at one spacing:
the network of the shipped chest recipe, which learnt such lesions on other phantoms, and others
whose weights differ from its own by little, so that each draws a mask of its own. All weights are
resident and each model runs by the back end that its trial picks. Both contenders are Sightline,
from the checked files to SEG, SR and picture as bytes: `ours` as a study's job runs the models, one
after the other; the peer lets everything go after each, as runs that know nothing of each other do.
Rounds are interleaved; medians count. The masks of both are compared.

One JSON line a spacing.
"""

import argparse
import dataclasses
import hashlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
from benchmarks.predict.work import make as make_work
from benchmarks.predict.work import plan_of, recipe_of
from safetensors.torch import load_file

from sightline.formats.dicom_file import read_header
from sightline.formats.dicom_image import read_volumes
from sightline.hub.hub import Hub, new_id
from sightline.hub.models import add_model, enter_foreign_run
from sightline.networks.weights import load_tensors
from sightline.predict.model import ModelManifest, weights_bytes
from sightline.serve.engine import Engine
from sightline.serve.making import Made, make
from sightline.values.identity import Digest, LineageId
from sightline.values.model import ModelRecord, RunRecord
from sightline.values.prediction import Prediction

_MOST_SHARE = 0.6
_CREATED = "2026-01-02T03:04:05+00:00"
_NETWORK = ((48, 64, 64), (8, 32, 64, 128, 128))  # as in the recipe `covid-chest`
_UNLIKE = 0.002  # share of a weight by which those of two models differ


def main(arguments: list[str]) -> None:
    """Enter the models, let both contenders run them, and print a line for each spacing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, nargs=3, default=[250, 512, 512])
    parser.add_argument("--models", type=int, default=12)
    parser.add_argument("--spacings", type=float, nargs="+", default=[3.0, 1.5], help="mm")
    parser.add_argument("--steps", type=int, default=100, help="of the network's training")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keeps the taught networks for the next time")
    given = parser.parse_args(arguments)
    size = (given.size[0], given.size[1], given.size[2])
    for spacing in given.spacings:
        with tempfile.TemporaryDirectory() as scratch:
            folder = (given.work or Path(scratch)) / f"{spacing:g}"
            plan = dataclasses.replace(plan_of(*_NETWORK, overlap=0.25), spacing_mm=(spacing,) * 3)
            work = make_work(folder, size=size, plan=plan, steps=given.steps, lessons=4)
            hub = Hub.at(Path(scratch) / "hub")
            records = [
                enter(hub, work.folder, work.manifest, number=each) for each in range(given.models)
            ]
            line = compare(hub, records, work.folder / "dicom", rounds=given.rounds)
        line["data"] = f"phantom CT of {'x'.join(map(str, size))}, seen at {spacing:g} mm"
        print(json.dumps(line), flush=True)


def compare(
    hub: Hub, records: list[ModelRecord], folder: Path, *, rounds: int
) -> dict[str, object]:
    """Run all models both ways, in turn; hold times and results against each other."""
    files = sorted(folder.iterdir())
    engine = Engine(hub, threads=0)
    (volume,) = read_volumes(files).volumes
    chosen = [engine.try_back_ends(each, volume).back_end for each in records]
    seconds: dict[bool, list[float]] = {True: [], False: []}
    made: dict[bool, list[Made]] = {}
    for each in records:
        engine.load(each)
    for number in range(rounds + 1):
        for shares in (True, False):
            began = time.perf_counter()
            made[shares] = run(engine, records, files, shares=shares)
            if number:  # the first round warms
                seconds[shares].append(time.perf_counter() - began)
            print(json.dumps({"shares": shares, **_steps(made[shares])}), file=sys.stderr)
    ours, peer = (statistics.median(seconds[shares]) for shares in (True, False))
    return {
        "name": f"{len(records)} models of one spacing on one CT, beside as many runs apart",
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(peer / ours, 2),
        "unit": "s",
        "share": round(ours / peer, 3),
        "holds": ours <= _MOST_SHARE * peer,
        "same results": sum(
            one.objects == other.objects for one, other in zip(made[True], made[False], strict=True)
        ),
        "different masks": len({each.objects[min(each.objects)][-4096:] for each in made[True]}),
        "back ends": sorted(set(chosen)),
    }


def run(
    engine: Engine, records: list[ModelRecord], files: list[Path], *, shares: bool
) -> list[Made]:
    """Let every model look at the series."""
    made = []
    for record in records:
        inputs = [Digest(hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
        made.append(
            make(
                engine,
                record,
                _prediction(record, files),
                files=files,
                inputs=inputs,
                patient=None,
            )
        )
        if not shares:
            engine.at_hand.forget()
    engine.at_hand.forget()
    return made


def enter(hub: Hub, folder: Path, manifest: ModelManifest, *, number: int) -> ModelRecord:
    """Enter a model whose weights are like those that were taught."""
    run_id = LineageId(new_id("run"))
    recipe = recipe_of(1).model_copy(update={"name": f"chest-{number}"})
    enter_foreign_run(
        hub,
        RunRecord(
            lineage_id=run_id,
            recipe=recipe.to_yaml(),
            collection="",
            state="started",
            record={"code": {"name": "code", "digest": "0"}, "environment": {}},
            created_at=_CREATED,
        ),
        facts={"source": "benchmark"},
    )
    network = manifest.build()
    load_tensors(network, load_file(folder / "network.safetensors"))
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for weight in network.parameters():
            noise = torch.randn(weight.shape, generator=generator)
            weight.mul_(1 + _UNLIKE * number * noise)
    weights = weights_bytes(network, manifest.classes)
    own = dataclasses.replace(
        manifest, recipe=recipe.to_yaml(), weights_digest=hub.objects.put(weights)
    )
    return add_model(hub, recipe.name, run_id=run_id, weights=weights, manifest=own.to_json())


def _prediction(record: ModelRecord, files: list[Path]) -> Prediction:
    header = read_header(files[0].read_bytes())
    return Prediction(
        lineage_id=LineageId(f"prediction-{record.name}"),
        study_uid=header.study_uid,
        series_uid=header.series_uid,
        series_digest="",
        model_id=record.lineage_id,
        model_version=record.label,
        created_at=_CREATED,
    )


def _steps(made: list[Made]) -> dict[str, float]:
    names = made[0].making.seconds
    return {name: round(sum(each.making.seconds[name] for each in made), 2) for name in names}


if __name__ == "__main__":
    main(sys.argv[1:])
