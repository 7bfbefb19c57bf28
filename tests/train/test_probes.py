"""Images from which something was taken away."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sightline.judge.metrics import figure_of, metrics_of
from sightline.judge.shortcuts import check_shortcuts
from sightline.train.probes import border_only, slightly_changed, without_region
from sightline.values.evaluation import ProbeFigure
from sightline.values.geometry import Geometry
from sightline.values.volume import Volume
from tests.judge.examples import scores

SHAPE = (8, 32, 24)


@pytest.fixture
def volume() -> Volume:
    voxels = np.random.default_rng(0).normal(100, 5, SHAPE).astype(np.int16)
    voxels[3:6, 10:16, 8:12] += 400
    geometry = Geometry.from_affine(SHAPE, np.eye(4))
    return Volume(voxels=voxels, geometry=geometry, modality="MR")


def region() -> np.ndarray:
    found = np.zeros(SHAPE, bool)
    found[3:6, 10:16, 8:12] = True
    found[3, 10, 8] = False
    return found


def test_the_region_is_gone_and_all_else_stays(volume: Volume) -> None:
    left = without_region(volume, region())
    inside = left.voxels[3:6, 10:16, 8:12]
    # Like what surrounds it, not flat: a flat patch would show its outline.
    assert abs(inside.mean() - 100) < 3
    assert 3 < inside.std() < 8
    box = (slice(1, 8), slice(8, 18), slice(6, 14))
    far = np.ones(SHAPE, bool)
    far[box] = False
    assert np.array_equal(left.voxels[far], volume.voxels[far])
    # The corner that is not of the region is filled, too: a box has no outline to copy.
    assert left.voxels[3, 10, 8] != volume.voxels[3, 10, 8]
    assert left.voxels.dtype == np.int16


def test_slightly_changed_is_nearly_the_same(volume: Volume) -> None:
    changed = slightly_changed(volume).voxels
    assert changed.dtype == np.int16
    off = (changed - volume.voxels).std() / volume.voxels.std()
    assert off == pytest.approx(1 / 20, rel=0.1)
    assert np.array_equal(changed, slightly_changed(volume).voxels)


def test_each_part_has_a_box_of_its_own(volume: Volume) -> None:
    two = np.zeros(SHAPE, bool)
    two[2, 2:5, 2:5] = two[6, 25:28, 18:21] = True
    left = without_region(volume, two)
    assert np.array_equal(left.voxels[4, 12:20, 8:16], volume.voxels[4, 12:20, 8:16])
    assert not np.array_equal(left.voxels[2, 2:5, 2:5], volume.voxels[2, 2:5, 2:5])


def test_only_the_border_is_left(volume: Volume) -> None:
    left = border_only(volume).voxels
    assert np.array_equal(left[:, :4], volume.voxels[:, :4])
    assert np.array_equal(left[:, :, -3:], volume.voxels[:, :, -3:])
    assert left[3:6, 10:16, 8:12].max() < 200


def test_it_is_the_same_every_time_and_the_volume_stays(volume: Volume) -> None:
    before = volume.voxels.copy()
    first, second = without_region(volume, region()), without_region(volume, region())
    assert np.array_equal(first.voxels, second.voxels)
    assert np.array_equal(volume.voxels, before)


def test_an_empty_region_changes_nothing(volume: Volume) -> None:
    left = without_region(volume, np.zeros(SHAPE, bool))
    assert np.array_equal(left.voxels, volume.voxels)


def test_where_everything_is_hidden_nothing_is_left(volume: Volume) -> None:
    left = without_region(volume, np.ones(SHAPE, bool)).voxels
    correlation = np.corrcoef(left.ravel(), volume.voxels.ravel())[0, 1]
    assert abs(correlation) < 0.1
    assert left.mean() == pytest.approx(volume.voxels.mean(), rel=0.1)


def test_a_flat_image(volume: Volume) -> None:
    flat = Volume(
        voxels=volume.voxels[4:5],
        geometry=Geometry.from_affine((1, *SHAPE[1:]), np.eye(4)),
        modality="DX",
    )
    assert without_region(flat, region()[4:5]).voxels[0, 10:16, 8:12].max() < 200


@pytest.mark.gate
def test_of_real_x_rays_the_border_alone_tells_tuberculosis(test_data: Path) -> None:
    """A linear model of 16 x 16 means, on folds it did not see, reads more than the lungs."""
    paths = sorted((test_data / "chest_xray_tb").glob("*/images/*.jpg"))
    truths = np.array([path.stem.endswith("_1") for path in paths])
    images = [_grey(path, 128) for path in paths]
    lungs = [_grey(path.parent.parent / "masks" / path.name, 128) > 127 for path in paths]
    shown = {
        "nothing hidden": images,
        "the lungs hidden": [
            without_region(_flat(image), mask[None]).voxels[0]
            for image, mask in zip(images, lungs, strict=True)
        ],
        "all but the border hidden": [border_only(_flat(image)).voxels[0] for image in images],
    }
    seen = {name: np.array([_means(each) for each in found]) for name, found in shown.items()}
    scored = {name: np.zeros(len(truths)) for name in seen}
    for known, held_out in StratifiedKFold(5, shuffle=True, random_state=0).split(images, truths):
        fitted = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
        fitted.fit(seen["nothing hidden"][known], truths[known])
        for name, each in seen.items():
            scored[name][held_out] = fitted.predict_proba(each[held_out])[:, 1]
    area = metrics_of("classify")[0]
    figures = {name: figure_of(area, scores(each, truths)) for name, each in scored.items()}
    whole = figures.pop("nothing hidden")
    found = check_shortcuts(
        scores(scored["nothing hidden"], truths),
        [
            ProbeFigure(probe=name, metric="AUROC", figure=figure, whole=whole, chance=0.5)
            for name, figure in figures.items()
        ],
    )
    assert whole.value == pytest.approx(0.83, abs=0.02)
    assert found.is_suspect
    assert found.words.count("rests on something else") == 2


def _grey(path: Path, side: int) -> np.ndarray:
    return np.array(Image.open(path).convert("L").resize((side, side), Image.Resampling.BILINEAR))


def _flat(image: np.ndarray) -> Volume:
    geometry = Geometry.from_affine((1, *image.shape), np.eye(4))
    return Volume(voxels=image[None], geometry=geometry, modality="DX")


def _means(image: np.ndarray) -> np.ndarray:
    return image.astype(np.float32).reshape(16, 8, 16, 8).mean(axis=(1, 3)).ravel()
