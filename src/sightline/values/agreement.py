"""How far readers of the same images agree."""

import dataclasses

from sightline.values.evaluation import Figure
from sightline.values.identity import HubSeriesUid, SubjectId


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Closeness:
    """One mask of a class against another.

    Attributes:
        dice: 0 where only one of the two marked anything; None where neither did.
        both_marked: whether there are two contours to compare.
        slice_dice: Dice of each slice on which both marked something.
        kappa: Cohen's, over the voxels of the box that anybody marked; None where nobody did.
        hd95_mm: the greater of the two 95th percentiles of surface distances; None unless both
            marked something.
        distance_mm: mean distance of the points of both surfaces from the other; likewise.
    """

    dice: float | None
    both_marked: bool
    slice_dice: tuple[float, ...]
    kappa: float | None
    hd95_mm: float | None
    distance_mm: float | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ClassAgreement:
    """The readers of one series on one class.

    Attributes:
        authors: in order.
        marked: whether each marked anything.
        pairs: each two readers.
        left_out: each reader against the consensus of the others.
        model: a model against those same consensuses; empty where none was asked for.
        fleiss: kappa of all of them over the voxels of that box; None where nobody marked any.
    """

    class_name: str
    authors: tuple[str, ...]
    marked: tuple[bool, ...]
    pairs: tuple[Closeness, ...]
    left_out: tuple[Closeness, ...]
    model: tuple[Closeness, ...]
    fleiss: float | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SeriesAgreement:
    """The readers of one series."""

    series_uid: HubSeriesUid
    subject_id: SubjectId
    classes: tuple[ClassAgreement, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AgreementFigure:
    """One figure over subjects.

    Attributes:
        title: what it says, for people.
    """

    title: str
    class_name: str
    figure: Figure


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """Readers of many series.

    Attributes:
        alone: series with fewer than two readers, which say nothing of agreement.
        note: how to read it.
    """

    series: tuple[SeriesAgreement, ...]
    figures: tuple[AgreementFigure, ...]
    alone: tuple[HubSeriesUid, ...]
    note: str
