"""What is sent to an accelerator in one piece becomes the patches that this processor cuts."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.feed.batches import Feed, Ready
from sightline.feed.draws import Appearance, Draw
from sightline.feed.example import Example
from sightline.feed.patches import Tensors
from sightline.feed.staged import Staged, change_looks, make
from sightline.store.arrays import StoredArray, write_array
from sightline.values.recipe import Training
from tests.learning import example, examples, planned

CPU = torch.device("cpu")
STEPS = 12
STRAIGHT = Training(batch=3, affine_share=0, appearance=0)
TURNED = Training(batch=3, affine_share=1, appearance=0)
BENT = Training(batch=3, affine_share=1, elastic=0.1, appearance=0)
SOME = Training(batch=3, affine_share=0.5, elastic=0.05, appearance=0, scale_share=0)


def _feed(found: list[Example], training: Training, **changes: object) -> Feed:
    plan = dataclasses.replace(planned(found), **changes)
    return Feed.over(found, plan, training=training, device=CPU)


def _sent(feed: Feed, steps: int = STEPS) -> Iterator[Ready]:
    """Read for an accelerator that is not there."""
    reader = dataclasses.replace(feed.reader, device=torch.device("meta"))
    return dataclasses.replace(feed, reader=reader).read(0, steps)


def _made(feed: Feed, ready: Ready) -> Tensors:
    """Do here what the accelerator does."""
    assert isinstance(ready.tensors, Staged)
    here = dataclasses.replace(feed.reader, device=CPU)
    return here.finish(ready.draws, ready.boxes, ready.tensors)


@pytest.mark.parametrize("training", [STRAIGHT, TURNED, BENT, SOME])
def test_patches_are_those_of_this_processor(tmp_path: Path, training: Training) -> None:
    feed = _feed(examples(tmp_path, 3), training)
    for batch, ready in zip(feed.batches(0, STEPS), _sent(feed), strict=True):
        made = _made(feed, ready)
        assert made.images.shape == batch.images.shape
        assert made.targets.dtype == batch.targets.dtype
        assert (made.images - batch.images).abs().max() < 2e-3
        # Half-way between two voxels rounding decides.
        assert (made.targets != batch.targets).float().mean() < 1e-3


def test_another_spacing_is_interpolated(tmp_path: Path) -> None:
    feed = _feed(examples(tmp_path, 2), STRAIGHT, spacing_mm=(2.3, 1.1, 1.0), patch=(8, 16, 16))
    inside = (slice(None), 0, slice(2, -2), slice(2, -2), slice(2, -2))
    for batch, ready in zip(feed.batches(0, STEPS), _sent(feed), strict=True):
        apart = (_made(feed, ready).images - batch.images)[inside].abs()
        # At the edge of a volume one fades to 0 within a voxel and the other does not.
        assert apart.quantile(0.9) < 1e-4


def test_integers_travel_and_nothing_of_another_box_is_seen(tmp_path: Path) -> None:
    feed = _feed(examples(tmp_path, 3), TURNED)
    for ready in _sent(feed):
        assert isinstance(ready.tensors, Staged)
        assert ready.tensors.volumes.dtype == torch.int16
        assert ready.tensors.drawn is not None
        assert ready.tensors.drawn.dtype == torch.uint8
        before = _made(feed, ready)
        for place, draw in enumerate(ready.draws):
            a, b, c = (stop - start for start, stop in draw.bounds)
            for tensor in (ready.tensors.volumes[place], ready.tensors.drawn[place]):
                tensor[a:], tensor[:, b:], tensor[:, :, c:] = 99, 99, 99
        after = _made(feed, ready)
        assert torch.equal(before.images, after.images)
        assert torch.equal(before.targets, after.targets)


def test_volumes_of_several_types_share_a_batch(tmp_path: Path) -> None:
    wide = example(tmp_path, 1)
    write_array(tmp_path / "wide", wide.volume.read().astype(np.int32), {})
    other = dataclasses.replace(wide, volume=StoredArray.open(tmp_path / "wide"))
    feed = _feed([example(tmp_path, 0), other], STRAIGHT)
    for batch, ready in zip(feed.batches(0, STEPS), _sent(feed), strict=True):
        assert (_made(feed, ready).images - batch.images).abs().max() < 2e-3


def test_numbers_go_with_their_patches(tmp_path: Path) -> None:
    plain = [example(tmp_path, number) for number in range(3)]
    found = [
        dataclasses.replace(each, mask=None, numbers=(float(at), 1.0))
        for at, each in enumerate(plain)
    ]
    feed = Feed.over(found, planned(plain), training=STRAIGHT, device=CPU)
    for batch, ready in zip(feed.batches(0, STEPS), _sent(feed), strict=True):
        assert torch.equal(_made(feed, ready).targets, batch.targets)


def test_looks_change_as_on_this_processor(tmp_path: Path) -> None:
    training = Training(batch=3, affine_share=0, appearance=1)
    feed = _feed(examples(tmp_path, 3), training)
    seen: set[str] = set()
    for batch, ready in zip(feed.batches(0, 40), _sent(feed, 40), strict=True):
        made = _made(feed, ready)
        for place, draw in enumerate(ready.draws):
            plain = dataclasses.asdict(Appearance())
            seen |= {k for k, v in dataclasses.asdict(draw.appearance).items() if v != plain[k]}
            assert (made.images[place] - batch.images[place]).abs().max() < 5e-3
    assert seen == set(dataclasses.asdict(Appearance()))


def test_an_image_to_learn_is_scaled_as_its_volume(tmp_path: Path) -> None:
    found = [
        dataclasses.replace(each, mask=None, image=each.volume) for each in examples(tmp_path, 2)
    ]
    plan = dataclasses.replace(planned(examples(tmp_path, 2)), task="restore")
    feed = Feed.over(found, plan, training=TURNED, device=CPU)
    for ready in _sent(feed):
        made = make(
            ready.tensors,  # type: ignore[arg-type]  # it is staged
            ready.draws,
            [feed.reader.scalings[draw.example] for draw in ready.draws],
            patch=plan.patch,
            device=CPU,
            is_image=True,
        )
        assert made[1] is not None
        assert torch.equal(made[0][:, 0], made[1])


def test_what_is_meant_to_stay_stays() -> None:
    looks = (Appearance(), Appearance(brightness=0.5), Appearance(gamma=1.2))
    draws = [
        Draw(example=0, to_source=np.eye(3, 4), bounds=((0, 1),) * 3, appearance=look)
        for look in looks
    ]
    images = torch.randn(3, 1, 4, 5, 6)
    altered = change_looks(images.clone(), draws)
    assert torch.equal(altered[0], images[0])
    assert torch.allclose(altered[1], images[1] + 0.5, atol=1e-6)
    assert not torch.allclose(altered[2], images[2], atol=1e-2)
