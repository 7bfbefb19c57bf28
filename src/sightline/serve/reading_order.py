"""What it changes to read in the order of a model's findings: who waits less, and who waits more.

Studies come at random and are read at random speed, by one reader or several who finish what they
began; the flagged first, among equals the one that has waited longest. That is the queue M/M/c
with two priorities (Cobham 1954), and where a model is late, one that has no closed form.
"""

import dataclasses
import heapq
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from sightline.errors import BadSettings

_Minutes: TypeAlias = npt.NDArray[np.float64]
_Flags: TypeAlias = npt.NDArray[np.bool_]

_MINUTES_PER_HOUR = 60
_FLAGGED, _PLAIN = 0, 1
# Waits of neighbours are alike; means of long batches are not.
_BATCHES = 20
# Of so many means, 95 % lie within so many standard errors (Student, 19 degrees).
_T95 = 2.093
# The queue is empty in the beginning, which no ward is.
_WARM_UP = 0.05


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Load:
    """A reading room, what comes to it, and a model that flags some of it.

    Attributes:
        per_hour: studies that come, on average.
        reading_min: minutes that reading one takes, on average.
        readers: who read at the same time.
        prevalence: share of studies with the finding.
        sensitivity: share of those that the model flags.
        specificity: share of the others that it does not.
        model_min: minutes until the model has answered; until then a study waits as others do.
    """

    per_hour: float
    reading_min: float
    readers: int
    prevalence: float
    sensitivity: float
    specificity: float
    model_min: float = 0.0

    @property
    def busy(self) -> float:
        """Share of their time that the readers read."""
        return self.per_hour * self.reading_min / _MINUTES_PER_HOUR / self.readers

    def check(self) -> None:
        """Hold a load to be one that can be read.

        Raises:
            BadSettings: It is none.
        """
        for name in ("prevalence", "sensitivity", "specificity"):
            if not 0 <= getattr(self, name) <= 1:
                raise BadSettings(f"{name} is {getattr(self, name):g}", hint="Give 0 to 1.")
        if min(self.per_hour, self.reading_min, self.readers) <= 0 or self.model_min < 0:
            raise BadSettings(
                "studies an hour, minutes and readers are not above 0", hint="Give what is."
            )
        if self.busy >= 1:
            raise BadSettings(
                f"{self.readers} readers would be busy {self.busy:.0%} of their time: the queue "
                "grows without end",
                hint="Give fewer studies an hour, quicker reading, or more readers.",
            )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Waits:
    """Minutes from a study's arrival until somebody begins to read it.

    Attributes:
        low: the mean's 95 % interval, with `high`.
        p95: what 95 of 100 stay below.
        studies: how many they are.
    """

    mean: float
    low: float
    high: float
    median: float
    p95: float
    studies: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReadingOrder:
    """Waits of the same studies in plain order and in that of the model.

    Attributes:
        plain: of all studies, first come, first read: nobody knows what is in them.
        positives: of studies with the finding, in the model's order.
        missed: of those that it did not flag.
        negatives: of all others.
        flagged: share of studies that the model flags.
    """

    plain: Waits
    positives: Waits
    missed: Waits
    negatives: Waits
    flagged: float


def simulate(load: Load, *, studies: int = 200_000, seed: int = 0) -> ReadingOrder:
    """Read so many studies in both orders.

    Args:
        load: what comes, and who reads it.
        studies: the more, the narrower the intervals.
        seed: another gives other studies.

    Raises:
        BadSettings: It is no load that can be read.
    """
    load.check()
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(_MINUTES_PER_HOUR / load.per_hour, studies))
    lengths = rng.exponential(load.reading_min, studies)
    has_finding = rng.random(studies) < load.prevalence
    chances = np.where(has_finding, load.sensitivity, 1 - load.specificity)
    is_flagged = rng.random(studies) < chances
    nobody = np.zeros(studies, bool)
    plain = waits(arrivals, lengths, nobody, readers=load.readers)
    ordered = waits(arrivals, lengths, is_flagged, readers=load.readers, late_min=load.model_min)
    counted = np.arange(studies) >= studies * _WARM_UP
    return ReadingOrder(
        plain=_waits(plain, counted),
        positives=_waits(ordered, counted & has_finding),
        missed=_waits(ordered, counted & has_finding & ~is_flagged),
        negatives=_waits(ordered, counted & ~has_finding),
        flagged=float(is_flagged.mean()),
    )


def waits(
    arrivals: Sequence[float] | _Minutes,
    lengths: Sequence[float] | _Minutes,
    is_flagged: Sequence[bool] | _Flags,
    *,
    readers: int,
    late_min: float = 0.0,
) -> _Minutes:
    """Return how long each study waits where the flagged are read first.

    Args:
        arrivals: when each comes, in order, in minutes.
        lengths: minutes that reading each takes.
        is_flagged: whether the model puts it first.
        readers: who read at the same time; nobody stops in the middle of a study.
        late_min: minutes after its arrival until a flag is known.
    """
    came, takes = [float(at) for at in arrivals], [float(each) for each in lengths]
    waited = np.zeros(len(came))
    free = [0.0] * readers
    queue: list[tuple[int, int]] = []
    begun = bytearray(len(came))
    entries = _entries(came, is_flagged, late_min)
    upcoming = next(entries, None)
    while queue or upcoming is not None:
        now = free[0]
        if not queue and upcoming is not None:
            now = max(now, upcoming[0])
        while upcoming is not None and upcoming[0] <= now:
            heapq.heappush(queue, upcoming[1:])
            upcoming = next(entries, None)
        _, study = heapq.heappop(queue)
        if not begun[study]:
            begun[study] = True
            waited[study] = now - came[study]
            heapq.heapreplace(free, now + takes[study])
    return waited


def _entries(
    came: Sequence[float], is_flagged: Sequence[bool] | _Flags, late_min: float
) -> Iterator[tuple[float, int, int]]:
    """Give when each study enters the queue, and as what; a flagged one enters again when known."""
    plain = (
        (at, _PLAIN if late_min or not is_flagged[number] else _FLAGGED, number)
        for number, at in enumerate(came)
    )
    if not late_min:
        return plain
    flagged = (
        (at + late_min, _FLAGGED, number) for number, at in enumerate(came) if is_flagged[number]
    )
    return heapq.merge(plain, flagged)


def _waits(waited: _Minutes, chosen: _Flags) -> Waits:
    found = waited[chosen]
    if found.size < _BATCHES:
        nothing = float("nan")
        return Waits(
            mean=float(found.mean()) if found.size else nothing,
            low=nothing,
            high=nothing,
            median=float(np.median(found)) if found.size else nothing,
            p95=nothing,
            studies=found.size,
        )
    means = np.array([batch.mean() for batch in np.array_split(found, _BATCHES)])
    error = _T95 * means.std(ddof=1) / np.sqrt(_BATCHES)
    mean = float(found.mean())
    return Waits(
        mean=mean,
        low=mean - float(error),
        high=mean + float(error),
        median=float(np.median(found)),
        p95=float(np.percentile(found, 95)),
        studies=found.size,
    )
