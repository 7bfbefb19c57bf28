"""A whole evaluation of a model on a locked test split, entered in the hub."""

import dataclasses
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from sightline.errors import DamagedObject, Refused
from sightline.feed.example import Example
from sightline.hub.collections import StoredMember, open_test_members, version
from sightline.hub.facts import facts_of, masks_of
from sightline.hub.hub import Hub
from sightline.hub.models import add_evaluation, evaluations, run
from sightline.judge.evaluating import evaluation_of
from sightline.judge.exhibits import (
    SHOWN,
    badness_of,
    pack,
    words_of,
    worst_class,
    worst_slice,
)
from sightline.judge.metrics import Metric, figure_of, metrics_of
from sightline.judge.paired import compare
from sightline.predict.engine import answer, set_threads
from sightline.predict.model import Model, ModelManifest
from sightline.predict.saliency import attribution, is_of_whole_images
from sightline.store.arrays import StoredArray
from sightline.train.evaluate import (
    Answered,
    answered,
    scored_classes,
    scored_example,
    with_surfaces,
)
from sightline.train.material import examples, needed
from sightline.train.probes import border_only, slightly_changed, without_region
from sightline.values.collection import CollectionVersion
from sightline.values.evaluation import Evaluation, Exhibit, Facts, ProbeFigure, ScoredExample
from sightline.values.model import ModelRecord
from sightline.values.recipe import Recipe
from sightline.values.volume import Volume

# Probes look three times more at an example; so many examples tell enough.
_MOST_PROBED = 50


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Worst:
    """The worst examples so far, the least bad of them first."""

    model: Model
    heap: list[tuple[float, int, Exhibit]] = dataclasses.field(default_factory=list)

    def look_at(self, place: int, scored: ScoredExample, found: Answered) -> None:
        """Keep an example while it is among the worst."""
        badness = badness_of(scored)
        if len(self.heap) == SHOWN and badness <= self.heap[0][0]:
            return
        exhibit = _exhibit(self.model, scored, found)
        heapq.heappush(self.heap, (badness, -place, exhibit))
        if len(self.heap) > SHOWN:
            heapq.heappop(self.heap)

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        """The worst first."""
        return tuple(exhibit for _, _, exhibit in sorted(self.heap, reverse=True))


