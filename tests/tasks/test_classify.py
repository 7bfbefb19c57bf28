import dataclasses

import torch

from sightline.tasks.classify import PLUGIN
from sightline.testing.tasks import plan_of
from sightline.values.answer import Answer
from sightline.values.recipe import Task as Asked

ANY = plan_of(
    PLUGIN, Asked.model_construct(kind="classify", classes=["rare", "common"], exclusive=False)
)
ONE = plan_of(PLUGIN, Asked.model_construct(kind="classify", classes=["rare", "common"]))
SCALES = ((0.1, 0.3), (0.5, 0.5))


def pull(plan: object, balance: float) -> torch.Tensor:
    logits = torch.zeros((2, 2), requires_grad=True)
    target = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    PLUGIN.loss([logits], target, plan, class_balance=balance).backward()
    assert logits.grad is not None
    return -logits.grad.diagonal()


def test_balance_makes_a_rare_class_pull_harder() -> None:
    for plan in (ANY, ONE):
        known = dataclasses.replace(plan, scales=SCALES)
        even, balanced = pull(known, 0.0), pull(known, 1.0)
        assert torch.allclose(even[0], even[1])
        assert balanced[0] > 3 * balanced[1]


def test_words_name_what_is_likely() -> None:
    assert PLUGIN.words(Answer(numbers={"rare": 0.9, "common": 0.6}), ANY) == (
        "rare 0.90, common 0.60"
    )
    assert "nothing found" in PLUGIN.words(Answer(numbers={"rare": 0.1, "common": 0.2}), ANY)
    assert PLUGIN.words(Answer(numbers={"rare": 0.1, "common": 0.2}), ONE) == "common 0.20"
