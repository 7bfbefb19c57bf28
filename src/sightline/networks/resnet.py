"""MONAI's ResNet of 10 to 152 layers: one answer a patch (10.1109/CVPR.2016.90)."""

import dataclasses

from torch import nn

from sightline.errors import BadRecipe
from sightline.networks.contract import Network
from sightline.networks.framed import Framed, OwnAxes, isotropic, settings_of
from sightline.networks.monai_part import monai_network
from sightline.values.plan import Plan

_DEPTHS = {
    10: ("basic", [1, 1, 1, 1]),
    18: ("basic", [2, 2, 2, 2]),
    34: ("basic", [3, 4, 6, 3]),
    50: ("bottleneck", [3, 4, 6, 3]),
    101: ("bottleneck", [3, 4, 23, 3]),
    152: ("bottleneck", [3, 8, 36, 3]),
}
_DEPTH = "depth"
_SETTINGS = {
    _DEPTH: 50,
    "conv1_t_size": 7,
    "conv1_t_stride": 2,
    "no_max_pool": False,
    "shortcut_type": "B",
    "widen_factor": 1.0,
    "bias_downsample": False,
}
_WIDTHS = (64, 128, 256, 512)
_BOTTLENECK = 4


def _adapt(plan: Plan) -> Plan:
    """Take the published levels."""
    block, _ = _layers(plan)
    widths = [width * (_BOTTLENECK if block == "bottleneck" else 1) for width in _WIDTHS]
    return dataclasses.replace(
        plan,
        channels=(_WIDTHS[0], *widths),
        strides=((1, 1, 1), isotropic(plan, 4), *[isotropic(plan, 2)] * 3),
        kernels=(isotropic(plan, 7), *[isotropic(plan, 3)] * 4),
    )


def _layers(plan: Plan) -> tuple[str, list[int]]:
    depth = settings_of(plan, _SETTINGS)[_DEPTH]
    if depth not in _DEPTHS:
        raise BadRecipe(
            f"there is no ResNet of {depth} layers",
            hint=f"Set network_settings.depth to one of {', '.join(map(str, _DEPTHS))}.",
        )
    return _DEPTHS[depth]


def _build(plan: Plan) -> nn.Module:
    block, layers = _layers(plan)
    arguments = settings_of(plan, _SETTINGS) | {
        "block": block,
        "layers": layers,
        "block_inplanes": list(_WIDTHS),
        "spatial_dims": OwnAxes.of(plan).dimensions,
        "n_input_channels": plan.input_channels,
        "num_classes": plan.output_count,
    }
    del arguments[_DEPTH]
    return Framed(monai_network("ResNet", plan, arguments), plan)


PLUGIN = Network(
    title="ResNet of MONAI",
    build=_build,
    head=("net.fc.",),
    stem=("net.conv1.",),
    answers="each patch",
    adapt=_adapt,
)
