"""What only a GPU shows: the same numbers as on the processor, the same bits every time."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from sightline import extras
from sightline.feed.batches import Feed
from sightline.feed.staged import make
from sightline.networks.contract import NETWORKS
from sightline.networks.unet import InstanceNorm
from sightline.train.captured import Captured
from sightline.train.determinism import deterministic
from sightline.train.device import device_named
from sightline.train.run import Run
from sightline.values.recipe import Recipe, Training
from tests.learning import RECIPE, examples, planned, with_training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")
VOXEL_WISE = ["plain_unet", "residual_unet", "dynunet", "segresnet", "vnet", "swin_unetr"]
STEPS = 8


def _trained(folder: Path, recipe: Recipe, *, is_captured: bool = True, stop: int = STEPS) -> Run:
    found = examples(folder, 3)
    plan = planned(found, recipe)
    with deterministic(2, recipe.training.seed):
        run = Run.begin(recipe, plan, start_from=None, device="cuda", threads=2)
        if not is_captured:
            run = dataclasses.replace(run, learner=dataclasses.replace(run.learner, captured=None))
        for step, batches in enumerate(run.groups(run.feed(found), 0)):
            if step == stop:
                break
            run.learner.learn(batches, step=step, rate=0.05)
        torch.cuda.synchronize()
    return run


def _digest(run: Run) -> str:
    content = hashlib.sha256()
    for tensor in run.learner.tensors().values():
        content.update(tensor.detach().contiguous().cpu().numpy().tobytes())
    return content.hexdigest()


def _recipe(network: str) -> Recipe:
    named = {"name": network} if network in VOXEL_WISE[2:] else {"name": network, "levels": 2}
    patch = [32, 32, 32] if network in VOXEL_WISE[2:] else [16, 16, 16]
    facts = RECIPE.model_dump() | {"network": named, "inputs": {"patch": patch}}
    return Recipe.model_validate(facts)


@pytest.mark.parametrize("network", VOXEL_WISE)
def test_two_runs_are_equal_bit_for_bit(tmp_path: Path, network: str) -> None:
    assert network in NETWORKS.all()
    recipe = _recipe(network)
    first, second, plain = (
        _digest(_trained(tmp_path, recipe, is_captured=is_captured))
        for is_captured in (True, True, False)
    )
    assert first == second
    assert first == plain


def test_a_step_is_handed_over_in_one_piece(tmp_path: Path) -> None:
    captured = _trained(tmp_path, RECIPE).learner.captured
    assert isinstance(captured, Captured)
    assert captured.is_one_piece


def test_it_learns(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    recipe = with_training(RECIPE, steps=60)
    with deterministic(2, 0):
        run = Run.begin(recipe, planned(found, recipe), start_from=None, device="cuda", threads=2)
        losses = [
            run.learner.learn(batches, step=step, rate=0.05).value()
            for step, batches in enumerate(run.groups(run.feed(found), 0))
        ]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_patches_are_those_of_the_processor(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    # Not scaled: at the edge of a volume one fades to 0 within a voxel and the other does not.
    training = Training(batch=3, affine_share=0.5, elastic=0.05, appearance=0, scale_share=0)
    plan = planned(found)
    there = Feed.over(found, plan, training=training, device=device_named("cuda"))
    here = Feed.over(found, plan, training=training, device=torch.device("cpu"))
    for one, other in zip(there.batches(0, 10), here.batches(0, 10), strict=True):
        assert (one.images.cpu() - other.images).abs().max() < 2e-3
        assert (one.targets.cpu() != other.targets).float().mean() < 1e-3


def test_nothing_waits_for_what_the_gpu_does(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    plan = planned(found)
    feed = Feed.over(found, plan, training=Training(batch=3), device=device_named("cuda"))
    made = []
    for ready in feed.read(0, 10):
        scalings = [feed.reader.scalings[draw.example] for draw in ready.draws]
        torch.cuda.set_sync_debug_mode("error")
        try:
            images, _ = make(
                ready.tensors,  # type: ignore[arg-type]  # it is staged
                ready.draws,
                scalings,
                patch=plan.patch,
                device=torch.device("cuda"),
                is_image=False,
            )
        finally:
            torch.cuda.set_sync_debug_mode("default")
        made.append(images)
    # What would have waited has raised.
    assert [tuple(images.shape) for images in made] == [(3, 1, *plan.patch)] * 10


@pytest.mark.skipif(not extras.is_installed("triton"), reason="triton is not installed")
@pytest.mark.parametrize("shape", [(2, 20, 9, 17, 33), (3, 64, 40, 56), (1, 320, 4, 4, 4)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_our_normalisation_is_torchs(shape: tuple[int, ...], kind: torch.dtype) -> None:
    image = (torch.randn(shape) * 3 + 20).to(kind)
    norm = InstanceNorm(shape[1], eps=1e-5, affine=True)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    norm.slope = 0.01
    ours = image.cuda().requires_grad_()
    theirs = image.double().requires_grad_()
    gradient = torch.randn(shape).to(kind)
    answer = norm.cuda()(ours)
    answer.backward(gradient.cuda())
    weight, bias = (each.detach().cpu().double().requires_grad_() for each in norm.parameters())
    normal = functional.instance_norm(theirs, None, None, weight, bias, eps=1e-5)
    wanted = functional.leaky_relu(normal, 0.01)
    wanted.backward(gradient.double())
    bound = 1e-4 if kind == torch.float32 else 3e-2
    pairs = [(answer, wanted), (ours.grad, theirs.grad)]
    pairs += [(norm.weight.grad, weight.grad), (norm.bias.grad, bias.grad)]
    for one, other in pairs:
        assert one is not None
        assert other is not None
        apart = (one.double().cpu() - other).norm() / other.norm()
        assert apart < bound
