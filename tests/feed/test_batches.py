import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline import clock
from sightline.errors import DamagedObject, Refused
from sightline.feed.batches import Feed
from sightline.feed.example import Example
from sightline.store.arrays import StoredArray
from sightline.store.boxes import Bounds, BoxReader, Place
from sightline.values.geometry import Geometry
from sightline.values.plan import Plan
from sightline.values.recipe import Training
from tests.learning import AXIAL, example, examples, planned

CPU = torch.device("cpu")
STILL = Training(batch=2, affine_share=0, appearance=0, mirror=[])


def _feed(found: list[Example], plan: Plan, training: Training) -> Feed:
    return Feed.over(found, plan, training=training, device=CPU)


def test_batches_are_the_same_from_any_step_on(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    feed = _feed(found, planned(found), Training(batch=2, affine_share=0.5))
    whole = list(feed.batches(0, 9))
    resumed = list(feed.batches(5, 9))
    assert [batch.step for batch in resumed] == [5, 6, 7, 8]
    for one, other in zip(whole[5:], resumed, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)


def test_batches_do_not_depend_on_threads(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    feed = _feed(found, planned(found), Training(batch=2, affine_share=0.5))
    before = torch.get_num_threads()
    try:
        drawn = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            feed.pace.threads = 2 * threads - 1
            drawn.append(torch.stack([batch.images for batch in feed.batches(0, 6)]))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*drawn)


def test_images_and_masks_belong_together(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    feed = _feed(found, planned(found), Training(batch=2, affine_share=0.5, appearance=0))
    for batch in feed.batches(0, 10):
        assert batch.images.shape == (2, 1, 16, 16, 16)
        assert batch.targets.dtype == torch.uint8
        means = [float(batch.images[:, 0][batch.targets == number].mean()) for number in (0, 1, 2)]
        known = [mean for mean in means if not np.isnan(mean)]
        assert known == sorted(known)


def test_a_thicker_spacing_reads_what_the_patch_covers(tmp_path: Path) -> None:
    found = examples(tmp_path, 1)
    plan = dataclasses.replace(planned(found), spacing_mm=(3.0, 1.0, 1.0), patch=(8, 16, 16))
    draw = _feed(found, plan, STILL).sampler.draw(0)[0]
    (start, stop), *_ = draw.bounds
    assert 15 <= stop - start <= 17


def test_the_scale_of_a_volume_is_not_seen(tmp_path: Path) -> None:
    drawn = []
    for scale, name in ((1, "plain"), (30, "bright")):
        (tmp_path / name).mkdir()
        found = [example(tmp_path / name, 0, scale=scale)]
        feed = _feed(found, planned(found), STILL)
        drawn.append(next(feed.batches(0, 1)).images)
    assert drawn[0].numpy() == pytest.approx(drawn[1].numpy(), abs=1e-3)


def test_a_volume_smaller_than_the_patch_is_padded(tmp_path: Path) -> None:
    found = examples(tmp_path, 1)
    plan = dataclasses.replace(planned(found), patch=(32, 32, 32))
    batch = next(_feed(found, plan, STILL).batches(0, 1))
    assert batch.images.shape[2:] == (32, 32, 32)
    assert (batch.images == 0).float().mean() > 0.5
    assert set(batch.targets.unique().tolist()) == {0, 1, 2}


def test_an_example_without_a_mask_is_refused(tmp_path: Path) -> None:
    found = examples(tmp_path, 2)
    bare = [found[0], dataclasses.replace(found[1], mask=None)]
    with pytest.raises(Refused, match=r"2\.25\.1 has no annotation"):
        _feed(bare, planned(found), STILL)


def test_a_mirrored_series_gives_the_same_anatomy(tmp_path: Path) -> None:
    found = examples(tmp_path, 1)
    plan = planned(found)
    flipped = AXIAL @ np.diag([1, 1, -1, 1])
    geometry = Geometry.from_affine(found[0].geometry.shape, flipped)
    mirrored = dataclasses.replace(found[0], geometry=geometry)
    still = STILL.model_copy(update={"foreground_share": 0.0})
    plain = next(_feed(found, plan, still).batches(0, 1)).images
    other = next(_feed([mirrored], plan, still).batches(0, 1)).images
    assert plain.shape == other.shape
    assert not torch.equal(plain, other)
    whole = dataclasses.replace(plan, patch=(32, 32, 32))
    centred = next(_feed([mirrored], whole, still).batches(0, 1))
    stored = found[0].mask.read() if found[0].mask else None
    assert stored is not None
    per_column = [(centred.targets[0] == 1).sum(dim=(0, 1)), (stored[:, :, ::-1] == 1).sum((0, 1))]
    present = [np.flatnonzero(np.asarray(each)) for each in per_column]
    assert len(present[0]) == len(present[1])


def test_batches_are_the_same_without_the_compiled_reader(tmp_path: Path) -> None:
    found = examples(tmp_path, 3)
    feed = _feed(found, planned(found), Training(batch=2, affine_share=0.5))
    assert feed.pace.reader == "compiled"
    plain = dataclasses.replace(feed.reader, boxes=BoxReader(None))
    other = dataclasses.replace(feed, reader=plain)
    for one, two in zip(feed.batches(0, 8), other.batches(0, 8), strict=True):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.targets, two.targets)


def test_batches_that_are_kept_stay_as_they_were(tmp_path: Path) -> None:
    found = examples(tmp_path, 2)
    feed = _feed(found, planned(found), Training(batch=2))
    kept = [(batch.images, batch.images.clone()) for batch in feed.batches(0, 12)]
    assert all(torch.equal(one, other) for one, other in kept)


def test_a_feed_that_waits_reads_further_ahead(tmp_path: Path) -> None:
    found = examples(tmp_path, 2)
    feed = _feed(found, planned(found), Training(batch=2))
    slow = Slow(feed.reader.boxes)
    feed = dataclasses.replace(feed, reader=dataclasses.replace(feed.reader, boxes=slow))
    feed.pace.threads = 8
    before = feed.pace.ready
    list(feed.batches(0, 12))
    assert feed.pace.ready > before


class Slow(BoxReader):
    """A disk that takes its time."""

    def __init__(self, inner: BoxReader) -> None:
        super().__init__(None)
        self.inner = inner

    def read(self, array: StoredArray, bounds: Bounds, place: Place) -> None:
        clock.pause(0.01)
        self.inner.read(array, bounds, place)


def test_a_damaged_chunk_ends_the_run_with_its_reason(tmp_path: Path) -> None:
    found = examples(tmp_path, 1)
    plan = planned(found)
    shard = found[0].volume.path / "c/0/0/0"
    whole = bytearray(shard.read_bytes())
    whole[40] ^= 1
    shard.write_bytes(whole)
    with pytest.raises(DamagedObject, match="checksum"):
        list(_feed(found, plan, STILL).batches(0, 2))
