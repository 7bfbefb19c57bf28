import dataclasses

import pytest
import torch
from torch import nn

from sightline.errors import BadRecipe
from sightline.networks.contract import NETWORKS, Network
from sightline.networks.fitting import fit_tensors
from sightline.networks.weights import tensors_of
from sightline.testing.networks import example_plan
from sightline.values.plan import Plan

PLAN = example_plan(is_flat=False)


@pytest.fixture
def kind() -> Network:
    return NETWORKS.get("plain_unet")


def built(kind: Network, plan: Plan, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return kind.build(plan).eval()


def test_everything_that_fits_is_loaded(kind: Network) -> None:
    there, here = built(kind, PLAN, 1), built(kind, PLAN, 2)
    report = fit_tensors(here, tensors_of(there), kind=kind)
    image = torch.randn((1, 1, 16, 16, 16))
    assert torch.equal(there(image), here(image))
    assert set(report.loaded) == tensors_of(here).keys()
    assert not report.adapted
    assert not report.skipped
    assert not report.unused


@pytest.mark.parametrize(("channels_there", "channels_here"), [(1, 3), (3, 1), (4, 2)])
def test_a_first_layer_gives_for_alike_channels_what_it_gave(
    kind: Network, channels_there: int, channels_here: int
) -> None:
    there = built(kind, dataclasses.replace(PLAN, input_channels=channels_there), 1)
    here = built(kind, dataclasses.replace(PLAN, input_channels=channels_here), 2)
    report = fit_tensors(here, tensors_of(there), kind=kind)
    image = torch.randn((1, 1, 16, 16, 16))
    wanted = there(image.expand(-1, channels_there, -1, -1, -1))
    found = here(image.expand(-1, channels_here, -1, -1, -1))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    assert report.adapted == {
        kind.stem[0]: f"mean of {channels_there} channels, for {channels_here}"
    }


def test_a_head_for_other_classes_stays_fresh(kind: Network) -> None:
    there, here = built(kind, PLAN, 1), built(kind, PLAN, 2)
    fresh = {name: each.clone() for name, each in tensors_of(here).items()}
    report = fit_tensors(here, tensors_of(there), kind=kind, is_same_head=False)
    assert set(report.skipped.values()) == {"its classes differ"}
    assert all(name.startswith(kind.head) for name in report.skipped)
    assert all(torch.equal(fresh[name], tensors_of(here)[name]) for name in report.skipped)


def test_what_has_no_place_or_another_shape_is_named(kind: Network) -> None:
    there, here = built(kind, PLAN, 1), built(kind, PLAN, 2)
    tensors = dict(tensors_of(there))
    name = "net.decoder.transpconvs.0.weight"
    tensors[name] = torch.zeros((1, 2))
    tensors["net.odd"] = torch.zeros(3)
    report = fit_tensors(here, tensors, kind=kind)
    assert report.skipped == {name: "1 x 2 there, 16 x 8 x 2 x 2 x 2 here"}
    assert report.unused == ("net.odd",)
    rows = list(report.rows())
    assert rows[0] == (name, "made fresh", report.skipped[name])
    assert rows[1][:2] == ("net.odd", "not used")
    assert {row[1] for row in rows[2:]} == {"loaded"}


def test_other_types_are_widened_and_said(kind: Network) -> None:
    there, here = built(kind, PLAN, 1), built(kind, PLAN, 2)
    halves = {name: each.half() for name, each in tensors_of(there).items()}
    report = fit_tensors(here, halves, kind=kind)
    assert set(report.adapted.values()) == {"float16 there"}
    assert all(each.dtype == torch.float32 for each in tensors_of(here).values())


def test_a_second_name_of_a_layer_is_not_called_unused(kind: Network) -> None:
    there, here = built(kind, PLAN, 1), built(kind, PLAN, 2)
    state = there.state_dict()
    assert len(state) > len(tensors_of(there))
    assert fit_tensors(here, state, kind=kind).unused == ()


def test_weights_of_another_architecture_are_refused_and_nothing_changes(kind: Network) -> None:
    wider = dataclasses.replace(PLAN, channels=(8, 16, 32))
    there, here = built(kind, wider, 1), built(kind, PLAN, 2)
    before = {name: each.clone() for name, each in tensors_of(here).items()}
    with pytest.raises(BadRecipe, match=r"the weights fit \d+% of the network"):
        fit_tensors(here, tensors_of(there), kind=kind)
    assert all(torch.equal(before[name], each) for name, each in tensors_of(here).items())
