"""One training: the same bytes of weights every time, however often it was stopped."""

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from sightline import clock, log
from sightline.feed.batches import Batch, Feed
from sightline.feed.example import Example
from sightline.networks.contract import NETWORKS
from sightline.predict.model import Model, ModelManifest, weights_bytes
from sightline.tasks.contract import TASKS
from sightline.train.checkpoint import RunState, load_checkpoint, save_checkpoint
from sightline.train.environment import environment, hardware, processor_features
from sightline.train.evaluate import evaluate
from sightline.train.progress import CurvePoint, Progress
from sightline.train.transfer import Transfer, transfer
from sightline.values.plan import Plan
from sightline.values.recipe import Recipe

_log = log.get("train")
# 0.99, as for a quarter of a million steps, is slow to start: runs here take minutes.
_MOMENTUM = 0.9
_LARGEST_GRADIENT = 12.0
_LOSS_WINDOW = 20
_BFLOAT16_FEATURES = frozenset({"avx512_bf16", "amx_bf16"})


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
    transfer: Transfer | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Splits:
    """What a run may see.

    Attributes:
        training: annotated examples to learn from.
        validation: annotated examples that are only looked at; may be empty.
    """

    training: Sequence[Example]
    validation: Sequence[Example]


def fit(
    recipe: Recipe,
    plan: Plan,
    splits: Splits,
    *,
    workdir: Path,
    start_from: Path | None = None,
    threads: int = 0,
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
        on_progress: called after every step.

    Raises:
        Refused: An example has no mask.
        BadRecipe: The earlier model is another architecture.
        DamagedObject: Weights or checkpoint cannot be read.
    """
    count = threads or len(os.sched_getaffinity(0))
    with _deterministic(count, recipe.training.seed):
        run = _Run.begin(recipe, plan, start_from=start_from, threads=count)
        identity = run.identity(splits.training)
        state = load_checkpoint(
            workdir, identity, network=run.network, optimizer=run.optimizer
        ) or RunState(identity=identity)
        _log.info("training_begins", recipe=recipe.name, step=state.step, of=recipe.training.steps)
        feed = Feed.over(splits.training, plan, training=recipe.training, device=run.device)
        chosen = splits.validation[: recipe.training.validation_volumes]
        for progress, reached in run.steps(state, feed, validation=chosen, workdir=workdir):
            state = reached
            on_progress(progress)
        return run.fitted(state)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    recipe: Recipe
    plan: Plan
    network: nn.Module
    optimizer: torch.optim.Optimizer
    device: torch.device
    threads: int
    is_bfloat16: bool
    transfer: Transfer | None
    start_digest: str

    @classmethod
    def begin(cls, recipe: Recipe, plan: Plan, *, start_from: Path | None, threads: int) -> Self:
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        kind = NETWORKS.get(plan.network)
        network = kind.build(plan)
        taken = None
        if start_from is not None:
            taken = transfer(network, start_from, classes=plan.classes, head=kind.head)
        network.to(device)
        network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stub lacks it
        settings = recipe.training
        optimizer = torch.optim.SGD(
            network.parameters(),
            lr=settings.learning_rate,
            momentum=_MOMENTUM,
            nesterov=True,
            weight_decay=settings.weight_decay,
        )
        return cls(
            recipe=recipe,
            plan=plan,
            network=network,
            optimizer=optimizer,
            device=device,
            threads=threads,
            is_bfloat16=_computes_bfloat16(settings.precision, device),
            transfer=taken,
            start_digest=_digest(start_from.read_bytes()) if start_from else "",
        )

    def identity(self, training: Sequence[Example]) -> str:
        """Digest everything that the weights follow from, besides code and processor."""
        facts = {
            "recipe": self.recipe.to_yaml(),
            "plan": self.plan.to_json(),
            # By what they hold: their names change with the key of the hub.
            "examples": [
                [each.volume.path.name, each.mask.path.name if each.mask else ""]
                for each in training
            ],
            "start": self.start_digest,
            "threads": self.threads,
            "bfloat16": self.is_bfloat16,
        }
        return _digest(json.dumps(facts, sort_keys=True).encode())

    def steps(
        self, state: RunState, feed: Feed, *, validation: Sequence[Example], workdir: Path
    ) -> Iterator[tuple[Progress, RunState]]:
        """Do every step that is left."""
        settings = self.recipe.training
        first, began = state, clock.monotonic()
        for batch in feed.batches(state.step, settings.steps):
            loss = self._step(batch)
            is_last = batch.step + 1 == settings.steps
            state = dataclasses.replace(
                state,
                step=batch.step + 1,
                losses=(*state.losses, loss),
                wait_s=state.wait_s + batch.wait_s,
                seconds=first.seconds + clock.monotonic() - began,
            )
            if is_last or state.step % settings.validate_every == 0:
                state = self._validated(state, validation)
            if is_last or state.step % settings.checkpoint_every == 0:
                save_checkpoint(workdir, state, network=self.network, optimizer=self.optimizer)
            yield _progress(state, first, settings.steps, batch=settings.batch), state

    @property
    def _learning_rate(self) -> float:
        settings = self.recipe.training
        return settings.fine_tuning_rate if self.start_digest else settings.learning_rate

    def _step(self, batch: Batch) -> float:
        settings = self.recipe.training
        share_left = 1 - batch.step / settings.steps
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate * share_left**0.9
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        images = batch.images.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            logits = self.network(images)
        loss = TASKS.get(self.plan.task).loss(
            logits, batch.masks, class_balance=settings.class_balance
        )
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        return float(loss.detach())

    def _validated(self, state: RunState, validation: Sequence[Example]) -> RunState:
        if not validation:
            return state
        model = Model.of(self.network, self._manifest(""))
        scored = evaluate(model, validation)
        point = CurvePoint(
            step=state.step,
            loss=sum(state.losses) / len(state.losses),
            dice={name: each.mean for name, each in scored.dice_by_class.items()},
        )
        return dataclasses.replace(state, curve=(*state.curve, point), losses=())

    def _manifest(self, weights_digest: str) -> ModelManifest:
        return ModelManifest(
            recipe=self.recipe.to_yaml(),
            plan=self.plan,
            classes=self.plan.classes,
            weights_digest=weights_digest,
        )

    def fitted(self, state: RunState) -> FittedModel:
        """Take weights and record."""
        weights = weights_bytes(self.network, self.plan.classes)
        record = {
            "recipe": self.recipe.to_yaml(),
            "plan": self.plan.to_json(),
            "seed": self.recipe.training.seed,
            "precision": "bfloat16" if self.is_bfloat16 else "float32",
            "hardware": hardware(self.device, self.threads),
            "environment": environment(),
            "steps": state.step,
            "seconds": round(state.seconds, 1),
            "wait_share": _share(state.wait_s, state.seconds),
            "curve": [point.to_json() for point in state.curve],
            "validation_dice": state.curve[-1].mean_dice if state.curve else None,
            "transfer": dataclasses.asdict(self.transfer) if self.transfer else None,
        }
        return FittedModel(
            weights=weights,
            manifest=self._manifest(_digest(weights)),
            record=record,
            transfer=self.transfer,
        )


@contextlib.contextmanager
def _deterministic(threads: int, seed: int) -> Iterator[None]:
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


def _computes_bfloat16(precision: str, device: torch.device) -> bool:
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(_BFLOAT16_FEATURES & processor_features())


def _progress(state: RunState, first: RunState, steps: int, *, batch: int) -> Progress:
    done, seconds = state.step - first.step, max(state.seconds - first.seconds, 1e-9)
    recent = state.losses[-_LOSS_WINDOW:]
    loss = sum(recent) / len(recent) if recent else state.curve[-1].loss
    return Progress(
        step=state.step,
        steps=steps,
        loss=loss,
        patches_per_s=done * batch / seconds,
        time_left_s=(steps - state.step) * seconds / done,
        validation_dice=state.curve[-1].mean_dice if state.curve else None,
        wait_share=_share(state.wait_s, state.seconds),
    )


def _share(part: float, whole: float) -> float:
    return round(part / whole, 4) if whole else 0.0


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