def examine(
    model: Model,
    examples: Sequence[Example],
    *,
    facts: Mapping[str, Facts],
    anatomy: Mapping[str, StoredArray] = MappingProxyType({}),
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Evaluation:
    """Evaluate a model in every way that its task knows.

    Args:
        model: what is evaluated.
        examples: annotated examples.
        facts: of their series.
        anatomy: masks of what the answer should rest on, by series, where the task draws nothing.
        on_progress: called after every example with how many are done, and of how many.

    Raises:
        Refused: An example has no annotation.
    """
    task = model.manifest.plan.task
    probed = _evenly(len(examples), _MOST_PROBED)
    scored: list[ScoredExample] = []
    of_probes: dict[str, list[ScoredExample]] = defaultdict(list)
    worst = _Worst(model=model)
    for place, example in enumerate(examples):
        found = answered(model, example)
        plain = scored_example(model, found)
        plain = dataclasses.replace(
            with_surfaces(model, plain, found), facts=facts.get(example.series_uid, Facts())
        )
        if place in probed:
            plain = dataclasses.replace(plain, confidence=_steadiness(model, found))
        scored.append(plain)
        worst.look_at(place, plain, found)
        if place in probed:
            for name, volume in _taken_away(found, anatomy.get(example.series_uid)):
                of_probes[name].append(_probed(model, found, volume))
        on_progress(place + 1, len(examples))
    return evaluation_of(
        task,
        scored,
        classes=scored_classes(scored),
        probes=_probe_figures(metrics_of(task)[0], scored, of_probes),
        exhibits=worst.exhibits,
    )


def examine_on_test(
    hub: Hub,
    record: ModelRecord,
    label: str | None,
    *,
    against: ModelRecord | None = None,
    threads: int,
    on_progress: Callable[[int, int], None],
) -> tuple[CollectionVersion, Evaluation]:
    """Evaluate a model on a locked test split; the evaluation is counted and kept.

    What another model reached is taken from its newest evaluation on the same split; where there
    is none, it is evaluated first, and that is counted and kept, too.

    Args:
        hub: the store.
        record: the model.
        label: the collection; None for the one it was trained on.
        against: another model, to compare with.
        threads: that torch uses; 0 means one a core.
        on_progress: called after every example with how many are done, and of how many.

    Raises:
        UnknownName: There is no such collection.
        Refused: The test split is empty, or its annotations mark other classes than the recipe's;
            or the other model answers with other classes.
        DamagedObject: An array or the weights cannot be read.
    """
    chosen = version(hub, label or _own_collection(hub, record))
    set_threads(threads)
    others = _examined_before(hub, against, chosen) if against else None
    if against is not None and others is None:
        others = _examined(hub, against, chosen, on_progress=on_progress)
        add_evaluation(hub, against.lineage_id, chosen, split="test", content=others.to_json())
    found = _examined(hub, record, chosen, on_progress=on_progress)
    if against is not None and others is not None:
        comparisons = compare(
            found.task,
            found.examples,
            others.examples,
            classes=found.classes,
            other=against.label,
        )
        found = dataclasses.replace(found, comparisons=comparisons)
    add_evaluation(hub, record.lineage_id, chosen, split="test", content=found.to_json())
    return chosen, found


def _own_collection(hub: Hub, record: ModelRecord) -> str:
    own = run(hub, record.run_id).collection
    if not own:
        raise Refused(
            f"{record.label} was trained elsewhere, on no collection of this hub",
            hint="Say what to evaluate it on: --on NAME@N.",
        )
    return own


def _examined(
    hub: Hub,
    record: ModelRecord,
    chosen: CollectionVersion,
    *,
    on_progress: Callable[[int, int], None],
) -> Evaluation:
    manifest = ModelManifest.from_json(record.manifest)
    recipe = Recipe.from_yaml(manifest.recipe)
    with hub.objects.local_copies([record.weights_digest]) as (weights,):
        loaded = Model.load(weights, manifest)
    members: list[StoredMember] = needed(open_test_members(hub, chosen), chosen)
    tested = examples(members, recipe, chosen)
    series = [example.series_uid for example in tested]
    return examine(
        loaded,
        tested,
        facts=facts_of(hub, series),
        anatomy=masks_of(hub, series),
        on_progress=on_progress,
    )


def _examined_before(hub: Hub, record: ModelRecord, chosen: CollectionVersion) -> Evaluation | None:
    wanted = {member.series_uid for member in chosen.of_split("test")}
    for known in evaluations(hub, record.lineage_id):
        if known.split == "test" and known.collection == chosen.label:
            try:
                found = Evaluation.from_json(known.content)
            except DamagedObject:
                continue
            if {each.series_uid for each in found.examples} == wanted:
                return found
    return None


def _exhibit(model: Model, scored: ScoredExample, found: Answered) -> Exhibit:
    """Keep of an example what shows what is wrong with it."""
    mask = saliency = None
    chosen = found.volume.voxels.shape[0] // 2
    if found.masks is not None:
        true, drawn = found.masks
        chosen = worst_slice(drawn, true)
        mask = pack(drawn[chosen])
    elif is_of_whole_images(model):
        heat = attribution(model, found.volume, class_name=worst_class(scored))
        chosen = int(heat.sum(axis=(1, 2), dtype=np.int64).argmax())
        saliency = pack(heat[chosen])
    return Exhibit(
        series_uid=scored.series_uid,
        subject_id=scored.subject_id,
        words=words_of(scored),
        slice_index=chosen,
        mask=mask,
        saliency=saliency,
    )


def _taken_away(found: Answered, anatomy: StoredArray | None) -> Iterator[tuple[str, Volume]]:
    """Give the image without what the answer should rest on, and without all but its border."""
    if found.masks is not None:
        yield "the target hidden", without_region(found.volume, found.masks[0] > 0)
    elif anatomy is not None:
        yield "the anatomy hidden", without_region(found.volume, anatomy.read() > 0)
    yield "all but the border hidden", border_only(found.volume)


def _steadiness(model: Model, found: Answered) -> float | None:
    """Tell how alike a mask stays when the image is slightly changed; None where none is drawn.

    A mask that noise moves is one that the model is not sure of.
    """
    if found.masks is None:
        return None
    drawn = found.masks[1]
    again = answer(model, slightly_changed(found.volume)).segmentation
    if again is None or not (drawn.any() or again.mask.any()):
        return 1.0
    alike = int(((drawn == again.mask) & (drawn > 0)).sum())
    return 2 * alike / (int((drawn > 0).sum()) + int((again.mask > 0).sum()))


def _evenly(count: int, most: int) -> set[int]:
    return {round(each) for each in np.linspace(0, count - 1, min(count, most))}


def _probed(model: Model, found: Answered, volume: Volume) -> ScoredExample:
    said = answer(model, volume)
    return scored_example(model, dataclasses.replace(found, volume=volume, answer=said))


def _probe_figures(
    metric: Metric, scored: Sequence[ScoredExample], of_probes: Mapping[str, list[ScoredExample]]
) -> list[ProbeFigure]:
    """Compare what is left with what the same examples reached as they are."""
    figures = []
    for name, left in of_probes.items():
        probed = {each.series_uid for each in left}
        whole = [each for each in scored if each.series_uid in probed]
        figures.append(
            ProbeFigure(
                probe=name,
                metric=metric.title,
                figure=figure_of(metric, left),
                whole=figure_of(metric, whole),
                chance=metric.chance,
            )
        )
    return figures
