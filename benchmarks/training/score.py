"""How masks of held-out subjects are scored, whoever drew them."""

from pathlib import Path

import numpy as np
from benchmarks.training.work import CLASSES, SEED, Pair, stored

from sightline.predict.engine import predict
from sightline.predict.model import Model
from sightline.values.arrays import Mask
from sightline.values.volume import Volume

_REPLICATES = 10_000
_INTERVAL = (0.025, 0.975)


def score(model: Model, pairs: list[Pair], folder: Path) -> np.ndarray:
    """Apply a model as it ships; return each subject's Dice."""
    found = []
    for example, pair in zip(stored(folder, pairs), pairs, strict=True):
        volume = Volume(
            voxels=example.volume.read(), geometry=example.geometry, modality=example.modality
        )
        found.append(dice(predict(model, volume).mask, pair.mask))
    return np.array(found)


def dice(drawn: Mask, truth: Mask) -> float:
    """Average the Dice of the structures that truth or answer hold."""
    scores = []
    for number in range(1, len(CLASSES) + 1):
        one, other = drawn == number, truth == number
        total = int(one.sum()) + int(other.sum())
        if total:
            scores.append(2 * int((one & other).sum()) / total)
    return float(np.mean(scores))


def paired_interval(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the mean of one minus the other, whole subjects drawn again."""
    apart = np.asarray(one) - np.asarray(other)
    drawn = np.random.default_rng(SEED).integers(len(apart), size=(_REPLICATES, len(apart)))
    low, high = np.quantile(apart[drawn].mean(axis=1), _INTERVAL)
    return float(low), float(high)
