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


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_the_loss_falls_to_nothing_as_the_answer_becomes_right(balance: float) -> None:
    mask = torch.randint(0, 3, (2, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    losses = [
        float(PLUGIN.loss(_logits(mask, certainty), mask, class_balance=balance))
        for certainty in (0.0, 2.0, 20.0)
    ]
    assert losses[0] > losses[1] > losses[2]
    assert losses[2] < 1e-3


def test_the_loss_has_a_gradient_where_no_class_is_present() -> None:
    mask = torch.zeros((1, 4, 4, 4), dtype=torch.int64)
    logits = torch.zeros((1, 3, 4, 4, 4), requires_grad=True)
    PLUGIN.loss([logits], mask, class_balance=0.5).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


def test_without_balance_every_voxel_counts_alike() -> None:
    random = torch.Generator().manual_seed(3)
    mask = torch.randint(0, 3, (2, 4, 4, 4), generator=random)
    logits = torch.randn((2, 3, 4, 4, 4), generator=random)
    shares = logits.softmax(dim=1)
    dice = [
        (2 * shares[:, k][mask == k].sum() + 1) / (shares[:, k].sum() + (mask == k).sum() + 1)
        for k in (1, 2)
    ]
    expected = torch.nn.functional.cross_entropy(logits, mask) + 1 - torch.stack(dice).mean()
    found = PLUGIN.loss([logits], mask, class_balance=0.0)
    torch.testing.assert_close(found, expected)


def test_balance_makes_a_rare_class_pull_harder() -> None:
    mask = torch.zeros((1, 8, 8, 8), dtype=torch.int64)
    mask[0, 0, 0, 0] = 1

    def pull(balance: float) -> float:
        logits = torch.zeros((1, 3, 8, 8, 8), requires_grad=True)
        PLUGIN.loss([logits], mask, class_balance=balance).backward()
        assert logits.grad is not None
        return -float(logits.grad[0, 1, 0, 0, 0])

    assert pull(1.0) > 2 * pull(0.5) > 4 * pull(0.0) > 0
