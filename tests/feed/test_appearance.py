"""Patches look as their draws say, each its own way."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sightline.feed.appearance import alter
from sightline.feed.draws import Appearance, Draw


def _draw(**changes: object) -> Draw:
    return Draw(
        example=0,
        to_source=np.eye(3, 4),
        bounds=((0, 1), (0, 1), (0, 1)),
        appearance=dataclasses.replace(Appearance(), **changes),  # type: ignore[arg-type]
        noise_seed=3,
    )


def _images(count: int, edge: int = 12) -> torch.Tensor:
    shape = (count, 1, edge, edge, edge)
    return torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 7 - 3


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_each_patch_of_a_batch_is_altered_by_its_own_draw() -> None:
    images = _images(3)
    altered = alter(images.clone(), [_draw(), _draw(brightness=0.5), _draw(noise=0.2)])
    assert torch.equal(altered[0], images[0])
    assert altered[1].numpy() == pytest.approx(images[1].numpy() + 0.5, abs=1e-5)
    assert float((altered[2] - images[2]).std()) == pytest.approx(0.2, rel=0.1)


def test_contrast_keeps_the_mean() -> None:
    images = _images(1)
    altered = alter(images.clone(), [_draw(contrast=1.3)])
    assert float(altered.mean()) == pytest.approx(float(images.mean()), abs=1e-5)
    assert float(altered.std()) == pytest.approx(1.3 * float(images.std()), rel=1e-5)


@pytest.mark.parametrize("is_inverted", [False, True])
def test_gamma_keeps_the_range_of_values(is_inverted: bool) -> None:
    images = _images(1)
    bent = alter(images.clone(), [_draw(gamma=1.5, is_inverted=is_inverted)])
    assert float(bent.min()) == pytest.approx(float(images.min()), abs=1e-5)
    assert float(bent.max()) == pytest.approx(float(images.max()), abs=1e-5)
    assert (bent.mean() > images.mean()) == is_inverted


def test_blur_is_a_gaussian() -> None:
    point = torch.zeros((1, 1, 11, 11, 11))
    point[0, 0, 5, 5, 5] = 1
    blurred = alter(point, [_draw(blur=0.9)])[0, 0].double().numpy()
    along = np.exp(-0.5 * ((np.arange(11) - 5) / 0.9) ** 2)
    along[np.abs(np.arange(11) - 5) > 3.6] = 0
    along /= along.sum()
    wanted = along[:, None, None] * along[None, :, None] * along[None, None, :]
    # Ends are weighed by what there is of the Gaussian, so the very border is left out.
    inside = (slice(2, -2),) * 3
    assert blurred[inside] == pytest.approx(wanted[inside], abs=1e-6)


def test_low_resolution_keeps_what_is_smooth_and_loses_what_is_fine() -> None:
    ramp = torch.arange(20.0).expand(1, 1, 20, 20, 20).clone()
    ramped = alter(ramp.clone(), [_draw(low_resolution=0.5)])
    assert ramped[..., 2:-2].numpy() == pytest.approx(ramp[..., 2:-2].numpy(), abs=0.51)
    fine = (torch.arange(20) % 2).float().expand(1, 1, 20, 20, 20).clone()
    assert float(alter(fine.clone(), [_draw(low_resolution=0.5)]).std()) < float(fine.std()) / 2


@pytest.mark.usefixtures("threads")
def test_no_bit_depends_on_the_number_of_threads() -> None:
    images = _images(2, 61)
    look = {"noise": 0.1, "blur": 0.7, "contrast": 1.2, "low_resolution": 0.7, "gamma": 1.3}
    draws = [_draw(**look), _draw(**look, is_inverted=True, brightness=0.1)]
    made = []
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        made.append(alter(images.clone(), draws))
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])
