"""Runs Sightline on a DICOM folder as its worker does; prints one JSON line a run.

Arguments: the folder of the work, the back end, the share that windows overlap, how often. `trial`
as a back end tries all and keeps which is picked; `picked` runs that one.
"""

import dataclasses
import json
import sys
import time
from pathlib import Path

import torch

from sightline.engines.limited import Limits
from sightline.formats.dicom_image import read_volumes
from sightline.formats.seg import write_seg
from sightline.predict.engine import answer, set_threads, windows_of
from sightline.predict.model import Model, ModelManifest
from sightline.predict.trial import try_back_ends
from sightline.predict.windows import corners
from sightline.prepare.grid import NetworkGrid
from sightline.settings import LEAST_AGREEMENT
from sightline.values.identity import InstanceUid, SeriesUid
from sightline.values.plan import Plan
from sightline.values.result import ResultIdentity
from sightline.values.trial import picked
from sightline.values.volume import Volume


def main(folder: Path, back_end: str, *, overlap: float, rounds: int) -> None:
    """Load once, then answer as often as asked."""
    set_threads(0)
    manifest = ModelManifest.from_json(json.loads((folder / "asked.json").read_text()))
    manifest = dataclasses.replace(
        manifest, plan=dataclasses.replace(manifest.plan, overlap=overlap)
    )
    model = Model.load(folder / "network.safetensors", manifest)
    files = sorted((folder / "dicom").iterdir())
    if back_end == "trial":
        _try(model, files, folder)
        return
    if back_end == "picked":
        back_end = json.loads((folder / "picked.json").read_text())["back_end"]
    timed = Timed(model.by(back_end))
    timed.look(torch.zeros((1, 1, *manifest.plan.patch)))
    for number in range(rounds):
        timed.seconds, timed.windows = 0.0, 0
        began = time.perf_counter()
        limits = Limits.for_files(files, frames=len(files))
        (volume,) = limits.call(read_volumes, files).volumes
        read = time.perf_counter()
        drawn = answer(timed.model, volume).segmentation
        if drawn is None:
            raise AssertionError("a segmentation answers with a mask")
        answered = time.perf_counter()
        content = write_seg(drawn, files, identity=_identity(number), is_manual=False)
        (folder / "sightline.dcm").write_bytes(content)
        ended = time.perf_counter()
        torch.save(torch.from_numpy(drawn.mask), folder / "sightline.pt")
        print(
            json.dumps(
                {
                    "total_s": ended - began,
                    "network_s": timed.seconds,
                    "read_s": read - began,
                    "predict_s": answered - read,
                    "write_s": ended - answered,
                    "windows": timed.windows,
                    "full_grid_windows": _full_grid(volume, manifest.plan),
                    "back_end": back_end,
                }
            ),
            flush=True,
        )


def _try(model: Model, files: list[Path], folder: Path) -> None:
    (volume,) = read_volumes(files).volumes
    trials = try_back_ends(
        model,
        windows_of(model, volume),
        tell=lambda trial: print(json.dumps(dataclasses.asdict(trial)), flush=True),
    )
    chosen = picked(trials, least_agreement=LEAST_AGREEMENT)
    if chosen is None:
        raise AssertionError("eager agrees with itself")
    (folder / "picked.json").write_text(json.dumps(dataclasses.asdict(chosen)))


class Timed:
    """A model that counts how long its network takes."""

    def __init__(self, model: Model) -> None:
        self._look = model.look
        self.model = dataclasses.replace(model, look=self.look)
        self.seconds, self.windows = 0.0, 0

    def look(self, windows: torch.Tensor) -> torch.Tensor:
        """Answer as the model does."""
        began = time.perf_counter()
        logits = self._look(windows)
        self.seconds += time.perf_counter() - began
        self.windows += len(windows)
        return logits


def _full_grid(volume: Volume, plan: Plan) -> int:
    """Count the windows of all of the network's grid."""
    shape = NetworkGrid.over(volume.geometry, plan.spacing_mm).shape
    return len(list(corners(shape, plan.patch, plan.overlap)))


def _identity(number: int) -> ResultIdentity:
    return ResultIdentity(
        instance_uid=InstanceUid(f"2.25.{1000 + number}"),
        series_uid=SeriesUid("2.25.999"),
        series_number=1,
        series_description="bench",
        author="bench",
        created_at="2026-11-30T00:00:00+00:00",
        model_version="bench@1",
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], overlap=float(sys.argv[3]), rounds=int(sys.argv[4]))
