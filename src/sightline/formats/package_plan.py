"""Bounds on the plan of a stranger: what no network needs is not built."""

import math
from collections.abc import Iterable
from typing import Any

from sightline.errors import Refused
from sightline.values.plan import Plan

_MOST_LEVELS, _MOST_CHANNELS = 12, 4096
_LARGEST_STEP = 32
_MOST_VOXELS, _MOST_INPUTS, _MOST_MEMBERS = 2**27, 64, 64
_MOST_OUTPUTS = 1024
_LARGEST_NUMBER, _MOST_LISTED, _MOST_SETTINGS = 1024, 64, 64
_MOST_DEPTH = 4


def check_plan(plan: Plan, members: int) -> None:
    """Do nothing where the numbers of a plan are such as networks of medicine have.

    Raises:
        Refused: One is not.
    """
    steps = [size for each in (*plan.strides, *plan.kernels) for size in each]
    sizes = (*plan.patch, *plan.channels, *steps, plan.input_channels, plan.output_count, members)
    for name, is_kept in (
        ("a size below 1", min(sizes) >= 1),
        ("levels", _most(map(len, (plan.channels, plan.strides, plan.kernels))) <= _MOST_LEVELS),
        ("channels", _most(plan.channels) <= _MOST_CHANNELS),
        ("strides and kernels", _most(steps) <= _LARGEST_STEP),
        ("voxels of its patch", math.prod(plan.patch) <= _MOST_VOXELS),
        ("images seen together", plan.input_channels <= _MOST_INPUTS),
        ("members", members <= _MOST_MEMBERS),
        ("outputs", plan.output_count <= _MOST_OUTPUTS),
        ("numbers that are none", all(map(math.isfinite, _reals(plan)))),
        ("overlap", 0 <= plan.overlap < 1),
        ("axes to mirror along", set(plan.mirror_axes) <= {0, 1, 2}),
        ("settings of its network", _is_modest(plan.network_settings, 0)),
    ):
        if not is_kept:
            raise Refused(
                f"the plan of the package is refused: {name}",
                hint="Ask the publisher for the plan that the model was trained by.",
            )


def _reals(plan: Plan) -> list[float]:
    intensity = plan.intensity
    scales = [each for pair in plan.scales for each in pair]
    window = intensity.window or ()
    return [*plan.spacing_mm, plan.overlap, intensity.centre, intensity.width, *window, *scales]


def _most(numbers: Iterable[int]) -> int:
    return max(numbers, default=0)


def _is_modest(value: Any, depth: int) -> bool:  # noqa: ANN401 - JSON
    if depth > _MOST_DEPTH:
        return False
    if isinstance(value, dict):
        return len(value) <= _MOST_SETTINGS and all(
            _is_modest(each, depth + 1) for each in value.values()
        )
    if isinstance(value, list | tuple):
        return len(value) <= _MOST_LISTED and all(_is_modest(each, depth + 1) for each in value)
    if isinstance(value, str):
        return len(value) <= _LARGEST_NUMBER
    return value is None or abs(value) <= _LARGEST_NUMBER
