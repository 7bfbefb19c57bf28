"""What a device waited is what it had nothing to do, by its own clock where it has one."""

import dataclasses

import pytest
import torch

from sightline import clock
from sightline.feed import waits
from sightline.feed.waits import waits_on


def test_on_this_processor_reading_and_making_are_waits() -> None:
    waiting = waits_on(torch.device("cpu"))
    before = clock.monotonic()
    waiting.begin(0.25)
    began = clock.monotonic()
    while clock.monotonic() < began + 0.02:
        pass
    least = 0.25 + clock.monotonic() - began
    waited = waiting.waited_s()
    assert 0.27 <= least <= waited <= 0.25 + clock.monotonic() - before
    waiting.end()


@dataclasses.dataclass
class Event:
    """Stands for an event of a GPU, which is told when it is over."""

    at_ms: float = 0.0
    is_over: bool = False

    def query(self) -> bool:
        return self.is_over

    def elapsed_time(self, other: "Event") -> float:
        return other.at_ms - self.at_ms


def test_a_gpu_waits_from_the_end_of_a_batch_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []

    def recorded() -> Event:
        events.append(Event())
        return events[-1]

    monkeypatch.setattr(waits, "_event", recorded)
    waiting = waits_on(torch.device("cuda"))
    waiting.begin(0.5)
    assert waiting.waited_s() == 0.5  # the first batch, for which nothing was done meanwhile
    waiting.end()
    waiting.begin(0.3)
    assert waiting.waited_s() == 0  # nobody knows yet what the GPU is at
    waiting.end()
    first_end, second_begin = events[1], events[2]
    first_end.at_ms, second_begin.at_ms, second_begin.is_over = 100.0, 104.0, True
    waiting.begin(0.3)
    assert waiting.waited_s() == pytest.approx(0.004)
    assert waiting.waited_s() == 0
