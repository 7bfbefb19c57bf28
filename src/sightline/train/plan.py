"""From a recipe, a fingerprint and a device to a plan; every value says why it is so."""

import dataclasses
import math

from sightline.errors import BadRecipe
from sightline.networks.contract import NETWORKS, adapted
from sightline.tasks.contract import TASKS
from sightline.train.budget import Budget
from sightline.train.fingerprint import Fingerprint
from sightline.train.topology import Levels, Target, fitted_levels, halved, memory_mb
from sightline.train.whole import plan_whole
from sightline.values.plan import Intensity, Plan, SpacingMm, Triple
from sightline.values.recipe import MIRROR_AXES, Recipe

_COARSENING = 1.02
# nnU-Net's: an axis is of thick slices where its voxels are so much longer, and so much fewer.
_THICK = 3.0
_HU_MARGIN = 150.0
# Half a window takes twice as long: 93 against 44 processor seconds for 250 x 512 x 512 voxels.
_OVERLAP = 0.25
# At the rate of dense networks one with a single answer a patch loses its features at once.
_RATES = {"each voxel": 0.1, "each patch": 0.02}
_TWO_CORES = Budget.of_cpu(2)


def plan(
    recipe: Recipe,
    fingerprint: Fingerprint,
    *,
    start_from: Plan | None = None,
    budget: Budget = _TWO_CORES,
) -> Plan:
    """Decide what the recipe leaves open.

    Args:
        recipe: what the user asked for.
        fingerprint: of the training split.
        start_from: plan of the model that a fine-tuning starts from; its network, grid and
            intensities are kept, because its weights stand on them.
        budget: what the device can bear.

    Raises:
        BadRecipe: Recipe, data and the earlier model do not go together.
        UnknownName: Task or network is not installed.
    """
    task, network = TASKS.get(recipe.task.kind), NETWORKS.get(recipe.network.name)
    if network.answers != task.answers:
        raise BadRecipe(
            f"{recipe.task.kind} needs a network that answers {task.answers}; "
            f"{recipe.network.name} answers {network.answers}",
            hint="Networks that do: " + ", ".join(_networks_that_answer(task.answers)) + ".",
        )
    if fingerprint.modality != recipe.accepts.modality:
        raise BadRecipe(
            f"recipe {recipe.name} is for {recipe.accepts.modality}; "
            f"the collection holds {fingerprint.modality}",
            hint="Choose a recipe of this modality, or change `accepts`.",
        )
    fresh = adapted(_fresh(recipe, fingerprint, budget))
    return fresh if start_from is None else _continued(fresh, recipe, start_from)


def _fresh(recipe: Recipe, fingerprint: Fingerprint, budget: Budget) -> Plan:
    reasons = {"task": "the recipe", "network": "the recipe", "classes": "the recipe"}
    reasons["modality"] = "the recipe accepts it, and every series of the split has it"
    task = TASKS.get(recipe.task.kind)
    wish: Triple | None
    if task.answers == "each patch":
        spacing, wish = plan_whole(recipe, fingerprint, reasons)
    else:
        spacing, wish = _spacing(recipe, fingerprint, budget, reasons=reasons), recipe.inputs.patch
    target = _target(recipe, fingerprint, budget, spacing=spacing)
    levels = _levels(target, wish, reasons)
    channels = _channels(recipe, budget, len(levels.strides))
    reasons["channels"] = _why_channels(recipe, budget)
    batch = _batch(recipe, fingerprint, target=target, levels=levels, reasons=reasons)
    reasons["overlap"] = "a quarter of a window: the faint edge of one is inside its neighbour"
    reasons |= _task_reasons(recipe)
    reasons["memory_mb"] = "activations, gradients and weights of one step, estimated"
    return Plan(
        task=recipe.task.kind,
        classes=tuple(recipe.task.classes),
        modality=fingerprint.modality,
        spacing_mm=target.spacing_mm,
        patch=levels.patch,
        batch=batch,
        intensity=_intensity(recipe, fingerprint, reasons),
        network=recipe.network.name,
        channels=channels,
        strides=levels.strides,
        kernels=levels.kernels,
        overlap=_OVERLAP,
        memory_mb=memory_mb(levels, channels, outputs=target.outputs, batch=batch),
        reasons=reasons,
        mirror_axes=_mirror_axes(recipe, reasons),
        outputs=task.outputs(recipe.task),
        regions=regions_of(recipe),
        is_exclusive=recipe.task.exclusive,
        scales=fingerprint.scales,
        network_settings=recipe.network.settings,
        steps=_steps(recipe, fingerprint, budget, batch=batch, reasons=reasons),
        learning_rate=_learning_rate(recipe, task.answers, reasons),
    )


