import numpy as np
import pytest
import torch

from sightline.tasks.segment import PLUGIN
from sightline.testing.tasks import plan_of
from sightline.values.answer import Answer
from sightline.values.arrays import Mask
from sightline.values.evaluation import MaskNumbers
from sightline.values.geometry import Geometry
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked
from sightline.values.volume import Segmentation

TWO = Asked(classes=["one", "two"])
NESTED = Asked(
    classes=["edema", "core", "enhancing"],
    regions={
        "whole": ["edema", "core", "enhancing"],
        "inner": ["core", "enhancing"],
        "active": ["enhancing"],
    },
)
PLAN = plan_of(PLUGIN, TWO)


def answer_of(mask: Mask, voxel_mm: float = 1.0) -> Answer:
    geometry = Geometry.from_affine(mask.shape, np.diag([voxel_mm, 1, 1, 1]))
    return Answer(
        segmentation=Segmentation(mask=mask, geometry=geometry, classes=(), author="reader")
    )


def scores(answer: Mask, truth: Mask, plan: Plan = PLAN) -> dict[str, MaskNumbers]:
    found = PLUGIN.score(answer_of(answer, 500), answer_of(truth, 500), plan)
    return {each.class_name: each for each in found if isinstance(each, MaskNumbers)}


def test_scores_count_voxels_by_class() -> None:
    truth = np.zeros((4, 4, 4), np.uint8)
    truth[:2] = 1
    answer = np.zeros_like(truth)
    answer[:1] = 1
    answer[3] = 2
    found = scores(answer, truth)
    assert found["one"].dice == pytest.approx(2 * 16 / (16 + 32))
    assert (found["one"].truth_ml, found["one"].answer_ml) == pytest.approx((16, 8))
    assert (found["two"].dice, found["two"].truth_ml) == (0, 0)
    assert found["two"].answer_ml == pytest.approx(8)


def test_a_class_in_neither_mask_has_no_dice() -> None:
    empty = np.zeros((2, 2, 2), np.uint8)
    assert [each.dice for each in scores(empty, empty).values()] == [None, None]


def test_regions_are_scored_as_what_they_are_made_of() -> None:
    truth = np.array([[[1, 2, 3, 0]]], np.uint8)
    answer = np.array([[[1, 3, 2, 0]]], np.uint8)
    dice = {
        name: each.dice for name, each in scores(answer, truth, plan_of(PLUGIN, NESTED)).items()
    }
    assert dice == {"whole": 1.0, "inner": 1.0, "active": 0.0}


def test_regions_are_painted_one_over_the_other() -> None:
    logits = torch.tensor([[1.0, 1, 1, -1, -1], [-1, 1, 1, -1, -1], [-1, -1, 1, -1, 1]]).reshape(
        3, 1, 1, 5
    )
    classes = PLUGIN.decode(logits, plan_of(PLUGIN, NESTED)).classes
    assert classes is not None
    assert classes.flatten().tolist() == [1, 2, 3, 0, 3]


@pytest.mark.parametrize("balance", [0.0, 1.0])
@pytest.mark.parametrize("asked", [TWO, NESTED])
def test_deeper_levels_are_compared_too(asked: Asked, balance: float) -> None:
    plan = plan_of(PLUGIN, asked)
    target = torch.randint(0, 3, (1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    (fine,) = PLUGIN.ideal(target.to(torch.uint8), plan)
    levels = [fine, fine[:, :, ::2, ::2, ::2], fine[:, :, ::4, ::4, ::4]]
    right = PLUGIN.loss(levels, target.to(torch.uint8), plan, class_balance=balance)
    wrong = PLUGIN.loss(
        [fine, -levels[1], levels[2]], target.to(torch.uint8), plan, class_balance=balance
    )
    ignored = PLUGIN.loss(
        [fine, levels[1], -levels[2]], target.to(torch.uint8), plan, class_balance=balance
    )
    assert wrong > right + 1
    assert torch.equal(ignored, right)


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
    found = PLUGIN.loss([logits], mask, PLAN, class_balance=0.0)
    torch.testing.assert_close(found, expected)


def test_balance_makes_a_rare_class_pull_harder() -> None:
    mask = torch.zeros((1, 8, 8, 8), dtype=torch.int64)
    mask[0, 0, 0, 0] = 1

    def pull(balance: float) -> float:
        logits = torch.zeros((1, 3, 8, 8, 8), requires_grad=True)
        PLUGIN.loss([logits], mask, PLAN, class_balance=balance).backward()
        assert logits.grad is not None
        return -float(logits.grad[0, 1, 0, 0, 0])

    assert pull(1.0) > 2 * pull(0.5) > 4 * pull(0.0) > 0
