"""One result whatever the day: seeds, threads, and kernels whose result does not vary."""

import contextlib
from collections.abc import Callable, Iterator

import torch

from sightline import clock


@contextlib.contextmanager
def deterministic(threads: int, seed: int) -> Iterator[None]:
    """Seed torch, fix its threads and forbid kernels whose result varies, then undo the latter."""
    before = torch.are_deterministic_algorithms_enabled(), torch.get_num_threads()
    torch.use_deterministic_algorithms(mode=True)
    # No kernel here reads what it did not write; filling costs a sixth of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # torch's stub lacks it
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(mode=before[0])
        torch.set_num_threads(before[1])


def cost_of_determinism(
    work: Callable[[], object], *, rounds: int = 3, seconds: float = 1.0
) -> float:
    """Measure by what share `work` takes longer because its result must not vary.

    Interleaved, the best of each, because other work shares a machine; within `deterministic`.

    Args:
        work: what is measured.
        rounds: so often, each way, at least.
        seconds: short work goes on for so long: a few tries may all fall beside other work.
    """
    best = {True: float("inf"), False: float("inf")}
    until = clock.monotonic() + seconds
    try:
        while rounds > 0 or clock.monotonic() < until:
            rounds -= 1
            for is_fixed in (True, False):
                torch.use_deterministic_algorithms(mode=is_fixed)
                began = clock.monotonic()
                work()
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                best[is_fixed] = min(best[is_fixed], clock.monotonic() - began)
    finally:
        torch.use_deterministic_algorithms(mode=True)
    return best[True] / best[False] - 1