def _task_reasons(recipe: Recipe) -> dict[str, str]:
    return {
        "outputs": f"{recipe.task.kind} asks so many of the network",
        "regions": "the recipe" if recipe.task.regions else "none: classes exclude each other",
        "is_exclusive": "the recipe",
        "scales": "of the numbers in the training split",
        "input_channels": "one series an example",
        "orientation": "the axes of the grid: towards head, back and left",
        "network_settings": "the recipe",
    }


def regions_of(recipe: Recipe) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Return the regions of a task, each with the numbers of its classes."""
    numbers = {name: number for number, name in enumerate(recipe.task.classes, start=1)}
    return tuple(
        (name, tuple(numbers[part] for part in parts))
        for name, parts in recipe.task.regions.items()
    )


def _networks_that_answer(answers: str) -> list[str]:
    return [name for name, network in NETWORKS.all().items() if network.answers == answers]


def _target(
    recipe: Recipe, fingerprint: Fingerprint, budget: Budget, *, spacing: SpacingMm
) -> Target:
    sizes = zip(fingerprint.median_shape, fingerprint.median_spacing_mm, spacing, strict=True)
    a, b, c = (max(1, round(count * own / wanted)) for count, own, wanted in sizes)
    network = recipe.network
    return Target(
        spacing_mm=spacing,
        median=(a, b, c),
        memory_gb=recipe.training.memory_gb or budget.memory_gb,
        outputs=TASKS.get(recipe.task.kind).outputs(recipe.task) or len(recipe.task.classes) + 1,
        channels=lambda levels: _channels(recipe, budget, levels),
        most_levels=len(network.channels) if network.channels else network.levels,
    )


def _spacing(
    recipe: Recipe, fingerprint: Fingerprint, budget: Budget, *, reasons: dict[str, str]
) -> SpacingMm:
    if recipe.inputs.spacing_mm is not None:
        reasons["spacing_mm"] = "the recipe"
        return recipe.inputs.spacing_mm
    own, shape = fingerprint.median_spacing_mm, fingerprint.median_shape
    reasons["spacing_mm"] = f"median of {fingerprint.examples} volumes"
    spacing = list(own)
    thick = max(range(3), key=lambda axis: own[axis])
    others = [axis for axis in range(3) if axis != thick]
    coarsest = max(own[axis] for axis in others)
    is_thick = own[thick] > _THICK * coarsest
    if is_thick and 1 < shape[thick] * _THICK < min(shape[axis] for axis in others):
        spacing[thick] = max(coarsest, fingerprint.thin_spacing_mm[thick])
        reasons["spacing_mm"] += (
            "; of the thick slices the 10th percentile, so that thinner ones are not thrown away"
        )
    extent = [count * length for count, length in zip(shape, own, strict=True)]
    most = budget.most_voxels
    if most is not None and _voxels(extent, spacing) > most:
        reasons["spacing_mm"] += f", made coarser until the median volume is {most} voxels at most"
    # The finest axes give way first, so that voxels tend to cubes.
    while most is not None and _voxels(extent, spacing) > most:
        finest = min(spacing)
        spacing = [max(length, finest * _COARSENING) for length in spacing]
    return (spacing[0], spacing[1], spacing[2])


def _voxels(extent_mm: list[float], spacing_mm: list[float]) -> float:
    return math.prod(length / step for length, step in zip(extent_mm, spacing_mm, strict=True))


def _levels(target: Target, asked: Triple | None, reasons: dict[str, str]) -> Levels:
    """Choose patch, strides and kernels."""
    most = target.most_levels
    reasons["strides"] = "halved while 4 voxels are left; an axis of thick slices waits"
    if most is not None:
        reasons["strides"] += f"; {most} levels at most by the recipe"
    reasons["kernels"] = "3; 1 along an axis while its voxels are twice as long as the finest"
    if asked is not None:
        levels = halved(asked, target.spacing_mm, most=most)
        reasons.setdefault("patch", "the recipe")
        if levels.patch != asked:
            reasons["patch"] += "; rounded up so that every level halves evenly"
        return levels
    levels = fitted_levels(target)
    whole = " x ".join(str(size) for size in target.median)
    if all(size >= most for size, most in zip(levels.patch, target.median, strict=True)):
        reasons["patch"] = f"the median volume of {whole}, whole"
    else:
        reasons["patch"] = (
            f"a part of the median volume of {whole}, shrunk where it was largest beside it until "
            f"two patches fit the memory target of {target.memory_gb:.2g}"
        )
    return levels


def _channels(recipe: Recipe, budget: Budget, levels: int) -> tuple[int, ...]:
    network = recipe.network
    if network.channels is not None:
        return tuple(network.channels[:levels])
    base = network.base_channels or budget.base_channels
    most = max(base, network.max_channels or budget.max_channels)
    return tuple(min(base * 2**level, most) for level in range(levels))


def _why_channels(recipe: Recipe, budget: Budget) -> str:
    network = recipe.network
    if network.channels is not None:
        return "the recipe"
    base, most = network.base_channels, network.max_channels
    return (
        f"{base or budget.base_channels} ({'the recipe' if base else budget.device}) doubled at "
        f"every level, at most {most or budget.max_channels} "
        f"({'the recipe' if most else budget.device})"
    )


def _batch(
    recipe: Recipe,
    fingerprint: Fingerprint,
    *,
    target: Target,
    levels: Levels,
    reasons: dict[str, str],
) -> int:
    if recipe.training.batch:
        reasons["batch"] = "the recipe"
        return recipe.training.batch
    reasons["batch"] = (
        "what the memory target leaves, a twentieth of the collection's voxels at most, at least 2"
    )
    return target.batch(levels, fingerprint.examples)


def _steps(
    recipe: Recipe,
    fingerprint: Fingerprint,
    budget: Budget,
    *,
    batch: int,
    reasons: dict[str, str],
) -> int:
    if recipe.training.steps:
        reasons["steps"] = "the recipe"
        return recipe.training.steps
    if budget.looks is None:
        reasons["steps"] = "nnU-Net's 1,000 epochs of 250 steps"
    else:
        reasons["steps"] = f"each example is seen {budget.looks} times; 500 to 5,000 steps"
    seen = batch * recipe.training.accumulate
    return budget.steps(examples=fingerprint.examples, batch=seen)


def _learning_rate(recipe: Recipe, answers: str, reasons: dict[str, str]) -> float:
    if recipe.training.learning_rate:
        reasons["learning_rate"] = "the recipe"
        return recipe.training.learning_rate
    reasons["learning_rate"] = f"of networks that answer {answers}"
    return _RATES[answers]


def _mirror_axes(recipe: Recipe, reasons: dict[str, str]) -> tuple[int, ...]:
    names = sorted(set(recipe.training.mirror), key=MIRROR_AXES.__getitem__)
    if not (recipe.applying.mirror and names):
        reasons["mirror_axes"] = "none: a volume is looked at as it is"
        return ()
    reasons["mirror_axes"] = f"{', '.join(names)}, and averaged: the recipe"
    return tuple(MIRROR_AXES[name] for name in names)


def _continued(fresh: Plan, recipe: Recipe, earlier: Plan) -> Plan:
    if earlier.network != recipe.network.name or earlier.modality != fresh.modality:
        raise BadRecipe(
            f"the earlier model is a {earlier.network} for {earlier.modality}, the recipe asks a "
            f"{recipe.network.name} for {fresh.modality}",
            hint="Fine-tune with a recipe of the same network and modality.",
        )
    kept = ("spacing_mm", "patch", "intensity", "network", "channels", "strides", "kernels")
    reasons = fresh.reasons | dict.fromkeys(kept, "kept from the model it starts from")
    levels = Levels(strides=earlier.strides, kernels=earlier.kernels, patch=earlier.patch)
    return dataclasses.replace(
        earlier,
        task=fresh.task,
        classes=fresh.classes,
        batch=fresh.batch,
        steps=fresh.steps,
        learning_rate=fresh.learning_rate,
        outputs=fresh.outputs,
        regions=fresh.regions,
        is_exclusive=fresh.is_exclusive,
        scales=fresh.scales,
        mirror_axes=fresh.mirror_axes,
        input_channels=fresh.input_channels,
        memory_mb=memory_mb(
            levels, earlier.channels, outputs=fresh.output_count, batch=fresh.batch
        ),
        reasons=reasons,
    )


def _intensity(recipe: Recipe, fingerprint: Fingerprint, reasons: dict[str, str]) -> Intensity:
    if recipe.inputs.window is not None:
        reasons["intensity"] = "the recipe's window"
        return Intensity(scheme="window", window=recipe.inputs.window)
    if fingerprint.modality == "CT":
        low, high = fingerprint.class_range
        reasons["intensity"] = "what the classes cover, and 150 HU to either side"
        window = (float(round(low - _HU_MARGIN)), float(round(high + _HU_MARGIN)))
        return Intensity(scheme="window", window=window)
    reasons["intensity"] = f"{fingerprint.modality} has no fixed scale: each volume by its own"
    return Intensity(scheme="robust")
