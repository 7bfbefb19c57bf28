from typing import Any

import pytest

from sightline.errors import Refused
from sightline.networks.sources.transforms import preparation_of
from sightline.values.plan import Intensity


def one(target: str, **arguments: Any) -> Intensity:  # noqa: ANN401 - JSON
    return preparation_of([{"_target_": target, "keys": "image", **arguments}]).intensity


def test_a_window_to_0_and_1_is_a_window() -> None:
    given = {"a_min": -57, "a_max": 164, "b_min": 0.0, "b_max": 1.0, "clip": True}
    assert one("ScaleIntensityRanged", **given) == Intensity(scheme="window", window=(-57, 164))


def test_any_other_range_is_fixed() -> None:
    found = one("monai.transforms.ScaleIntensityRanged", a_min=-100, a_max=300, b_min=-1, b_max=1)
    assert found == Intensity(scheme="fixed", centre=100.0, width=200.0)
    clipped = one("ScaleIntensityRanged", a_min=0, a_max=10, b_min=0, b_max=5, clip=True)
    assert clipped == Intensity(scheme="fixed", window=(0, 10), centre=0.0, width=2.0)


def test_normalising_counts_all_or_what_is_not_zero() -> None:
    assert one("NormalizeIntensityd") == Intensity(scheme="deviation", counted="all")
    nonzero = one("NormalizeIntensityd", nonzero=True, channel_wise=True)
    assert nonzero == Intensity(scheme="deviation", counted="nonzero")
    given = one("NormalizeIntensityd", subtrahend=10, divisor=4)
    assert given == Intensity(scheme="fixed", centre=10.0, width=4.0)


def test_scaling_to_0_and_1_is_a_range() -> None:
    assert one("ScaleIntensityd") == Intensity(scheme="range")


def test_where_axes_run_and_how_long_voxels_are_is_read() -> None:
    found = preparation_of(
        [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "Orientationd", "axcodes": "RAS"},
            {"_target_": "Spacingd", "pixdim": [1.5, 1.5, -1]},
            {"_target_": "CropForegroundd"},
            {"_target_": "EnsureTyped"},
        ]
    )
    assert (found.orientation, found.spacing_mm) == ("RAS", (1.5, 1.5, 0.0))
    assert "foreground" in found.notes[0]
    assert found.intensity == Intensity(scheme="fixed")


@pytest.mark.parametrize(
    "transforms",
    [
        [{"_target_": "HistogramNormalized"}],
        [{"_target_": "ScaleIntensityd"}, {"_target_": "NormalizeIntensityd"}],
        [{"_target_": "ScaleIntensityd", "minv": -1.0}],
        [{"_target_": "NormalizeIntensityd", "subtrahend": [1, 2], "divisor": [1, 2]}],
    ],
)
def test_what_cannot_be_done_here_is_refused_by_name(transforms: list[dict[str, Any]]) -> None:
    with pytest.raises(Refused, match=r"Intensity|Histogram"):
        preparation_of(transforms)
