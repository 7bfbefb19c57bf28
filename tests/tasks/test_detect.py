import torch

from sightline.tasks.detect import PLUGIN
from sightline.testing.tasks import plan_of
from sightline.values.recipe import Task as Asked

PLAN = plan_of(PLUGIN, Asked.model_construct(kind="detect", classes=["a", "b"]))


def ball(mask: torch.Tensor, centre: tuple[int, int, int], radius: int, number: int) -> None:
    axes = [torch.arange(size) - at for size, at in zip(mask.shape, centre, strict=True)]
    away = axes[0][:, None, None] ** 2 + axes[1][None, :, None] ** 2 + axes[2][None, None] ** 2
    mask[away <= radius**2] = number


def test_class_centre_and_size_come_back() -> None:
    mask = torch.zeros((24, 24, 24), dtype=torch.uint8)
    ball(mask, (7, 7, 7), 4, 2)
    ball(mask, (16, 17, 15), 6, 3)  # the second of class a
    peaks = PLUGIN.decode(PLUGIN.ideal(mask[None], PLAN)[0][0], PLAN).peaks
    found = {peak.class_name: peak for peak in peaks}
    assert len(peaks) == 2
    assert found["b"].index == (7, 7, 7)
    assert found["a"].index == (16, 17, 15)
    assert all(abs(length - 8) < 0.3 for length in found["b"].size)
    assert all(abs(length - 12) < 0.3 for length in found["a"].size)


def test_of_two_peaks_within_one_another_the_surer_stays() -> None:
    logits = torch.full((5, 9, 9, 9), -9.0)
    logits[2:] = torch.tensor(6.0).log()
    logits[0, 4, 4, 3], logits[0, 4, 4, 5], logits[1, 4, 4, 5] = 2.0, 3.0, 1.0
    peaks = PLUGIN.decode(logits, PLAN).peaks
    assert [(peak.class_name, peak.index) for peak in peaks] == [("a", (4, 4, 5)), ("b", (4, 4, 5))]


def test_what_is_cut_off_is_centred_on_what_is_left() -> None:
    mask = torch.zeros((16, 16, 16), dtype=torch.uint8)
    ball(mask, (8, 8, 0), 5, 1)
    (peak,) = PLUGIN.decode(PLUGIN.ideal(mask[None], PLAN)[0][0], PLAN).peaks
    assert peak.index[:2] == (8, 8)
    assert 1 <= peak.index[2] <= 3
    assert peak.size[2] < peak.size[0]
