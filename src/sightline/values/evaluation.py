"""What an evaluation holds: every example's numbers, and the figures that follow from them.

The numbers of an example are of one kind a task: masks, probabilities, candidates, amounts or
pictures. Statistics need nothing else, neither images nor a network.
"""

import dataclasses
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, TypeAdapter, ValidationError

from sightline.errors import DamagedObject

FORMAT = "sightline-evaluation"
VERSION = 2

ALL_CLASSES = ""
"""The class name of a figure over all classes."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What may set one example apart from others, as it passed the door; empty where unknown.

    Attributes:
        site: institution, where the profile of the door lets it pass.
        sex: `F`, `M` or `O`.
        age_years: None where unknown; 90 stands for all above 89.
    """

    manufacturer: str = ""
    model: str = ""
    kernel: str = ""
    site: str = ""
    sex: str = ""
    age_years: float | None = None

    @property
    def scanner(self) -> str:
        """Manufacturer and model."""
        return " ".join(part for part in (self.manufacturer, self.model) if part)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MaskNumbers:
    """One class of a mask against the truth.

    Attributes:
        dice: None where the class is in neither.
        hd95_mm: 95th percentile of the surface distances; None where one of the two holds nothing
            of the class, or nobody measured.
        nsd: share of both surfaces that lies within the tolerance of the other; None likewise,
            but 0 where only one holds the class.
    """

    kind: Literal["mask"] = "mask"
    class_name: str
    dice: float | None
    truth_ml: float
    answer_ml: float
    hd95_mm: float | None = None
    nsd: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ProbabilityNumbers:
    """What a classifier says of one class.

    Attributes:
        score: probability that the class holds, 0 to 1.
    """

    kind: Literal["probability"] = "probability"
    class_name: str
    score: float
    truth: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One place where a detector says that something is.

    Attributes:
        score: the higher, the surer.
        lesion: number of the true lesion that it hits, from 0; None where it hits none.
    """

    score: float
    lesion: int | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CandidateNumbers:
    """What a detector says of one class.

    Attributes:
        lesions: how many true ones there are.
    """

    kind: Literal["candidates"] = "candidates"
    class_name: str
    candidates: tuple[Candidate, ...]
    lesions: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AmountNumbers:
    """A grade (0, 1, 2 ...) or a quantity in its unit.

    Attributes:
        is_grade: whether only the order of amounts means something.
    """

    kind: Literal["amount"] = "amount"
    class_name: str
    answer: float
    truth: float
    is_grade: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PictureNumbers:
    """A restored image against the true one.

    Attributes:
        psnr_db: peak signal-to-noise ratio.
        ssim: structural similarity; None where nobody measured.
        mean_error: mean absolute difference, in the unit of the image.
    """

    kind: Literal["picture"] = "picture"
    class_name: str
    psnr_db: float
    mean_error: float
    ssim: float | None = None


Numbers: TypeAlias = Annotated[
    MaskNumbers | ProbabilityNumbers | CandidateNumbers | AmountNumbers | PictureNumbers,
    Field(discriminator="kind"),
]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScoredExample:
    """What a model says of one example, against the truth.

    Attributes:
        numbers: one item a class, all of one kind.
        lesion_ml: true volume of all classes together; None where the truth is no mask.
        confidence: of a mask, how alike it stays when the image is slightly changed, 0 to 1; only
            the order means something. None where nobody looked.
    """

    subject_id: str
    series_uid: str
    numbers: tuple[Numbers, ...]
    facts: Facts = Facts()
    lesion_ml: float | None = None
    confidence: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A figure with its 95 % interval over subjects; None where nothing could be scored.

    Attributes:
        subjects: how many could be scored.
    """

    value: float | None
    low: float | None
    high: float | None
    subjects: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MetricFigure:
    """The figure of one metric for one class.

    Attributes:
        class_name: empty for all classes together.
    """

    metric: str
    class_name: str
    figure: Figure


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stratum:
    """The examples that share one fact.

    Attributes:
        fact: such as `manufacturer`.
        value: such as `GE`.
        figure: of the first metric of the task, over all classes.
        gap: figure of these minus that of all others.
    """

    fact: str
    value: str
    figure: Figure
    gap: Figure


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReliabilityBin:
    """Examples whose score lies in one range.

    Attributes:
        score: their mean.
        share: of them in which the class holds.
    """

    score: float
    share: float
    examples: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CurveOf:
    """A curve of one class: points with rising x.

    Attributes:
        kind: `roc`: false positive rate and sensitivity; `coverage`: share answered and mean loss
            of those; `froc`: false positives an example and sensitivity.
    """

    kind: Literal["roc", "coverage", "froc"]
    class_name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """How often a class holds where the model says so surely."""

    class_name: str
    bins: tuple[ReliabilityBin, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScannerTest:
    """Whether a scanner can be read off what the model says, truth being equal.

    Attributes:
        auroc: chance that it says more of an example of this scanner than of another; 0.5 is none.
        p: chance of so much by accident, of permuting scanners among subjects.
        subjects: of this scanner.
    """

    class_name: str
    scanner: str
    auroc: float
    p: float
    subjects: int


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ProbeFigure:
    """The first metric on images from which something was taken away.

    Attributes:
        probe: what was taken away, in words that follow "with".
        whole: on the images as they are.
        chance: what a model that knows nothing reaches.
    """

    probe: str
    metric: str
    figure: Figure
    whole: Figure
    chance: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShortcutCheck:
    """Whether a model may look at the wrong thing.

    Attributes:
        is_suspect: at least one test found a reason.
        words: the verdict, for people, with the figures that it rests on.
    """

    scanners: tuple[ScannerTest, ...]
    probes: tuple[ProbeFigure, ...]
    is_suspect: bool
    words: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PackedSlice:
    """One slice of small numbers, packed.

    Attributes:
        content: base64 of the deflated bytes.
    """

    rows: int
    columns: int
    content: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Exhibit:
    """One of the worst examples: enough to draw it from the hub's arrays.

    Attributes:
        words: what is wrong, with figures.
        slice_index: the slice where most of it is.
        mask: the model's mask there; None where the answer is none.
        saliency: what the answer rests on there, 0 to 255; None where nobody asked.
    """

    series_uid: str
    subject_id: str
    words: str
    slice_index: int
    mask: PackedSlice | None = None
    saliency: PackedSlice | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The model against another on the same examples.

    Attributes:
        other: label of the other model.
        difference: the model's minus the other's, paired by subject.
        p: chance of so large a difference by accident, of swapping the two models' answers.
    """

    other: str
    metric: str
    class_name: str
    own: Figure
    others: Figure
    difference: Figure
    p: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """A model on a set of examples.

    Attributes:
        task: kind of the task, such as `segment`.
        figures: the first is the one that is gated, over all classes.
        note: how to read it.
    """

    task: str
    classes: tuple[str, ...]
    subjects: int
    examples: tuple[ScoredExample, ...]
    figures: tuple[MetricFigure, ...]
    strata: tuple[Stratum, ...] = ()
    reliability: tuple[Reliability, ...] = ()
    curves: tuple[CurveOf, ...] = ()
    shortcuts: ShortcutCheck | None = None
    exhibits: tuple[Exhibit, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    note: str = ""

    @property
    def headline(self) -> MetricFigure:
        """The first metric of the task, over all classes."""
        return self.figures[0]

    def figure(self, metric: str, class_name: str = ALL_CLASSES) -> Figure | None:
        """Return one figure; None where the evaluation has no such."""
        for each in self.figures:
            if (each.metric, each.class_name) == (metric, class_name):
                return each.figure
        return None

    def by_class(self, metric: str) -> dict[str, Figure]:
        """Return the figures of a metric by class."""
        return {
            each.class_name: each.figure
            for each in self.figures
            if each.metric == metric and each.class_name != ALL_CLASSES
        }

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, with format and version."""
        return {"format": FORMAT, "version": VERSION, **dataclasses.asdict(self)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Read what `to_json` made, or the first version of it.

        Raises:
            DamagedObject: It is no evaluation of a known version.
        """
        try:
            match content.get("format"), content.get("version"):
                case "sightline-evaluation", 2:
                    fields = {k: v for k, v in content.items() if k not in {"format", "version"}}
                    return TypeAdapter(cls).validate_python(fields)
                case "sightline-evaluation", 1:
                    return cls(**_first_version(content))
                case _:
                    raise DamagedObject(
                        f"no evaluation of a known version: {content.get('version')!r}",
                        hint="It was made by a later Sightline; upgrade this one.",
                    )
        except (ValidationError, KeyError, TypeError) as error:
            raise DamagedObject(
                "a stored evaluation does not validate",
                hint="Evaluate the model again, or restore the catalog from a backup.",
            ) from error


def _first_version(content: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew masks only: Dice and volume, no facts."""
    dice = content["dice"]
    shown = {ALL_CLASSES: dice, **dice["by_class"]}
    figures = [
        MetricFigure(metric="dice", class_name=name, figure=_first_figure(each))
        for name, each in shown.items()
    ]
    for name, error in content["volume_error_ml"].items():
        figure = Figure(value=error, low=None, high=None, subjects=content["subjects"])
        figures.append(MetricFigure(metric="volume_error_ml", class_name=name, figure=figure))
    return {
        "task": "segment",
        "classes": tuple(dice["by_class"]),
        "subjects": content["subjects"],
        "examples": tuple(_first_example(each) for each in content["series"]),
        "figures": tuple(figures),
        "note": content["note"],
    }


def _first_figure(found: dict[str, Any]) -> Figure:
    return Figure(
        value=found["mean"], low=found["low"], high=found["high"], subjects=found["subjects"]
    )


def _first_example(series: dict[str, Any]) -> ScoredExample:
    numbers = tuple(
        MaskNumbers(
            class_name=each["class_name"],
            dice=each["dice"],
            truth_ml=each["truth_ml"],
            answer_ml=each["truth_ml"] + each["volume_error_ml"],
        )
        for each in series["scores"]
    )
    return ScoredExample(
        subject_id=series["subject_id"],
        series_uid=series["series_uid"],
        numbers=numbers,
        lesion_ml=sum(each.truth_ml for each in numbers),
    )
