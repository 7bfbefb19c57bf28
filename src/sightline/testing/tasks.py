"""What every task must do. Inherit `TaskConformance` and give your `PLUGIN` as `candidate`."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from sightline.tasks.contract import Decoded, Task, truth_of
from sightline.values.answer import Answer
from sightline.values.evaluation import (
    AmountNumbers,
    CandidateNumbers,
    MaskNumbers,
    Numbers,
    PictureNumbers,
    ProbabilityNumbers,
)
from sightline.values.geometry import Geometry
from sightline.values.plan import Intensity, Plan, Triple
from sightline.values.recipe import Task as Asked
from sightline.values.statement import Place, Statement, draw_places
from sightline.values.volume import Segmentation

CLASSES = ("first", "second", "third")
_SHAPE: Triple = (12, 14, 16)
_EXAMPLES = 8
_PERFECT = 1e-3


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Truths:
    """Some examples of a task.

    Attributes:
        target: as the loss takes it, all in one batch.
        answers: what is right, one an example.
    """

    target: torch.Tensor
    answers: tuple[Answer, ...]


class TaskConformance:
    """The suite; override `asked` where a task needs more than classes."""

    @pytest.fixture
    def candidate(self) -> Task:
        """Give the task."""
        raise NotImplementedError

    @pytest.fixture
    def asked(self) -> Asked:
        """Give what a recipe would ask."""
        return Asked.model_construct(kind="conformance", classes=list(CLASSES))

    @pytest.fixture
    def plan(self, candidate: Task, asked: Asked) -> Plan:
        """Give a plan of what is asked."""
        return plan_of(candidate, asked)

    @pytest.fixture
    def truths(self, candidate: Task, plan: Plan) -> Truths:
        """Give examples in which every class is there and is not."""
        return truths_of(candidate, plan)

    def test_the_loss_falls_as_answers_improve(
        self, candidate: Task, plan: Plan, truths: Truths
    ) -> None:
        """From knowing nothing to being sure, every step is cheaper, and the last all but free."""
        sure = candidate.ideal(truths.target, plan)
        losses = [
            float(_loss(candidate, [level * share for level in sure], truths.target, plan=plan))
            for share in (0.0, 0.1, 1.0)
        ]
        assert losses[0] > losses[1] > losses[2] >= 0
        assert losses[2] < losses[0] / 20

    @pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
    @pytest.mark.parametrize("is_empty", [False, True])
    def test_the_gradient_is_finite(  # noqa: PLR0917 - fixtures are parameters
        self,
        candidate: Task,
        plan: Plan,
        truths: Truths,
        precision: torch.dtype,
        is_empty: bool,
    ) -> None:
        """Whatever a network says, and where nothing is there to find."""
        target = torch.zeros_like(truths.target) if is_empty else truths.target
        for strength in (1.0, 50.0):
            logits = [
                (level * strength).to(precision).requires_grad_()
                for level in _noise(candidate, truths.target, plan)
            ]
            loss = _loss(candidate, logits, target, plan=plan)
            loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            assert torch.isfinite(loss)
            assert loss.dtype == torch.float32
            gradients = [level.grad for level in logits if level.grad is not None]
            assert gradients
            assert all(torch.isfinite(each).all() for each in gradients)

    def test_the_loss_is_the_same_each_time(
        self, candidate: Task, plan: Plan, truths: Truths
    ) -> None:
        """Bit for bit."""
        logits = _noise(candidate, truths.target, plan)
        first, second = (_loss(candidate, logits, truths.target, plan=plan) for _ in range(2))
        assert torch.equal(first, second)

    def test_being_sure_of_the_truth_scores_perfectly(
        self, candidate: Task, plan: Plan, truths: Truths
    ) -> None:
        """What is encoded and decoded is what it was."""
        for numbers in _scores(
            candidate, candidate.ideal(truths.target, plan), plan=plan, truths=truths
        ):
            assert flaw_of(numbers) <= _PERFECT

    def test_noise_scores_worse(self, candidate: Task, plan: Plan, truths: Truths) -> None:
        """A score that noise satisfies measures nothing."""
        scores = _scores(
            candidate, _noise(candidate, truths.target, plan), plan=plan, truths=truths
        )
        assert max(map(flaw_of, scores)) > _PERFECT * 10

    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_a_mirrored_patch_is_as_good(  # noqa: PLR0917 - fixtures are parameters
        self, candidate: Task, plan: Plan, truths: Truths, axis: int
    ) -> None:
        """The loss does not change, and what is decoded is mirrored, no more."""
        if candidate.answers == "each patch":
            pytest.skip("numbers of a whole patch have no sides")
        logits = _noise(candidate, truths.target, plan)
        mirrored = [level.flip(axis + 2) for level in logits]
        before = _loss(candidate, logits, truths.target, plan=plan)
        after = _loss(candidate, mirrored, truths.target.flip(axis + 1), plan=plan)
        torch.testing.assert_close(before, after)
        size = truths.target.shape[axis + 1]
        one = candidate.decode(logits[0][0], plan)
        other = candidate.decode(mirrored[0][0], plan)
        for field in ("classes", "image"):
            drawn, turned = getattr(one, field), getattr(other, field)
            assert (drawn is None) == (turned is None)
            if drawn is not None:
                assert torch.equal(drawn.flip(axis), turned)
        found = sorted(_mirrored(peak.index, axis, size) for peak in one.peaks)
        assert found == sorted(peak.index for peak in other.peaks)

    def test_it_says_its_answer_in_a_line(
        self, candidate: Task, plan: Plan, truths: Truths
    ) -> None:
        """For a worklist."""
        for answer in truths.answers:
            words = candidate.words(answer, plan)
            assert words
            assert "\n" not in words


def plan_of(candidate: Task, asked: Asked, patch: Triple = _SHAPE) -> Plan:
    """Plan what is asked, with a network that is never built."""
    numbers = {name: index for index, name in enumerate(asked.classes, start=1)}
    return Plan(
        task=asked.kind,
        classes=tuple(asked.classes),
        modality="MR",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=patch,
        batch=_EXAMPLES,
        intensity=Intensity(scheme="robust"),
        network="none",
        channels=(4,),
        strides=((1, 1, 1),),
        kernels=((3, 3, 3),),
        overlap=0.25,
        memory_mb=1,
        reasons={},
        outputs=candidate.outputs(asked),
        regions=tuple(
            (name, tuple(numbers[part] for part in parts)) for name, parts in asked.regions.items()
        ),
        is_exclusive=asked.exclusive,
    )


def truths_of(candidate: Task, plan: Plan) -> Truths:
    """Make examples that hold what a task needs."""
    random = np.random.default_rng(5)
    geometry = Geometry.from_affine(plan.patch, np.eye(4)[[2, 1, 0, 3]])
    if candidate.needs == "mask":
        masks = random.integers(0, len(plan.classes) + 1, (_EXAMPLES, *plan.patch), dtype=np.uint8)
        return Truths(
            target=torch.from_numpy(masks),
            answers=tuple(
                Answer(segmentation=_segmentation(mask, geometry, plan)) for mask in masks
            ),
        )
    if candidate.needs == "image":
        images = random.normal(0, 1, (_EXAMPLES, *plan.patch)).astype(np.float32)
        return Truths(
            target=torch.from_numpy(images),
            answers=tuple(Answer(image=image) for image in images),
        )
    said = [_statement(candidate, plan, number) for number in range(_EXAMPLES)]
    answers = tuple(truth_of(each) for each in said)
    if candidate.needs == "places":
        drawn = [draw_places(each.places, geometry, plan.classes) for each in said]
        return Truths(target=torch.from_numpy(np.stack(drawn)), answers=answers)
    assert candidate.encode is not None
    rows = [candidate.encode(each, plan.classes) for each in said]
    return Truths(target=torch.tensor(rows, dtype=torch.float32), answers=answers)


def _statement(candidate: Task, plan: Plan, number: int) -> Statement:
    """Every class is there in some, and not in others."""
    count = len(plan.classes)
    present: tuple[str, ...] = (plan.classes[number % count],)
    if not plan.is_exclusive:
        present = tuple(name for bit, name in enumerate(plan.classes) if number >> bit & 1)
    a, b, c = plan.patch
    middle = (c // 4 + number % 3, b // 4 + number % 2, a // 3)
    places = [Place(class_name=plan.classes[number % count], centre_mm=middle, size_mm=(5, 5, 5))]
    places += [Place(class_name=plan.classes[0], centre_mm=(c - 4, b - 4, a - 3))] * (number % 2)
    kind = {"presence": "presence", "numbers": "numbers"}.get(candidate.needs, "places")
    return Statement(
        target="reading",
        author="reader",
        kind=kind,  # type: ignore[arg-type]  # one of the three
        classes=plan.classes,
        present=present,
        numbers=tuple(float(number * (index + 1)) for index in range(count)),
        units=("1",) * count,
        places=tuple(places),
    )


def _loss(
    candidate: Task, logits: Sequence[torch.Tensor], target: torch.Tensor, *, plan: Plan
) -> torch.Tensor:
    return candidate.loss(logits, target, plan, class_balance=0.5)


def _noise(candidate: Task, target: torch.Tensor, plan: Plan) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [
        torch.randn(level.shape, generator=generator) for level in candidate.ideal(target, plan)
    ]


def _scores(
    candidate: Task, logits: Sequence[torch.Tensor], *, plan: Plan, truths: Truths
) -> list[Numbers]:
    return [
        numbers
        for each, truth in zip(logits[0], truths.answers, strict=True)
        for numbers in candidate.score(answer_of(candidate.decode(each, plan), plan), truth, plan)
    ]


def flaw_of(numbers: Numbers) -> float:
    """Return how far one class of an example is from perfect; 0 is."""
    match numbers:
        case MaskNumbers():
            return 0.0 if numbers.dice is None else 1 - numbers.dice
        case ProbabilityNumbers():
            return abs(numbers.score - numbers.truth)
        case AmountNumbers():
            return abs(numbers.answer - numbers.truth)
        case CandidateNumbers():
            hits = sorted(-1 if each.lesion is None else each.lesion for each in numbers.candidates)
            return float(hits != list(range(numbers.lesions)))
        case PictureNumbers():
            return numbers.mean_error


def answer_of(decoded: Decoded, plan: Plan) -> Answer:
    """Read what was decoded on a grid of 1 mm whose axes run to head, back and left."""
    geometry = Geometry.from_affine(plan.patch, np.eye(4)[[2, 1, 0, 3]])
    mask = None if decoded.classes is None else decoded.classes.numpy()
    return Answer(
        numbers=decoded.numbers,
        places=tuple(
            Place(
                class_name=peak.class_name,
                centre_mm=(peak.index[2], peak.index[1], peak.index[0]),
                size_mm=(peak.size[2], peak.size[1], peak.size[0]),
                score=peak.score,
            )
            for peak in decoded.peaks
        ),
        segmentation=None if mask is None else _segmentation(mask, geometry, plan),
        image=None if decoded.image is None else decoded.image.numpy(),
    )


def _segmentation(mask: np.ndarray, geometry: Geometry, plan: Plan) -> Segmentation:
    return Segmentation(mask=mask, geometry=geometry, classes=plan.classes, author="reader")


def _mirrored(
    index: tuple[float, float, float], axis: int, size: int
) -> tuple[float, float, float]:
    turned = list(index)
    turned[axis] = size - 1 - turned[axis]
    return (turned[0], turned[1], turned[2])
