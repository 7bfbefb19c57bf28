import pytest
import torch

from sightline.errors import MissingDevice
from sightline.train.budget import Budget
from sightline.train.device import device_named, thread_count


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is there")
@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(MissingDevice, match=f"{name} was asked for") as missing:
        device_named(name)
    assert "--device cpu" in missing.value.hint


def test_auto_takes_what_is_there() -> None:
    there = "cuda" if torch.cuda.is_available() else "cpu"
    assert device_named("auto").type == there
    assert device_named("cpu").type == "cpu"


def test_threads_are_those_asked_for_or_one_a_core() -> None:
    assert thread_count(3) == 3
    assert thread_count(0) >= 1


def test_more_cores_bear_more() -> None:
    two, eight = Budget.of_cpu(2), Budget.of_cpu(8)
    assert two.memory_gb < eight.memory_gb <= 8
    assert Budget.of(torch.device("cpu"), 2) == two
    assert two.steps(examples=97, batch=2) == 1455
    assert two.steps(examples=3, batch=2) == 500
