"""The shortcut against the whole computation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.predict.labels import LogitsBox, decide
from sightline.prepare.grid import Lerp

RATIOS = st.sampled_from((1.0, 0.4, 0.77, 1.5, 2.0, 3.3))


def highest(logits: torch.Tensor) -> torch.Tensor:
    return logits.argmax(dim=0).to(torch.uint8)


def _everything(
    logits: torch.Tensor, shape: tuple[int, ...], ratio: tuple[float, ...]
) -> torch.Tensor:
    return torch.stack([_interpolated(each, shape, ratio) for each in logits])


def _interpolated(
    values: torch.Tensor, shape: tuple[int, ...], ratio: tuple[float, ...]
) -> torch.Tensor:
    for axis in range(3):
        at = (torch.arange(shape[axis], dtype=torch.float64) + 0.5) / ratio[axis] - 0.5
        values = Lerp.at(at, values.shape[axis]).along(values, axis)
    return values


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.tuples(RATIOS, RATIOS, RATIOS), st.integers(2, 5))
def test_the_winner_is_that_of_logits_interpolated_everywhere(
    seed: int, ratio: tuple[float, float, float], classes: int
) -> None:
    random = np.random.default_rng(seed)
    coarse = (4, 6, 5)
    smooth = np.cumsum(random.normal(size=(classes, *coarse)), axis=1 + seed % 3)
    logits = torch.from_numpy(smooth.astype(np.float32))
    box = LogitsBox(
        slabs=logits.split(1 + seed % 4, dim=1), shape=coarse, first=(0, 0, 0), grid_shape=coarse
    )
    shape = tuple(max(1, round(n * r)) for n, r in zip(coarse, ratio, strict=True))
    mask = decide(box, shape=(shape[0], shape[1], shape[2]), ratio=ratio, winner_of=highest)
    fine = _everything(logits, shape, ratio)
    best = fine.max(dim=0).values
    chosen = fine.gather(0, torch.from_numpy(mask.astype(np.int64))[None])[0]
    # Rounding may decide between logits that are equal to the last bits, and nothing else.
    assert (best - chosen).max() < 1e-5
    agree = (fine.argmax(dim=0).numpy() == mask).mean()
    assert agree == pytest.approx(1, abs=1e-3)


def test_the_same_grid_is_a_plain_argmax() -> None:
    logits = torch.randn((3, 5, 6, 7), generator=torch.Generator().manual_seed(0))
    box = LogitsBox(slabs=[logits], shape=(5, 6, 7), first=(0, 0, 0), grid_shape=(5, 6, 7))
    mask = decide(box, shape=(5, 6, 7), ratio=(1, 1, 1), winner_of=highest)
    assert (mask == logits.argmax(dim=0).numpy()).all()


def test_outside_the_box_nothing_is_found() -> None:
    logits = torch.zeros((2, 2, 3, 2))
    logits[1] = 1
    box = LogitsBox(slabs=[logits], shape=(2, 3, 2), first=(1, 0, 2), grid_shape=(4, 3, 6))
    mask = decide(box, shape=(8, 6, 12), ratio=(2.0, 2.0, 2.0), winner_of=highest)
    where = np.argwhere(mask)
    assert where.min(axis=0).tolist() == [2, 0, 4]
    assert where.max(axis=0).tolist() == [5, 5, 7]
    assert mask.sum() == 4 * 6 * 4
