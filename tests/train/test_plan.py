import dataclasses
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from sightline.errors import BadRecipe, DamagedObject, Refused, UnknownName
from sightline.networks.contract import NETWORKS
from sightline.train import fingerprint
from sightline.train.budget import Budget
from sightline.train.fingerprint import Fingerprint, take_fingerprint
from sightline.train.plan import plan
from sightline.values.plan import Plan, Triple
from sightline.values.recipe import Applying, Recipe
from tests.learning import RECIPE, example, examples

LARGE_CT = Fingerprint(
    examples=40,
    subjects=38,
    modality="CT",
    median_shape=(250, 512, 512),
    median_spacing_mm=(1.25, 0.75, 0.75),
    thin_spacing_mm=(1.0, 0.7, 0.7),
    class_range=(-820.0, 60.0),
    class_ml=(80.0, 12.0),
    class_subjects=(38, 20),
)
CHEST = Recipe.from_yaml(
    """
    name: chest
    title: Lesions
    accepts: {modality: CT}
    task: {classes: [ground_glass, consolidation]}
    """
)


def test_a_fingerprint_counts_what_is_there(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    mark = take_fingerprint(found, ("bright", "brighter"))
    assert (mark.examples, mark.subjects, mark.modality) == (3, 3, "MR")
    assert mark.median_shape == (20, 24, 22)
    assert mark.median_spacing_mm == pytest.approx((1.5, 1, 1))
    assert mark.thin_spacing_mm == pytest.approx((1.5, 1, 1))
    assert mark.class_ml == pytest.approx((6**3 * 1.5 / 1000,) * 2)
    assert mark.class_subjects == (3, 3)
    assert 140 < mark.class_range[0] < 165
    assert 215 < mark.class_range[1] < 235


def test_a_fingerprint_of_many_voxels_looks_at_fewer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = examples(tmp_path, 3)
    all_of_them = take_fingerprint(found, ("bright", "brighter"))
    monkeypatch.setattr(fingerprint, "_MOST_VALUES", 30)
    mark = take_fingerprint(found, ("bright", "brighter"))
    assert mark.class_range != all_of_them.class_range
    assert mark.class_range == pytest.approx(all_of_them.class_range, rel=0.2)
    assert mark.class_ml == all_of_them.class_ml


def test_no_example_or_several_modalities_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no annotated series"):
        take_fingerprint([], ("bright",))
    mixed = [example(tmp_path, 1), dataclasses.replace(example(tmp_path, 2), modality="CT")]
    with pytest.raises(Refused, match="CT and MR"):
        take_fingerprint(mixed, ("bright", "brighter"))


def test_every_value_has_a_reason_and_survives_json() -> None:
    made = plan(CHEST, LARGE_CT)
    assert all(why for _, _, why in made.rows())
    assert Plan.from_json(json.loads(json.dumps(made.to_json()))) == made


def test_mirroring_is_planned_where_the_recipe_asks() -> None:
    training = CHEST.training.model_copy(update={"mirror": ["left_right", "head_foot"]})
    asked = CHEST.model_copy(update={"training": training, "applying": Applying(mirror=True)})
    made = plan(asked, LARGE_CT)
    assert made.mirror_axes == (0, 2)
    assert made.reasons["mirror_axes"].startswith("head_foot, left_right")
    assert plan(CHEST, LARGE_CT).mirror_axes == ()


def test_a_plan_from_before_mirroring_is_read() -> None:
    made = plan(CHEST, LARGE_CT)
    older = {name: value for name, value in made.to_json().items() if name != "mirror_axes"}
    assert Plan.from_json(older) == made


def test_a_plan_of_another_version_is_refused() -> None:
    with pytest.raises(DamagedObject, match="version"):
        Plan.from_json(plan(CHEST, LARGE_CT).to_json() | {"version": 2})


def test_a_large_ct_gets_a_patch_of_limited_size_near_a_cube() -> None:
    made = plan(CHEST, LARGE_CT)
    edges = [count * length for count, length in zip(made.patch, made.spacing_mm, strict=True)]
    assert max(edges) < 1.6 * min(edges)
    assert math.prod(made.patch) < 1.5 * 56**3
    assert made.spacing_mm[0] == pytest.approx(made.spacing_mm[1])
    assert "coarser" in made.reasons["spacing_mm"]
    extents = zip(LARGE_CT.median_shape, LARGE_CT.median_spacing_mm, strict=True)
    volume_mm3 = math.prod(count * length for count, length in extents)
    assert volume_mm3 / math.prod(made.spacing_mm) <= 48 * 56**3
    assert made.intensity.window == (-970.0, 210.0)
    assert all(length >= 4 for length in _deepest(made))


def test_thick_slices_are_halved_later_and_not_convolved_at_first() -> None:
    thick = dataclasses.replace(
        LARGE_CT,
        median_shape=(40, 512, 512),
        median_spacing_mm=(6.0, 0.8, 0.8),
        thin_spacing_mm=(5.0, 0.7, 0.7),
    )
    made = plan(CHEST, thick)
    assert made.spacing_mm[0] == 5.0
    assert "10th percentile" in made.reasons["spacing_mm"]
    assert made.kernels[0] == (1, 3, 3)
    assert made.strides[1] == (1, 2, 2)
    assert made.kernels[-1] == (3, 3, 3)


def test_what_the_recipe_says_is_kept() -> None:
    text = CHEST.to_yaml().replace("spacing_mm: null", "spacing_mm: [2, 2, 2]")
    text = text.replace("window: null", "window: [-900, 100]").replace("levels: null", "levels: 3")
    made = plan(Recipe.from_yaml(text), LARGE_CT)
    assert made.spacing_mm == (2, 2, 2)
    assert made.intensity.window == (-900, 100)
    assert len(made.channels) == 3
    assert made.reasons["spacing_mm"] == made.reasons["task"] == "the recipe"


def test_the_recipe_may_say_the_channels_of_every_level() -> None:
    network = CHEST.network.model_copy(update={"channels": [4, 24, 48]})
    made = plan(CHEST.model_copy(update={"network": network}), LARGE_CT)
    assert made.channels == (4, 24, 48)
    assert len(made.strides) == 3
    assert made.reasons["channels"] == "the recipe"


def test_a_gpu_gets_what_nnunet_would_plan_for_it() -> None:
    gpu = Budget(
        device="a GPU",
        memory_gb=8.0,
        base_channels=32,
        max_channels=320,
        most_voxels=None,
        looks=None,
    )
    made = plan(CHEST, LARGE_CT, budget=gpu)
    assert made.spacing_mm == LARGE_CT.median_spacing_mm
    assert made.channels == (32, 64, 128, 256, 320, 320)
    assert math.prod(made.patch) > 10 * math.prod(plan(CHEST, LARGE_CT).patch)
    assert (made.batch, made.steps) == (2, 250_000)


def test_the_recipe_may_say_batch_steps_and_memory() -> None:
    training = CHEST.training.model_copy(update={"batch": 7, "steps": 11})
    made = plan(CHEST.model_copy(update={"training": training}), LARGE_CT)
    assert (made.batch, made.steps) == (7, 11)
    assert made.reasons["batch"] == made.reasons["steps"] == "the recipe"
    roomy = CHEST.training.model_copy(update={"memory_gb": 2.0})
    larger = plan(CHEST.model_copy(update={"training": roomy}), LARGE_CT)
    assert math.prod(larger.patch) > math.prod(made.patch)


def test_levels_are_not_said_twice() -> None:
    text = CHEST.to_yaml().replace("\n  channels: null", "\n  channels: [8, 16, 32]")
    assert Recipe.from_yaml(text).network.channels == [8, 16, 32]
    with pytest.raises(BadRecipe, match="channels or levels"):
        Recipe.from_yaml(text.replace("levels: null", "levels: 3"))


@pytest.mark.parametrize("shape", [(3, 5, 4), (35, 51, 35), (1, 300, 200), (250, 512, 512)])
def test_any_collection_gets_a_network_that_computes(shape: tuple[int, int, int]) -> None:
    small = dataclasses.replace(LARGE_CT, median_shape=shape)
    network = CHEST.network.model_copy(update={"base_channels": 4, "max_channels": 8})
    made = plan(CHEST.model_copy(update={"network": network}), small)
    logits = NETWORKS.get(made.network).build(made).eval()(torch.zeros((1, 1, *made.patch)))
    assert logits.shape == (1, 3, *made.patch)


def test_a_fine_tuning_keeps_what_the_weights_stand_on(tmp_path: Path) -> None:
    first = plan(CHEST, LARGE_CT)
    other = dataclasses.replace(
        LARGE_CT, median_spacing_mm=(5.0, 0.6, 0.6), class_range=(-700.0, 20.0)
    )
    tuned = plan(CHEST, other, start_from=first)
    kept = ("spacing_mm", "patch", "intensity", "network", "channels", "strides", "kernels")
    assert all(getattr(tuned, name) == getattr(first, name) for name in kept)
    assert all("kept from" in tuned.reasons[name] for name in kept)
    mark = take_fingerprint(examples(tmp_path, 1), ("bright", "brighter"))
    with pytest.raises(BadRecipe, match="plain_unet for CT"):
        plan(RECIPE, mark, start_from=first)


def test_what_does_not_go_together_is_said() -> None:
    with pytest.raises(BadRecipe, match="is for MR; the collection holds CT"):
        plan(RECIPE, LARGE_CT)
    unknown = CHEST.network.model_copy(update={"name": "perceptron"})
    with pytest.raises(UnknownName, match="perceptron"):
        plan(CHEST.model_copy(update={"network": unknown}), LARGE_CT)


@pytest.mark.gate
def test_the_memory_that_is_foretold_is_what_a_step_takes() -> None:
    plans = [_made(*each) for each in _MEMORY]
    lines = "\n".join(json.dumps(each.to_json()) for each in [_made((16, 16, 16), [4, 8]), *plans])
    done = subprocess.run(
        [sys.executable, "-m", "tests.train.measure_memory"],
        input=lines,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    for made, measured in zip(plans, map(float, done.stdout.split()), strict=True):
        assert measured / 1.3 <= made.memory_mb <= measured * 1.3, (made.patch, measured)


_MEMORY: list[tuple[Triple, list[int]]] = [
    ((32, 48, 32), [16, 32, 64, 128]),
    ((40, 64, 64), [8, 32, 64, 128]),
    ((48, 48, 48), [24, 48, 96]),
]


def _made(patch: Triple, channels: list[int]) -> Plan:
    changes = {
        "inputs": CHEST.inputs.model_copy(update={"patch": patch}),
        "network": CHEST.network.model_copy(update={"channels": channels}),
        "training": CHEST.training.model_copy(update={"batch": 2}),
    }
    return plan(CHEST.model_copy(update=changes), LARGE_CT)


def _deepest(made: Plan) -> list[int]:
    size = list(made.patch)
    for stride in made.strides:
        size = [length // step for length, step in zip(size, stride, strict=True)]
    return size
