"""One training: the same bytes of weights every time, however often it was stopped."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from sightline import clock, log
from sightline.feed.batches import Batch, Feed
from sightline.feed.example import Example
from sightline.networks.contract import NETWORKS, build_network
from sightline.networks.fitting import LayerReport
from sightline.networks.weights import load_tensors
from sightline.predict.model import Model, ModelManifest, weights_bytes
from sightline.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from sightline.train.determinism import cost_of_determinism, deterministic
from sightline.train.device import device_named, thread_count
from sightline.train.environment import environment, hardware
from sightline.train.evaluate import evaluate
from sightline.train.learner import Learner, StepLoss, computes_bfloat16
from sightline.train.progress import CurvePoint, Progress
from sightline.train.schedule import best_of, is_stalled, learning_rate, settled
from sightline.train.transfer import transfer
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe, Training

_log = log.get("train")
_LOSS_WINDOW = 20
# Measuring what repeatability costs takes four steps, or a second of short ones: no more than a
# twenty-fifth of a run of long ones.
_LONG = 100


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FittedModel:
    """What a training made.

    Attributes:
        weights: a safetensors file.
        manifest: what applying them needs.
        record: JSON values: what repeating the run needs, and what it measured.
        transfer: what came from an earlier model; None for fresh weights.
    """

    weights: bytes
    manifest: ModelManifest
    record: dict[str, Any]
    transfer: LayerReport | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """What a run may see.

    Attributes:
        training: annotated examples to learn from.
        validation: annotated examples that are only looked at; may be empty.
    """

    training: Sequence[Example]
    validation: Sequence[Example]


def fit(  # noqa: PLR0913 - what a run is made of, and where
    recipe: Recipe,
    plan: Plan,
    splits: Splits,
    *,
    workdir: Path,
    start_from: Path | None = None,
    threads: int = 0,
    device: str = "auto",
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> FittedModel:
    """Train, or go on where a run in `workdir` stopped.

    The last checkpoint stays, so that a caller that dies before it has kept the weights gets them
    again at once; delete `workdir` when they are kept.

    Args:
        recipe: the schedule.
        plan: made for this recipe.
        splits: annotated examples.
        workdir: where checkpoints lie.
        start_from: safetensors of an earlier model of the same network.
        threads: that torch uses; 0 means one a core.
        device: that trains, by name.
        on_progress: called after every step.

    Raises:
        Refused: An example has no mask.
        BadRecipe: The earlier model is another architecture.
        DamagedObject: Data, weights or checkpoint cannot be read.
        MissingDevice: The device is not there.
        NotKept: A checkpoint could not be written; the one before stands.
    """
    count = thread_count(threads)
    with deterministic(count, recipe.training.seed):
        run = Run.begin(recipe, plan, start_from=start_from, device=device, threads=count)
        identity = run.identity(splits.training)
        state = load_checkpoint(workdir, identity, run.learner) or RunState(identity=identity)
        _log.info("training_begins", recipe=recipe.name, step=state.step, of=plan.steps)
        feed = run.feed(splits.training)
        chosen = splits.validation[: recipe.training.validation_volumes]
        for progress, reached in run.steps(state, feed, validation=chosen, workdir=workdir):
            state = reached
            on_progress(progress)
        fitted = run.fitted(state)
        fitted.record["feed"] = dataclasses.asdict(feed.pace)
        if plan.steps >= _LONG:
            fitted.record["determinism_cost"] = run.cost_of_determinism(feed)
        return fitted


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One training under way."""

    recipe: Recipe
    plan: Plan
    training: Training
    learner: Learner
    threads: int
    transfer: LayerReport | None
    start_digest: str

    @classmethod
    def begin(
        cls, recipe: Recipe, plan: Plan, *, start_from: Path | None, device: str, threads: int
    ) -> Self:
        """Build the network and take over what an earlier model knew.

        Raises:
            BadRecipe: The earlier model is another architecture.
            DamagedObject: Its weights cannot be read.
            MissingDevice: The device is not there.
        """
        place = device_named(device)
        if place.type == "cuda" and place.index is not None:
            # Streams, events and kernels go to the current one of several.
            torch.cuda.set_device(place)
        kind = NETWORKS.get(plan.network)
        network = build_network(plan)
        taken = None
        if start_from is not None:
            taken = transfer(network, start_from, kind=kind, classes=plan.classes)
        training = settled(recipe, plan)
        return cls(
            recipe=recipe,
            plan=plan,
            training=training,
            learner=Learner.of(
                network,
                plan,
                training,
                device=place,
                is_bfloat16=computes_bfloat16(training.precision, place),
            ),
            threads=threads,
            transfer=taken,
            start_digest=_digest(start_from.read_bytes()) if start_from else "",
        )

    def feed(self, examples: Sequence[Example]) -> Feed:
        """Index examples for this run."""
        return Feed.over(examples, self.plan, training=self.training, device=self.learner.device)

    def identity(self, training: Sequence[Example]) -> str:
        """Digest everything that the weights follow from, besides code and processor."""
        facts = {
            "recipe": self.recipe.to_yaml(),
            "plan": self.plan.to_json(),
            # By what they hold: their names change with the key of the hub.
            "examples": [
                [
                    each.volume.path.name,
                    each.drawn.path.name if each.drawn else "",
                    *(each.numbers or ()),
                ]
                for each in training
            ],
            "start": self.start_digest,
            "threads": self.threads,
            "device": self.learner.device.type,
            "bfloat16": self.learner.is_bfloat16,
        }
        return _digest(json.dumps(facts, sort_keys=True).encode())

    def steps(
        self, state: RunState, feed: Feed, *, validation: Sequence[Example], workdir: Path
    ) -> Iterator[tuple[Progress, RunState]]:
        """Do every step that is left."""
        first, began = state, clock.monotonic()
        if state.is_over:
            return
        late: list[StepLoss] = []
        for batches in self.groups(feed, state.step):
            state, loss = self._after(state, batches)
            late.append(loss)
            # An accelerator works on this step while the loss of the one before is read.
            wanted = len(late) if loss.is_there or self._is_looked_at(state, first) else -1
            losses = (*state.losses, *(each.value() for each in late[:wanted]))
            del late[:wanted]
            seconds = first.seconds + clock.monotonic() - began
            state = dataclasses.replace(state, seconds=seconds, losses=losses)
            if self._is_due(state, self.training.validate_every):
                state = self._validated(state, validation)
            if self._is_due(state, self.training.checkpoint_every):
                save_checkpoint(workdir, state, self.learner)
            yield _progress(state, first, self.training), state
            if state.is_over:
                return

    def groups(self, feed: Feed, step: int) -> Iterator[Iterator[Batch]]:
        """Give the batches of every step from `step` on; each group is to be taken whole."""
        count = self.training.accumulate
        batches = feed.batches(step * count, self.training.steps * count)
        for _ in range(step, self.training.steps):
            yield itertools.islice(batches, count)

    def cost_of_determinism(self, feed: Feed) -> float:
        """Measure by what share a step takes longer because its result must not vary."""
        groups = self.groups(feed, 0)
        batches = [_kept(batch) for batch in next(groups)]
        # A recorded step is the same whatever is allowed now.
        learner = dataclasses.replace(self.learner, captured=None)
        cost = cost_of_determinism(lambda: learner.learn(batches, step=0, rate=0.0), rounds=2)
        return round(cost, 3)

    def _is_looked_at(self, state: RunState, first: RunState) -> bool:
        """Tell whether what a step came to is wanted at once."""
        often = (self.training.validate_every, self.training.checkpoint_every)
        return state.step == first.step + 1 or any(self._is_due(state, each) for each in often)

    def _after(self, state: RunState, batches: Iterator[Batch]) -> tuple[RunState, StepLoss]:
        settings = self.training
        first = settings.fine_tuning_rate if self.start_digest else settings.learning_rate
        rate = learning_rate(first, state.step, settings.steps)
        waits: list[float] = []

        def noted() -> Iterator[Batch]:
            for batch in batches:
                waits.append(batch.wait_s)
                yield batch

        loss = self.learner.learn(noted(), step=state.step, rate=rate)
        wait_s = state.wait_s + sum(waits)
        return dataclasses.replace(state, step=state.step + 1, wait_s=wait_s), loss

    def _is_due(self, state: RunState, every: int) -> bool:
        return state.is_over or state.step == self.training.steps or state.step % every == 0

    def _validated(self, state: RunState, validation: Sequence[Example]) -> RunState:
        if not validation:
            return state
        scored = evaluate(self.model(), validation)
        metric = scored.headline.metric
        point = CurvePoint(
            step=state.step,
            loss=sum(state.losses) / len(state.losses),
            scores={name: each.value for name, each in scored.by_class(metric).items()},
            metric=metric,
        )
        curve = (*state.curve, point)
        if self.training.patience and best_of(curve) == len(curve) - 1:
            self.learner.keep_best()
        return dataclasses.replace(
            state, curve=curve, losses=(), is_over=is_stalled(curve, self.training.patience)
        )

    def model(self) -> Model:
        """Return what would be kept if the run ended now."""
        return Model.of(self._answering(), self._manifest(""))

    def _answering(self) -> nn.Module:
        """Give the network with the weights to validate: its own, or their average."""
        if self.learner.average is None:
            return self.learner.network
        network = build_network(self.plan).to(self.learner.device)
        load_tensors(network, self.learner.answers())
        return network

    def _manifest(self, weights_digest: str) -> ModelManifest:
        return ModelManifest(
            recipe=self.recipe.to_yaml(),
            plan=self.plan,
            classes=self.plan.classes,
            weights_digest=weights_digest,
        )

    def fitted(self, state: RunState) -> FittedModel:
        """Take weights and record: of the best validation where the recipe stops early."""
        learner = self.learner
        load_tensors(learner.network, learner.best or learner.answers())
        weights = weights_bytes(learner.network, self.plan.classes)
        best = best_of(state.curve) if learner.best else len(state.curve) - 1
        kept = state.curve[best] if state.curve and best is not None else None
        record = {
            "recipe": self.recipe.to_yaml(),
            "plan": self.plan.to_json(),
            "seed": self.training.seed,
            "precision": "bfloat16" if learner.is_bfloat16 else "float32",
            "hardware": hardware(learner.device, self.threads),
            "environment": environment(),
            "steps": state.step,
            "kept_step": kept.step if kept else state.step,
            "seconds": round(state.seconds, 1),
            "wait_share": _share(state.wait_s, state.seconds),
            "curve": [point.to_json() for point in state.curve],
            "validation_score": kept.mean_score if kept else None,
            "metric": kept.metric if kept else "",
            "transfer": dataclasses.asdict(self.transfer) if self.transfer else None,
        }
        return FittedModel(
            weights=weights,
            manifest=self._manifest(_digest(weights)),
            record=record,
            transfer=self.transfer,
        )


def _kept(batch: Batch) -> Batch:
    """Copy a batch whose buffers the feed will reuse."""
    return dataclasses.replace(batch, images=batch.images.clone(), targets=batch.targets.clone())


def _progress(state: RunState, first: RunState, training: Training) -> Progress:
    done, seconds = state.step - first.step, max(state.seconds - first.seconds, 1e-9)
    recent = state.losses[-_LOSS_WINDOW:]
    loss = sum(recent) / len(recent) if recent else state.curve[-1].loss
    return Progress(
        step=state.step,
        steps=training.steps,
        loss=loss,
        patches_per_s=done * training.batch * training.accumulate / seconds,
        time_left_s=0.0 if state.is_over else (training.steps - state.step) * seconds / done,
        validation_score=state.curve[-1].mean_score if state.curve else None,
        wait_share=_share(state.wait_s, state.seconds),
        metric=state.curve[-1].metric if state.curve else "score",
        curve=state.curve,
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
