"""Buffers come back when nothing refers to them, and not before."""

import torch

from sightline.feed.ring import Ring


def test_a_buffer_is_taken_again_when_it_is_free() -> None:
    ring = Ring(torch.device("cpu"))
    first = ring.take((3, 5), torch.float32)
    place = first.data_ptr()
    part = first[1:]
    del first
    assert ring.take((3, 5), torch.float32).data_ptr() != place
    del part
    again = ring.take((60,), torch.uint8)
    assert again.data_ptr() == place
    assert (again.shape, again.dtype) == ((60,), torch.uint8)


def test_what_a_gradient_still_needs_is_not_taken_again() -> None:
    ring = Ring(torch.device("cpu"))
    image = ring.take((8,), torch.float32).fill_(2)
    weight = torch.ones(8, requires_grad=True)
    loss = (image * weight).sum()
    del image
    ring.take((8,), torch.float32).fill_(9)
    loss.backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0] * 8
