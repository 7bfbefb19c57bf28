"""The share of time in which a GPU does something, by its own record of every piece of work."""

from collections.abc import Callable

import torch
from torch.profiler import ProfilerActivity, profile


def busy_share(work: Callable[[], object]) -> float:
    """Return the share of the time from the first piece of work to the last with one under way."""
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA], acc_events=True) as record:
        work()
        torch.cuda.synchronize()
    on_gpu = torch.autograd.DeviceType.CUDA
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in record.events()
        if event.device_type == on_gpu
    )
    done, total = spans[0][0], 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, done))
        done = max(done, end)
    return total / (done - spans[0][0])
