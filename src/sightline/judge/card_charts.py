"""The charts of a card, from an evaluation."""

from collections.abc import Sequence
from itertools import groupby

from markupsafe import Markup

from sightline.judge.charts import (
    Axis,
    Row,
    curve_chart,
    dots_chart,
    figures_chart,
    reliability_chart,
)
from sightline.judge.metrics import Metric
from sightline.values.evaluation import ALL_CLASSES, CurveOf, Evaluation, Stratum

_AXES = {
    "roc": ("1 - specificity", "sensitivity"),
    "coverage": ("share that is answered, surest first", "mean loss of these"),
    "froc": ("false positives an example", "sensitivity"),
}
_TITLES = {"roc": "ROC", "coverage": "Leaving out the unsure", "froc": "Free response"}
_MOST_FALSE = 8.0


def by_class(evaluation: Evaluation, metric: Metric) -> Markup:
    """Draw one metric, over all classes and for each."""
    rows = [
        Row(
            label=_name(each.class_name),
            figure=each.figure,
            note=f"{metric.unit} ({each.figure.subjects})".strip(),
            is_marked=each.class_name == ALL_CLASSES,
        )
        for each in evaluation.figures
        if each.metric == metric.name
    ]
    return _safe(figures_chart(rows, title=_title(metric), is_share=not metric.unit))


def of_one_class(evaluation: Evaluation, metrics: Sequence[Metric]) -> Markup:
    """Draw every metric that is a share, where there is one class alone."""
    rows = [
        Row(label=metric.title, figure=figure, note=f"({figure.subjects})", is_marked=not place)
        for place, metric in enumerate(metrics)
        if not metric.unit and (figure := evaluation.figure(metric.name)) is not None
    ]
    return _safe(figures_chart(rows, title="figures without a unit", is_share=True))


def strata(evaluation: Evaluation, metric: Metric, worst: Stratum | None) -> Markup:
    """Draw the first metric for every stratum."""
    of_all = evaluation.headline.figure
    rows = [Row(label="all", figure=of_all, note=f"({of_all.subjects})", is_marked=True)]
    for fact, found in groupby(evaluation.strata, key=lambda each: each.fact):
        rows += [
            Row(
                label=f"{fact}: {each.value}",
                figure=each.figure,
                note=f"({each.figure.subjects})" + (" worst" if each == worst else ""),
            )
            for each in found
        ]
    return _safe(figures_chart(rows, title=_title(metric), is_share=not metric.unit))


def spread(evaluation: Evaluation, metric: Metric) -> Markup:
    """Draw one dot an example, class by class; empty where the metric has none."""
    value = metric.value
    if value is None:
        return Markup("")
    groups = []
    for name in evaluation.classes:
        values = [
            found
            for example in evaluation.examples
            for numbers in example.numbers
            if numbers.class_name == name and (found := value(numbers)) is not None
        ]
        groups.append((_name(name), values))
    known = [each for _, values in groups for each in values]
    high = 1.0 if not known or max(known) <= 1 else max(known)
    return _safe(
        dots_chart(groups, axis=Axis(title=f"{_title(metric)}, one dot an example", high=high))
    )


def reliability(evaluation: Evaluation) -> list[tuple[str, Markup]]:
    """Draw how far probabilities can be believed, a chart a class."""
    return [
        (_name(each.class_name), _safe(reliability_chart(each.bins, title=each.class_name)))
        for each in evaluation.reliability
    ]


def curves(evaluation: Evaluation) -> list[tuple[str, Markup]]:
    """Draw the curves, those of a kind together."""
    drawn = []
    for kind, found in groupby(sorted(evaluation.curves, key=_order), key=lambda each: each.kind):
        lines = list(found)
        titles = _AXES[kind]
        x = Axis(title=titles[0], high=_MOST_FALSE if kind == "froc" else 1.0)
        loss = max(max(each.y) for each in lines)
        y = Axis(title=titles[1], high=(loss or 1.0) if kind == "coverage" else 1.0)
        chart = curve_chart(
            [(_name(each.class_name), each.x, each.y) for each in lines],
            x=x,
            y=y,
            title=_TITLES[kind],
            has_diagonal=kind == "roc",
        )
        drawn.append((_TITLES[kind], _safe(chart)))
    return drawn


def _order(curve: CurveOf) -> int:
    return list(_TITLES).index(curve.kind)


def _name(class_name: str) -> str:
    return class_name.replace("_", " ") if class_name else "all classes"


def _title(metric: Metric) -> str:
    return f"{metric.title}, {metric.unit}" if metric.unit else metric.title


def _safe(svg: str) -> Markup:
    return Markup(svg)  # noqa: S704 - made here; every text in it is escaped
