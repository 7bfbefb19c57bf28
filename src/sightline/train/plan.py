"""From a recipe and a fingerprint to a plan; every value says why it is so."""

import dataclasses
import math

from sightline.errors import BadRecipe
from sightline.networks.contract import NETWORKS
from sightline.tasks.contract import TASKS
from sightline.train.fingerprint import Fingerprint
from sightline.values.plan import Intensity, Plan, SpacingMm, Triple
from sightline.values.recipe import MIRROR_AXES, Recipe

# Two of these and 16 channels take half a second a step on two cores.
_PATCH_VOXELS = 56**3
# So that applying a model to a large volume takes seconds, not minutes.
_MOST_PATCHES = 48
_COARSENING = 1.02
_SMALLEST_EDGE = 4
_MOST_LEVELS = 6
_ANISOTROPY = 2.0
# Half a window takes twice as long: 93 against 44 processor seconds for 250 x 512 x 512 voxels.
_OVERLAP = 0.25
_HU_MARGIN = 150.0
# Activations, their gradients and what convolutions keep beside them, in float32.
_BYTES_A_FEATURE = 4 * 2.5
_STAGE_CONVOLUTIONS = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Levels:
    strides: tuple[Triple, ...]
    kernels: tuple[Triple, ...]


def plan(recipe: Recipe, fingerprint: Fingerprint, *, start_from: Plan | None = None) -> Plan:
    """Decide what the recipe leaves open.

    Args:
        recipe: what the user asked for.
        fingerprint: of the training split.
        start_from: plan of the model that a fine-tuning starts from; its network, grid and
            intensities are kept, because its weights stand on them.

    Raises:
        BadRecipe: Recipe, data and the earlier model do not go together.
        UnknownName: Task or network is not installed.
    """
    TASKS.get(recipe.task.kind)
    NETWORKS.get(recipe.network.name)
    if fingerprint.modality != recipe.accepts.modality:
        raise BadRecipe(
            f"recipe {recipe.name} is for {recipe.accepts.modality}; "
            f"the collection holds {fingerprint.modality}",
            hint="Choose a recipe of this modality, or change `accepts`.",
        )
    fresh = _fresh(recipe, fingerprint)
    return fresh if start_from is None else _continued(fresh, recipe, start_from)


def _fresh(recipe: Recipe, fingerprint: Fingerprint) -> Plan:
    reasons = {"task": "the recipe", "network": "the recipe", "classes": "the recipe"}
    reasons["modality"] = "the recipe accepts it, and every series of the split has it"
    spacing = _spacing(recipe, fingerprint, reasons)
    patch_wish = _patch(recipe, fingerprint, spacing=spacing, reasons=reasons)
    levels = _levels(recipe, patch_wish, spacing=spacing, reasons=reasons)
    patch = _divisible(patch_wish, levels.strides)
    if patch != patch_wish:
        reasons["patch"] += "; rounded up so that every level halves evenly"
    channels = _channels(recipe, len(levels.strides), reasons)
    reasons["batch"] = "the recipe"
    reasons["overlap"] = "a quarter of a window: the faint edge of one is inside its neighbour"
    reasons["memory_mb"] = "activations and gradients of one step, estimated"
    return Plan(
        task=recipe.task.kind,
        classes=tuple(recipe.task.classes),
        modality=fingerprint.modality,
        spacing_mm=spacing,
        patch=patch,
        batch=recipe.training.batch,
        intensity=_intensity(recipe, fingerprint, reasons),
        network=recipe.network.name,
        channels=channels,
        strides=levels.strides,
        kernels=levels.kernels,
        overlap=_OVERLAP,
        memory_mb=_memory_mb(patch, levels.strides, channels, batch=recipe.training.batch),
        reasons=reasons,
        mirror_axes=_mirror_axes(recipe, reasons),
    )


def _mirror_axes(recipe: Recipe, reasons: dict[str, str]) -> tuple[int, ...]:
    names = sorted(set(recipe.training.mirror), key=MIRROR_AXES.__getitem__)
    if not (recipe.applying.mirror and names):
        reasons["mirror_axes"] = "none: a volume is looked at as it is"
        return ()
    reasons["mirror_axes"] = f"{', '.join(names)}, and averaged: the recipe"
    return tuple(MIRROR_AXES[name] for name in names)


def _channels(recipe: Recipe, levels: int, reasons: dict[str, str]) -> tuple[int, ...]:
    network = recipe.network
    if network.channels is not None:
        reasons["channels"] = "the recipe"
        return tuple(network.channels[:levels])
    reasons["channels"] = (
        f"{network.base_channels} doubled at every level, at most {network.max_channels}"
    )
    return tuple(
        min(network.base_channels * 2**level, network.max_channels) for level in range(levels)
    )


