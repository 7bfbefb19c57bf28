import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.predict.windows import Sliding, corners, mirrored, slide, stitched

SIZES = st.integers(1, 60)


def values(windows: torch.Tensor) -> torch.Tensor:
    """Answer two logits that say what stood at every voxel."""
    return torch.cat([windows, -2 * windows], dim=1)


def noise(shape: tuple[int, int, int]) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=shape).astype(np.float32))


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
    image = noise(shape)
    logits = slide(values, image, Sliding(patch=(8, 8, 8), overlap=0.5, outputs=2))
    assert logits[0].numpy() == pytest.approx(image.numpy(), abs=1e-5)
    assert logits[1].numpy() == pytest.approx(-2 * image.numpy(), abs=1e-5)


@given(st.integers(1, 70), st.integers(3, 9), st.sampled_from((0.0, 0.25, 0.5, 0.7)))
def test_slices_come_in_order_a_window_deep_at_most(
    length: int, depth: int, overlap: float
) -> None:
    image = noise((length, 6, 5))
    sliding = Sliding(patch=(depth, 4, 4), overlap=overlap, outputs=2)
    slabs = list(stitched(values, image, sliding))
    assert max(slab.shape[1] for slab in slabs) <= depth
    assert torch.cat(slabs, dim=1)[0].numpy() == pytest.approx(image.numpy(), abs=1e-5)


def test_windows_of_air_are_not_asked_for_and_say_nothing() -> None:
    image = torch.zeros((8, 8, 24))
    image[:, :, 20] = 1.0
    asked: list[torch.Tensor] = []

    def look(windows: torch.Tensor) -> torch.Tensor:
        asked.append(windows)
        return values(windows + 3)

    logits = slide(look, image, Sliding(patch=(8, 8, 8), overlap=0.0, outputs=2, air=0.5))
    assert len(asked) == 1
    assert torch.equal(asked[0][0, 0], image[:, :, 16:])
    assert (logits[:, :, :, :16] == 0).all()
    assert (logits[0, :, :, 16:] > 2.9).all()


def test_mirroring_averages_every_mirror_image() -> None:
    windows = noise((4, 4, 4))[None, None]

    def lopsided(seen: torch.Tensor) -> torch.Tensor:
        return seen * torch.arange(4.0).view(1, 1, 4, 1, 1)

    both = mirrored(lopsided, (0, 2))(windows)
    assert both.numpy() == pytest.approx((windows * 1.5).numpy(), abs=1e-6)
    assert mirrored(lopsided, ()) is lopsided
