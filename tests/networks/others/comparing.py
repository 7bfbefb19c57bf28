"""What Sightline makes of weights of others, beside what their own framework made."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline.networks.contract import NETWORKS, build_network
from sightline.networks.fitting import LayerReport, fit_tensors
from sightline.networks.sources.contract import Brought, Hints, read_weights
from sightline.predict.engine import predict
from sightline.predict.model import Model, ModelManifest
from sightline.predict.windows import Sliding, slide
from sightline.prepare.image import prepare_image
from sightline.values.geometry import Geometry
from sightline.values.recipe import Recipe
from sightline.values.volume import Volume
from tests.networks.others.phantoms import LARGER, SPACING_MM, blobs, pattern

TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compared:
    """Sightline beside the framework the weights are from.

    Attributes:
        logits: largest difference of the network's answers for one patch.
        probabilities: largest difference for a volume of one window, prepared by each.
        mask: share of its voxels that are drawn alike.
        larger_mask: the same, of a volume of several windows.
        spread: deviation of the answers that were compared, which are not all alike.
    """

    report: LayerReport
    logits: float
    probabilities: float
    mask: float
    larger_mask: float
    spread: float


def assert_alike(compared: Compared) -> None:
    """Hold the weights to be read whole, and the answers to be those of home."""
    report = compared.report
    assert report.loaded
    assert not report.skipped
    assert not report.unused
    assert not report.adapted
    assert compared.spread > 0.1
    assert compared.logits < TOLERANCE
    assert compared.probabilities < TOLERANCE
    assert compared.mask > 0.995
    assert compared.larger_mask > 0.97


def change_json(path: Path, **changes: Any) -> None:  # noqa: ANN401 - JSON
    """Change some keys of a file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def compare(folder: Path, shape: tuple[int, int, int], *, own_axes: bool = False) -> Compared:
    """Compare with the reference in a folder.

    Args:
        folder: of a source, with reference.npz.
        shape: of the volume of one window.
        own_axes: whether the patch of the reference lies on MONAI's axes, x, y, z towards RAS.
    """
    _, brought = read_weights(folder, Hints(orientation="" if own_axes else "LPS"))
    model, report = loaded(brought)
    plan = brought.plan
    with np.load(folder / "reference.npz") as reference:
        size = plan.patch[::-1] if own_axes else plan.patch
        patch = torch.from_numpy(pattern((1, 1, *size)) / 64).float()
        if own_axes:
            patch = patch.permute(0, 1, 4, 3, 2).flip(3, 4)
        with torch.inference_mode():
            logits = model.network(patch)
            if own_axes:
                logits = logits.flip(3, 4).permute(0, 1, 4, 3, 2)
            probabilities = _probabilities(model, _volume(shape))
        theirs = reference["logits"].reshape(logits[..., ::4, ::4, ::4].shape)
        return Compared(
            report=report,
            logits=float(np.abs(logits[..., ::4, ::4, ::4].numpy() - theirs).max()),
            probabilities=float(
                np.abs(probabilities[..., ::4, ::4, ::4] - reference["probabilities"]).max()
            ),
            mask=float((predict(model, _volume(shape)).mask == reference["mask"]).mean()),
            larger_mask=float(
                (predict(model, _volume(LARGER)).mask == reference["larger_mask"]).mean()
            ),
            spread=float(reference["logits"].std()),
        )


def loaded(brought: Brought) -> tuple[Model, LayerReport]:
    """Put weights into their network."""
    plan = brought.plan
    network = build_network(plan)
    report = fit_tensors(network, brought.tensors, kind=NETWORKS.get(plan.network))
    recipe = Recipe.from_yaml("{name: others, title: T, task: {classes: [bright, brighter]}}")
    manifest = ModelManifest(
        recipe=recipe.to_yaml(), plan=plan, classes=plan.classes, weights_digest=""
    )
    return Model.of(network, manifest), report


def _volume(shape: tuple[int, int, int]) -> Volume:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(SPACING_MM)[:, ::-1]  # axes of the voxels are z, y, x
    geometry = Geometry.from_affine(shape, affine)
    return Volume(voxels=blobs(100, shape)[0], geometry=geometry, modality="CT")


def _probabilities(model: Model, volume: Volume) -> np.ndarray:
    plan = model.manifest.plan
    image = prepare_image(volume, plan).image
    axes = [[]]
    for axis in plan.mirror_axes:
        axes += [[*each, axis] for each in axes]
    sliding = Sliding(patch=plan.patch, overlap=plan.overlap, outputs=len(plan.classes) + 1)
    looks = []
    for flipped in axes:
        logits = slide(model.network, image.flip(flipped), sliding)
        looks.append(logits.flip([axis + 1 for axis in flipped]))
    answer: np.ndarray = torch.stack(looks).mean(0).softmax(0).numpy()
    return answer