def _continued(fresh: Plan, recipe: Recipe, earlier: Plan) -> Plan:
    if earlier.network != recipe.network.name or earlier.modality != fresh.modality:
        raise BadRecipe(
            f"the earlier model is a {earlier.network} for {earlier.modality}, the recipe asks a "
            f"{recipe.network.name} for {fresh.modality}",
            hint="Fine-tune with a recipe of the same network and modality.",
        )
    kept = ("spacing_mm", "patch", "intensity", "network", "channels", "strides", "kernels")
    reasons = fresh.reasons | dict.fromkeys(kept, "kept from the model it starts from")
    return dataclasses.replace(
        earlier,
        task=fresh.task,
        classes=fresh.classes,
        batch=fresh.batch,
        mirror_axes=fresh.mirror_axes,
        memory_mb=_memory_mb(earlier.patch, earlier.strides, earlier.channels, batch=fresh.batch),
        reasons=reasons,
    )


def _spacing(recipe: Recipe, fingerprint: Fingerprint, reasons: dict[str, str]) -> SpacingMm:
    if recipe.inputs.spacing_mm is not None:
        reasons["spacing_mm"] = "the recipe"
        return recipe.inputs.spacing_mm
    own = fingerprint.median_spacing_mm
    extent = [count * length for count, length in zip(fingerprint.median_shape, own, strict=True)]
    spacing = list(own)
    # The finest axes give way first, so that voxels tend to cubes.
    while _voxels(extent, spacing) > _MOST_PATCHES * _PATCH_VOXELS:
        finest = min(spacing)
        spacing = [max(length, finest * _COARSENING) for length in spacing]
    reasons["spacing_mm"] = f"median of {fingerprint.examples} volumes"
    if tuple(spacing) != own:
        reasons["spacing_mm"] += (
            f", made coarser until the median volume is {_MOST_PATCHES} patches at most"
        )
    return (spacing[0], spacing[1], spacing[2])


def _voxels(extent_mm: list[float], spacing_mm: list[float]) -> float:
    return math.prod(length / step for length, step in zip(extent_mm, spacing_mm, strict=True))


def _patch(
    recipe: Recipe, fingerprint: Fingerprint, *, spacing: SpacingMm, reasons: dict[str, str]
) -> Triple:
    if recipe.inputs.patch is not None:
        reasons["patch"] = "the recipe"
        return recipe.inputs.patch
    whole = [
        max(2 * _SMALLEST_EDGE, round(count * own / wanted))
        for count, own, wanted in zip(
            fingerprint.median_shape, fingerprint.median_spacing_mm, spacing, strict=True
        )
    ]
    patch = list(whole)
    while math.prod(patch) > _PATCH_VOXELS:
        # The longest edge in millimetres gives way, so that a patch tends to a cube.
        axis = max(range(3), key=lambda index: patch[index] * spacing[index])
        patch[axis] = max(2 * _SMALLEST_EDGE, int(patch[axis] * 0.95))
    is_whole = patch == whole
    reasons["patch"] = (
        "the median volume, whole"
        if is_whole
        else f"as near a cube as {_PATCH_VOXELS} voxels allow of a median volume of "
        + " x ".join(str(size) for size in whole)
    )
    return (patch[0], patch[1], patch[2])


def _levels(
    recipe: Recipe, patch: Triple, *, spacing: SpacingMm, reasons: dict[str, str]
) -> _Levels:
    """Halve axes while they stay long enough, thick slices later than the plane."""
    asked = len(recipe.network.channels or ()) or recipe.network.levels
    most = asked or _MOST_LEVELS
    size, voxel = list(patch), list(spacing)
    strides: list[Triple] = [(1, 1, 1)]
    kernels: list[Triple] = [_kernel(voxel)]
    while len(strides) < most:
        stride = [
            2 if size[axis] >= 2 * _SMALLEST_EDGE and voxel[axis] < _ANISOTROPY * min(voxel) else 1
            for axis in range(3)
        ]
        if stride == [1, 1, 1]:
            break
        size = [-(-count // step) for count, step in zip(size, stride, strict=True)]
        voxel = [length * step for length, step in zip(voxel, stride, strict=True)]
        strides.append((stride[0], stride[1], stride[2]))
        kernels.append(_kernel(voxel))
    reason = f"halved until an edge would fall below {_SMALLEST_EDGE} voxels"
    if asked:
        reason = f"{reason}, at most {asked} levels by the recipe"
    reasons["strides"] = f"{reason}; an axis of thick slices waits for the plane"
    reasons["kernels"] = "3; 1 along an axis whose voxels are over twice as long"
    return _Levels(strides=tuple(strides), kernels=tuple(kernels))


def _kernel(voxel: list[float]) -> Triple:
    a, b, c = (1 if length > _ANISOTROPY * min(voxel) else 3 for length in voxel)
    return (a, b, c)


def _divisible(patch: Triple, strides: tuple[Triple, ...]) -> Triple:
    factors = [1, 1, 1]
    for stride in strides:
        factors = [factor * step for factor, step in zip(factors, stride, strict=True)]
    a, b, c = (-(-size // factor) * factor for size, factor in zip(patch, factors, strict=True))
    return (a, b, c)


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


def _memory_mb(
    patch: Triple, strides: tuple[Triple, ...], channels: tuple[int, ...], *, batch: int
) -> int:
    features, voxels = 0, patch[0] * patch[1] * patch[2]
    for stride, count in zip(strides, channels, strict=True):
        voxels //= stride[0] * stride[1] * stride[2]
        features += voxels * count * _STAGE_CONVOLUTIONS
    return round(features * batch * _BYTES_A_FEATURE / 2**20)
