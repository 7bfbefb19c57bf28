"""Several networks together hold probable what they hold probable on average."""

import pytest
import torch

from sightline.tasks.averaging import mean_answer, mean_of_each, mean_of_one

ANSWERS = 4 * torch.randn((3, 2, 4, 5, 6, 7), generator=torch.Generator().manual_seed(0))


def test_of_outputs_of_which_one_holds_shares_are_averaged() -> None:
    wanted = ANSWERS.softmax(dim=2).mean(dim=0)
    torch.testing.assert_close(mean_of_one(ANSWERS).softmax(dim=1), wanted)


def test_of_outputs_that_hold_independently_each_is_averaged() -> None:
    wanted = ANSWERS.sigmoid().mean(dim=0)
    torch.testing.assert_close(mean_of_each(ANSWERS).sigmoid(), wanted)


@pytest.mark.parametrize("averaged", [mean_answer, mean_of_one, mean_of_each])
def test_one_network_says_what_it_says(averaged: object) -> None:
    assert callable(averaged)
    alone = averaged(ANSWERS[:1])
    shares = [each.softmax(dim=1) for each in (alone, ANSWERS[0])]
    torch.testing.assert_close(*shares)


def test_sure_networks_do_not_overflow() -> None:
    sure = torch.tensor([[[200.0, -200.0]], [[-200.0, 200.0]]])
    torch.testing.assert_close(mean_of_each(sure).sigmoid(), torch.tensor([[0.5, 0.5]]))
    assert mean_of_one(sure).softmax(dim=1).tolist() == [[0.5, 0.5]]
