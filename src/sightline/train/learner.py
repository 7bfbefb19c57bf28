"""What learns: a network, its optimizer, and the moving average of its weights."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Self, TypeAlias

import torch
from torch import nn

from sightline.errors import DamagedObject
from sightline.feed.batches import Batch
from sightline.feed.draws import step_seed
from sightline.networks.framed import channels_last, lay_out
from sightline.networks.weights import load_tensors, tensors_of
from sightline.tasks.contract import TASKS
from sightline.train.captured import Captured
from sightline.train.environment import processor_features
from sightline.values.plan import Plan
from sightline.values.recipe import Training

# 0.99, as for a quarter of a million steps, is slow to start: runs here take minutes.
_MOMENTUM = 0.9
_LARGEST_GRADIENT = 12.0
_BFLOAT16_FEATURES = frozenset({"avx512_bf16", "amx_bf16"})
# An average of few steps must not remember the random weights it began with.
_AVERAGE_DELAY = 10

Tensors: TypeAlias = dict[str, torch.Tensor]


class StepLoss:
    """The loss of a step that a device may still be at work on."""

    def __init__(self, loss: torch.Tensor) -> None:
        self._done: torch.cuda.Event | None = None
        self._loss = loss
        if loss.is_cuda:
            self._loss = torch.empty((), dtype=loss.dtype, pin_memory=True)
            self._loss.copy_(loss, non_blocking=True)
            self._done = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            self._done.record()

    @property
    def is_there(self) -> bool:
        """Whether reading it waits for nothing."""
        return self._done is None

    def value(self) -> float:
        """Wait for the step, and for no later one."""
        if self._done is not None:
            self._done.synchronize()
        return float(self._loss)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Learner:
    """A network that learns.

    Attributes:
        average: the moving average of the weights; None where the recipe asks for none.
        best: the weights of the best validation so far; empty unless the recipe stops early.
        tracked: the tensors of the network that `average` follows, in its order.
        captured: does a pass on a GPU; None where gradients of several add up, and elsewhere.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    plan: Plan
    training: Training
    device: torch.device
    is_bfloat16: bool
    average: Tensors | None
    best: Tensors = dataclasses.field(default_factory=dict)
    captured: Captured | None = None
    tracked: list[torch.Tensor] = dataclasses.field(default_factory=list)

    @classmethod
    def of(
        cls,
        network: nn.Module,
        plan: Plan,
        training: Training,
        *,
        device: torch.device,
        is_bfloat16: bool,
    ) -> Self:
        """Bring a network to the device that trains it."""
        network.to(device)
        lay_out(network)
        optimizer = torch.optim.SGD(
            network.parameters(),
            lr=training.learning_rate,
            momentum=_MOMENTUM,
            nesterov=True,
            weight_decay=training.weight_decay,
        )
        tensors = tensors_of(network)
        learner = cls(
            network=network,
            optimizer=optimizer,
            plan=plan,
            training=training,
            device=device,
            is_bfloat16=is_bfloat16,
            average=_copied(tensors) if training.average else None,
            tracked=list(tensors.values()),
        )
        if device.type != "cuda" or training.accumulate > 1:
            return learner
        return dataclasses.replace(learner, captured=Captured(learner.gradients, network))

    def learn(self, batches: Iterable[Batch], *, step: int, rate: float) -> StepLoss:
        """Do one step on the mean gradient of `accumulate` batches; return their mean loss.

        Each batch is done with before the next is taken, so that a feed may reuse its buffers.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # What draws within the network, such as dropout, draws by the step: resuming is a number.
        torch.manual_seed(step_seed(self.training.seed, step))
        if not self.network.training:
            self.network.train()
        total, count = torch.zeros((), device=self.device), self.training.accumulate
        if self.captured is None:
            self.optimizer.zero_grad(set_to_none=True)
        for batch in batches:
            total += (self.captured or self.gradients)(batch.images, batch.targets)
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        self.move_average(step)
        return StepLoss(total / count)

    def gradients(self, images: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Add the gradients of a batch, one of `accumulate`, and return its loss."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_bfloat16):
            logits = self.network(channels_last(images))
        loss = TASKS.get(self.plan.task).loss(
            logits, targets, self.plan, class_balance=self.training.class_balance
        )
        (loss / self.training.accumulate).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return loss.detach()

    def move_average(self, step: int) -> None:
        """Let the average follow the weights as they are after a step; does nothing without one."""
        if self.average is None:
            return
        kept = min(self.training.average, (1 + step) / (_AVERAGE_DELAY + step))
        pairs = list(zip(self.average.values(), self.tracked, strict=True))
        reals = [pair for pair in pairs if pair[0].is_floating_point()]
        with torch.no_grad():
            # One call for all: an accelerator is handed a few pieces of work, not one a tensor.
            torch._foreach_lerp_([one for one, _ in reals], [now for _, now in reals], 1 - kept)
            for one, now in pairs:
                if not one.is_floating_point():
                    one.copy_(now)  # batch normalisation counts its batches

    def answers(self) -> Tensors:
        """Return the weights to validate and to keep: the average where there is one."""
        return self.average if self.average is not None else tensors_of(self.network)

    def keep_best(self) -> None:
        """Remember the weights as they are as the best so far."""
        self.best.clear()
        self.best.update(_copied(self.answers()))

    def tensors(self) -> Tensors:
        """Return everything that going on needs, by name."""
        named = _prefixed("network.", tensors_of(self.network))
        for index, values in self.optimizer.state_dict()["state"].items():
            named |= _prefixed(f"optimizer.{index}.", values)
        named |= _prefixed("average.", self.average or {})
        return named | _prefixed("best.", self.best)

    def restore(self, tensors: Tensors) -> None:
        """Go back to what `tensors` gave.

        Raises:
            DamagedObject: They are of another network.
        """
        load_tensors(self.network, _below("network.", tensors))
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": _optimizer_state(tensors), "param_groups": groups})
        average = _below("average.", tensors)
        if average.keys() != (self.average or {}).keys():
            raise DamagedObject(
                "a checkpoint holds no moving average of this network",
                hint="Delete it from the run's folder to begin the run again.",
            )
        for name, value in (self.average or {}).items():
            value.copy_(average[name])
        self.best.clear()
        self.best.update({k: v.to(self.device) for k, v in _below("best.", tensors).items()})


def computes_bfloat16(precision: str, device: torch.device) -> bool:
    """Tell whether convolutions are done in bfloat16: asked for, or what the device is made for."""
    if precision != "auto":
        return precision == "bfloat16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(_BFLOAT16_FEATURES & processor_features())


def _copied(tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {name: value.detach().clone() for name, value in tensors.items()}


def _prefixed(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def _below(prefix: str, tensors: Tensors) -> Tensors:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer_state(tensors: Tensors) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for name, value in _below("optimizer.", tensors).items():
        index, _, field = name.partition(".")
        state.setdefault(int(index), {})[field] = value
    return state
