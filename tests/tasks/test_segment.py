import numpy as np
import pytest
import torch

from sightline.tasks.segment import PLUGIN

CLASSES = ("one", "two")


def test_scores_count_voxels_by_class() -> None:
    truth = np.zeros((4, 4, 4), np.uint8)
    truth[:2] = 1
    answer = np.zeros_like(truth)
    answer[:1] = 1
    answer[3] = 2
    one, two = PLUGIN.score(answer, truth, CLASSES, voxel_ml=0.5)
    assert one.dice == pytest.approx(2 * 16 / (16 + 32))
    assert (one.truth_ml, one.volume_error_ml) == (16.0, -8.0)
    assert (two.dice, two.truth_ml, two.volume_error_ml) == (0.0, 0.0, 8.0)


def test_a_class_in_neither_mask_has_no_dice() -> None:
    empty = np.zeros((2, 2, 2), np.uint8)
    assert [each.dice for each in PLUGIN.score(empty, empty, CLASSES, voxel_ml=1)] == [None, None]


def _logits(mask: torch.Tensor, certainty: float) -> list[torch.Tensor]:
    fine = torch.nn.functional.one_hot(mask, 3).movedim(-1, 1) * certainty
    return [fine, fine[:, :, ::2, ::2, ::2], fine[:, :, ::4, ::4, ::4]]


def test_the_loss_falls_to_nothing_as_the_answer_becomes_right() -> None:
    mask = torch.randint(0, 3, (2, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    losses = [float(PLUGIN.loss(_logits(mask, certainty), mask)) for certainty in (0.0, 2.0, 20.0)]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 1e-3


def test_the_loss_has_a_gradient_where_no_class_is_present() -> None:
    mask = torch.zeros((1, 4, 4, 4), dtype=torch.int64)
    logits = torch.zeros((1, 3, 4, 4, 4), requires_grad=True)
    PLUGIN.loss([logits], mask).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0
