"""Find things and how large they are: a heat map of centres and three lengths a voxel.

The network answers each voxel with a number a class (how likely a centre is here) and three
lengths, as CenterNet does (arXiv:1904.07850). The target is a mask in which every place has a
number of its own (`draw_places`), so that it is cut, turned and mirrored as any mask is; what of a
place lies outside the patch is not asked for. Scored by free response, as LUNA16.
"""

from collections.abc import Iterator, Sequence

import torch
from torch.nn import functional

from sightline.tasks.contract import Decoded, Peak, Task
from sightline.tasks.matching import match
from sightline.values.answer import Answer
from sightline.values.evaluation import CandidateNumbers
from sightline.values.plan import Plan
from sightline.values.recipe import Task as Asked

_LENGTHS = 3
# CenterNet's focal loss: what is easy counts little, and what is near a centre is no error.
_FOCUS, _NEARNESS = 2.0, 4.0
# CenterNet counts errors in pixels and weighs them a tenth; logarithms are ten times smaller.
_LENGTH_WEIGHT = 1.0
# Of a solid ellipsoid, variance along an axis is its half length squared over this.
_ELLIPSOID = 5.0
_SPREAD_SHARE, _LEAST_SPREAD = 1 / 6, 1.0
_SURE = 12.0
_LEAST_SCORE, _MOST_PEAKS = 0.05, 100
_NEIGHBOURS = 3


def loss(
    logits: Sequence[torch.Tensor],
    target: torch.Tensor,
    plan: Plan,
    *,
    class_balance: float,  # noqa: ARG001 - a task's; the focal loss balances by difficulty
) -> torch.Tensor:
    """Focal loss of the heat and absolute error of the logarithms of lengths, at full resolution.

    Both are a mean over the places of the batch, or as if there were one where there are none.
    """
    said = logits[0].float()
    classes = len(plan.classes)
    heat, lengths = _drawn(target, classes)
    focal = _focal(said[:, :classes], heat)
    is_centre = heat.amax(dim=1) == 1
    error = (said[:, classes:] - lengths).abs().sum(dim=1)
    count = is_centre.sum().clamp_min(1)
    return focal / count + _LENGTH_WEIGHT * (error * is_centre).sum() / count


def ideal(target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    """Return logits that are sure of a mask of places (batch, slices, rows, columns)."""
    heat, lengths = _drawn(target, len(plan.classes))
    return [torch.cat([(heat.clamp(1e-6, 1 - 1e-6)).logit().clamp(-_SURE, _SURE), lengths], dim=1)]


def decode(logits: torch.Tensor, plan: Plan) -> Decoded:
    """Return the peaks of the heat; of two that lie within one another the surer."""
    classes = len(plan.classes)
    heat = logits[:classes].float().sigmoid()
    highest = functional.max_pool3d(heat[None], _NEIGHBOURS, stride=1, padding=1)[0]
    where = ((heat == highest) & (heat >= _LEAST_SCORE)).nonzero()
    scores = heat[tuple(where.T)]
    order = scores.argsort(descending=True, stable=True)[:_MOST_PEAKS]
    peaks: list[Peak] = []
    for number, *place in where[order].tolist():
        lengths = logits[(slice(classes, None), *place)].float().exp().tolist()
        peak = Peak(
            class_name=plan.classes[number],
            index=(float(place[0]), float(place[1]), float(place[2])),
            size=(lengths[0], lengths[1], lengths[2]),
            score=float(heat[(number, *place)]),
        )
        if not any(_lies_in(peak, other) for other in peaks):
            peaks.append(peak)
    return Decoded(peaks=tuple(peaks))


def score(answer: Answer, truth: Answer, plan: Plan) -> tuple[CandidateNumbers, ...]:
    """Tell which places hit which true one, class by class."""
    return tuple(
        match(
            name,
            [place for place in answer.places if place.class_name == name],
            [place for place in truth.places if place.class_name == name],
        )
        for name in plan.classes
    )


def outputs(asked: Asked) -> int:
    """Return one number a class, and three lengths."""
    return len(asked.classes) + _LENGTHS


def _drawn(target: torch.Tensor, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw heat (batch, classes, ...), 1 at centres, and logarithms of lengths there."""
    shape = target.shape[1:]
    heat = torch.zeros((len(target), classes, *shape), device=target.device)
    lengths = torch.zeros((len(target), _LENGTHS, *shape), device=target.device)
    for index, mask in enumerate(target):
        for number, voxels in _places(mask):
            centre = voxels.mean(dim=0)
            half = (_ELLIPSOID * (voxels.var(dim=0, correction=0) + 1 / 12)).sqrt()
            nearest = tuple(centre.round().long().tolist())
            of_class = heat[index, (number - 1) % classes]
            torch.maximum(of_class, _bump(centre.round(), half, shape), out=of_class)
            lengths[(index, slice(None), *nearest)] = (2 * half).clamp_min(1).log()
    return heat, lengths


def _places(mask: torch.Tensor) -> Iterator[tuple[int, torch.Tensor]]:
    numbers: list[int] = torch.unique(mask).tolist()
    for number in numbers:
        if number:
            yield number, (mask == number).nonzero().float()


def _bump(centre: torch.Tensor, half: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    spread = (2 * half * _SPREAD_SHARE).clamp_min(_LEAST_SPREAD)
    along = [
        torch.exp(-0.5 * ((torch.arange(n, device=centre.device) - at) / wide) ** 2)
        for n, at, wide in zip(shape, centre, spread, strict=True)
    ]
    return along[0][:, None, None] * along[1][None, :, None] * along[2][None, None, :]


def _focal(said: torch.Tensor, heat: torch.Tensor) -> torch.Tensor:
    share = said.sigmoid()
    hit = functional.logsigmoid(said) * (1 - share) ** _FOCUS
    miss = functional.logsigmoid(-said) * share**_FOCUS * (1 - heat) ** _NEARNESS
    return -torch.where(heat == 1, hit, miss).sum()


def _lies_in(peak: Peak, other: Peak) -> bool:
    if peak.class_name != other.class_name:
        return False
    ways = zip(peak.index, other.index, other.size, strict=True)
    return sum(((a - b) / max(size / 2, 1.0)) ** 2 for a, b, size in ways) <= 1


def _words(answer: Answer, plan: Plan) -> str:
    found = []
    for name in plan.classes:
        places = [place for place in answer.places if place.class_name == name]
        if places:
            longest = max(max(place.size_mm) for place in places)
            found.append(f"{len(places)} {name.replace('_', ' ')}, longest {longest:.0f} mm")
    return "; ".join(found) or "nothing found"


PLUGIN = Task(
    title="detection of places",
    needs="places",
    answers="each voxel",
    outputs=outputs,
    loss=loss,
    ideal=ideal,
    decode=decode,
    score=score,
    words=_words,
)
