import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sightline.predict.windows import corners, slide

SIZES = st.integers(1, 60)


class Values(nn.Module):
    """Answers two logits that say what stood at every voxel."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.cat([image, -2 * image], dim=1)


@given(st.tuples(SIZES, SIZES, SIZES), st.sampled_from((0.0, 0.25, 0.5)))
def test_windows_cover_everything_and_overlap_as_asked(
    extra: tuple[int, int, int], overlap: float
) -> None:
    patch = (8, 12, 16)
    shape = (patch[0] + extra[0], patch[1] + extra[1], patch[2] + extra[2])
    placed = list(corners(shape, patch, overlap))
    for axis, (size, length) in enumerate(zip(shape, patch, strict=True)):
        starts = sorted({corner[axis] for corner in placed})
        assert starts[0] == 0
        assert starts[-1] == size - length
        assert all(b - a <= length * (1 - overlap) + 1 for a, b in itertools.pairwise(starts))
    assert len(placed) == len(set(placed))


@pytest.mark.parametrize("shape", [(8, 8, 8), (20, 9, 13), (3, 20, 5)])
def test_stitching_gives_back_what_every_window_saw(shape: tuple[int, int, int]) -> None:
    image = torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))
    logits = slide(Values(), image, patch=(8, 8, 8), overlap=0.5)
    assert logits[0].numpy() == pytest.approx(image.numpy(), abs=1e-5)
    assert logits[1].numpy() == pytest.approx(-2 * image.numpy(), abs=1e-5)
