"""Runs beside each other: curves, results, and what differs, as lines and as one page."""

import dataclasses
import html
from collections.abc import Iterator, Sequence

from sightline.hub.collections import version
from sightline.hub.hub import Hub
from sightline.hub.models import evaluations, model_of_run, run
from sightline.judge.card import figure_words
from sightline.train.differences import Difference, runs_differ
from sightline.train.progress import CurvePoint, validation_of
from sightline.values.evaluation import Evaluation
from sightline.values.identity import LineageId

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH, _HEIGHT, _MARGIN = 640, 240, 40
# Told apart by people who do not see colours as most do (Okabe and Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_NOTICE = "Research use only."
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
td, th { padding: .2rem .8rem; text-align: left; border-bottom: 1px solid #ccc }
"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """One run of a comparison.

    Attributes:
        loss: by step.
        metric: of the validations.
        scores: of them, by step.
        results: name and value, for people.
    """

    run_id: str
    name: str
    loss: tuple[tuple[int, float], ...]
    metric: str
    scores: tuple[tuple[int, float], ...]
    results: dict[str, str]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Some runs, and how each differs from the first."""

    sides: tuple[Side, ...]
    differences: tuple[tuple[Difference, ...], ...]


def compare(hub: Hub, run_ids: Sequence[str]) -> Comparison:
    """Put runs beside each other.

    Raises:
        UnknownName: There is no such run.
        BadRecipe: A recipe of theirs does not validate.
    """
    known = [run(hub, LineageId(run_id)) for run_id in run_ids]
    found = []
    for each in known[1:]:
        different = runs_differ(known[0], each)
        if known[0].collection != each.collection:
            different = [*_members_differ(hub, known[0].collection, each.collection), *different]
        found.append(tuple(different))
    sides = tuple(_side(hub, run_id) for run_id in run_ids)
    return Comparison(sides=sides, differences=tuple(found))


def curve_in_a_line(points: Sequence[tuple[int, float]]) -> str:
    """Draw a curve as bars from its lowest to its highest value, with both."""
    if not points:
        return "none yet"
    values = [value for _, value in points]
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    bars = "".join(_BARS[int((value - low) / span * (len(_BARS) - 1))] for value in values)
    return f"{bars}  {low:.3f} to {high:.3f}"


def page(found: Comparison) -> str:
    """Write a comparison as a page of HTML that needs nothing else."""
    parts = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>Runs compared</title>",
        f"<style>{_STYLE}</style>",
        f"<h1>Runs compared</h1><p>{_NOTICE}</p>",
        "<h2>Results</h2>",
        _table(["", *[side.name for side in found.sides]], _result_rows(found.sides)),
        "<h2>Validation</h2>",
        _chart([(f"{side.name}: {side.metric}", side.scores) for side in found.sides]),
        "<h2>Loss</h2>",
        _chart([(side.name, side.loss) for side in found.sides]),
    ]
    first = found.sides[0].name
    for side, different in zip(found.sides[1:], found.differences, strict=True):
        parts.append(f"<h2>{html.escape(first)} and {html.escape(side.name)}</h2>")
        rows = [[each.kind, each.name, each.then, each.now] for each in different]
        parts.append(
            _table(["what", "name", first, side.name], rows)
            if rows
            else "<p>Nothing differs but the run.</p>"
        )
    return "\n".join(parts) + "</html>\n"


def _result_rows(sides: Sequence[Side]) -> list[list[str]]:
    names = list(dict.fromkeys(name for side in sides for name in side.results))
    return [[name, *[side.results.get(name, "-") for side in sides]] for name in names]


def _side(hub: Hub, run_id: str) -> Side:
    known = run(hub, LineageId(run_id))
    record, made = known.record, model_of_run(hub, known.lineage_id)
    results = {"state": known.state, "collection": known.collection}
    for name, unit in (
        ("steps", ""),
        ("seconds", " s"),
        ("wait_share", " of the time"),
    ):
        if record.get(name) is not None:
            results[name] = f"{record[name]:.4g}{unit}"
    metric, score = validation_of(record)
    if score is not None:
        results[f"validation {metric}"] = f"{score:.4g}"
    if made is not None:
        results |= {"model": made.label, "weights": made.weights_digest[:12]}
        for each in evaluations(hub, made.lineage_id)[:1]:
            headline = Evaluation.from_json(each.content).headline
            results[f"test {headline.metric}"] = figure_words(headline.figure)
    curve = [CurvePoint.from_json(point) for point in record.get("curve", [])]
    scored = [(point.step, point.mean_score) for point in curve]
    return Side(
        run_id=run_id,
        name=f"{made.label} ({run_id})" if made else run_id,
        loss=tuple((point.step, point.loss) for point in curve),
        metric=metric,
        scores=tuple((step, value) for step, value in scored if value is not None),
        results=results,
    )


def _members_differ(hub: Hub, then: str, now: str) -> Iterator[Difference]:
    """Say how many series of each split only one of two versions holds, or holds otherwise."""
    for split in ("train", "validation"):
        one, other = (
            {
                (each.series_uid, each.annotation_digest)
                for each in version(hub, label).members
                if each.split == split
            }
            for label in (then, now)
        )
        if one != other:
            yield Difference(
                kind="data",
                name=f"series in {split} that the other has not",
                then=str(len(one - other)),
                now=str(len(other - one)),
            )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{html.escape(each)}</th>" for each in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _chart(curves: Sequence[tuple[str, Sequence[tuple[int, float]]]]) -> str:
    """Draw curves over steps as SVG, with the ends of both axes."""
    points = [point for _, curve in curves for point in curve]
    if not points:
        return "<p>No validation yet.</p>"
    last = max(step for step, _ in points) or 1
    low, high = min(value for _, value in points), max(value for _, value in points)
    span = (high - low) or 1.0

    def place(step: int, value: float) -> str:
        x = _MARGIN + step / last * (_WIDTH - 2 * _MARGIN)
        y = _HEIGHT - _MARGIN - (value - low) / span * (_HEIGHT - 2 * _MARGIN)
        return f"{x:.1f},{y:.1f}"

    drawn = [
        f"<svg viewBox='0 0 {_WIDTH} {_HEIGHT + 20 * len(curves)}' width='{_WIDTH}' role='img'>",
        f"<text x='0' y='{_MARGIN}' font-size='12'>{high:.3f}</text>",
        f"<text x='0' y='{_HEIGHT - _MARGIN}' font-size='12'>{low:.3f}</text>",
        f"<text x='{_WIDTH - _MARGIN}' y='{_HEIGHT - 15}' font-size='12'>step {last}</text>",
    ]
    for index, (name, curve) in enumerate(curves):
        colour = _COLOURS[index % len(_COLOURS)]
        line = " ".join(place(step, value) for step, value in curve)
        drawn.append(
            f"<polyline points='{line}' fill='none' stroke='{colour}' stroke-width='2'/>"
            f"<text x='{_MARGIN}' y='{_HEIGHT + 14 + 20 * index}' font-size='13' fill='{colour}'>"
            f"{html.escape(name)}</text>"
        )
    return "".join(drawn) + "</svg>"
