"""Small charts as SVG: figures with their intervals, curves, reliability, one dot a subject.

Sizes are in pixels of the drawing; colours and type come from the classes of the page's style.
"""

import dataclasses
import math
from collections.abc import Sequence
from html import escape

from sightline.values.evaluation import Figure, ReliabilityBin

_LABEL_WIDTH, _PLOT_WIDTH, _VALUE_WIDTH = 250, 300, 190
_ROW, _TOP, _BOTTOM = 26, 8, 34
_SIDE, _PAD = 250, 44
_DOT = 4.5
_LEAST_SPAN = 1e-9


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a chart of figures.

    Attributes:
        note: after the figure, such as how many subjects.
        is_marked: drawn to be seen first.
    """

    label: str
    figure: Figure
    note: str = ""
    is_marked: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What an axis shows, from where to where."""

    title: str
    low: float = 0.0
    high: float = 1.0

    def place(self, value: float, length: float) -> float:
        """Return how far along the axis a value lies; beyond its ends, at the end."""
        share = (value - self.low) / max(self.high - self.low, _LEAST_SPAN)
        return min(max(share, 0.0), 1.0) * length


def figures_chart(rows: Sequence[Row], *, title: str, is_share: bool) -> str:
    """Draw figures as points with their intervals, one a row.

    Args:
        rows: what is drawn, from above.
        title: of the axis.
        is_share: whether the axis ends at 1.
    """
    shown = _axis_of(rows, title, is_share=is_share)
    height = _TOP + _ROW * len(rows) + _BOTTOM
    width = _LABEL_WIDTH + _PLOT_WIDTH + _VALUE_WIDTH
    parts = _ticks(shown, height)
    for place, row in enumerate(rows):
        parts += _figure_row(row, shown, y=_TOP + _ROW * (place + 0.5))
    return _svg(width, height, parts, title=title)


def _axis_of(rows: Sequence[Row], title: str, *, is_share: bool) -> Axis:
    known = [
        value
        for row in rows
        for value in (row.figure.value, row.figure.low, row.figure.high)
        if value is not None
    ]
    low, high = min([0.0, *known]), max([0.0, *known])
    if is_share and min(known, default=0.0) >= 0.5:  # noqa: PLR2004 - half
        low = 0.5
    return Axis(title=title, low=low, high=1.0 if is_share else high or 1.0)


def _ticks(axis: Axis, height: float) -> list[str]:
    parts = []
    foot = height - _BOTTOM
    for value in _round_values(axis):
        x = _LABEL_WIDTH + axis.place(value, _PLOT_WIDTH)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{foot:.1f}"/>')
        parts.append(_text("tick", f"{value:g}", x=x, y=foot + 13))
    parts.append(_text("axis", axis.title, x=_LABEL_WIDTH + _PLOT_WIDTH / 2, y=height - 5))
    return parts


def _round_values(axis: Axis) -> list[float]:
    """Return four to nine round values on an axis."""
    span = max(axis.high - axis.low, _LEAST_SPAN)
    step = 10 ** math.floor(math.log10(span))
    step = next(each for each in (step, step / 2, step / 5) if span / each >= 4)  # noqa: PLR2004
    first = math.ceil(axis.low / step - 1e-6)
    last = math.floor(axis.high / step + 1e-6)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _figure_row(row: Row, axis: Axis, *, y: float) -> list[str]:
    mark = " marked" if row.is_marked else ""
    parts = [_text(f"label{mark}", _shortened(row.label), x=_LABEL_WIDTH - 12, y=y + 4)]
    figure = row.figure
    right = _LABEL_WIDTH + _PLOT_WIDTH + 12
    if figure.value is None:
        return [*parts, _text("value", "not scored", x=right, y=y + 4)]
    if figure.low is not None and figure.high is not None:
        ends = [_LABEL_WIDTH + axis.place(each, _PLOT_WIDTH) for each in (figure.low, figure.high)]
        parts.append(
            f'<line class="interval{mark}" x1="{ends[0]:.1f}" x2="{ends[1]:.1f}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    x = _LABEL_WIDTH + axis.place(figure.value, _PLOT_WIDTH)
    parts.append(f'<circle class="point{mark}" cx="{x:.1f}" cy="{y:.1f}" r="{_DOT}"/>')
    words = f"{number(figure.value)} {row.note}".strip()
    return [*parts, _text(f"value{mark}", words, x=right, y=y + 4)]


def curve_chart(
    curves: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    *,
    x: Axis,
    y: Axis,
    title: str,
    has_diagonal: bool = False,
) -> str:
    """Draw curves, each with its name, as steps between their points."""
    parts = _frame(x, y)
    if has_diagonal:
        parts.append(_path([(0.0, 0.0), (1.0, 1.0)], x=x, y=y, name="chance"))
    for place, (name, xs, ys) in enumerate(curves):
        points = list(zip(xs, ys, strict=True))
        parts.append(_path(points, x=x, y=y, name=f"curve c{place % 5}"))
        if len(curves) > 1:
            at = _PAD + 16 + 16 * place
            parts.append(_text(f"key c{place % 5}", name, x=_PAD + 10, y=at))
    return _svg(_SIDE + 2 * _PAD, _SIDE + _PAD + 20, parts, title=title)


def reliability_chart(bins: Sequence[ReliabilityBin], *, title: str) -> str:
    """Draw how often a class holds over how surely the model says so; larger dots are more."""
    x, y = Axis(title="probability that the model gives"), Axis(title="share that it holds")
    most = max(each.examples for each in bins)
    parts = [*_frame(x, y), _path([(0.0, 0.0), (1.0, 1.0)], x=x, y=y, name="chance")]
    parts.append(_path([(each.score, each.share) for each in bins], x=x, y=y, name="curve c0"))
    for each in bins:
        radius = 3 + 5 * math.sqrt(each.examples / most)
        cx, cy = _at(each.score, each.share, x=x, y=y)
        parts.append(
            f'<circle class="point" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:.1f}">'
            f"<title>{each.examples} examples</title></circle>"
        )
    return _svg(_SIDE + 2 * _PAD, _SIDE + _PAD + 20, parts, title=title)


def dots_chart(groups: Sequence[tuple[str, Sequence[float]]], *, axis: Axis) -> str:
    """Draw one dot a value, row by row; values that coincide are piled."""
    rows, parts, y = [], [], float(_TOP)
    for label, values in groups:
        piles: dict[int, int] = {}
        dots = []
        for value in sorted(values):
            x = _LABEL_WIDTH + axis.place(value, _PLOT_WIDTH)
            level = piles.get(round(x / 6), 0)
            piles[round(x / 6)] = level + 1
            dots.append((round(x / 6) * 6, level))
        height = 14 + 6 * max(piles.values(), default=1)
        rows.append((label, dots, y + height - 8))
        y += height + 6
    total = y + _BOTTOM
    parts += _ticks(axis, total)
    for label, dots, foot in rows:
        parts.append(_text("label", _shortened(label), x=_LABEL_WIDTH - 12, y=foot + 2))
        parts += [
            f'<circle class="dot" cx="{x}" cy="{foot - 6 * level:.1f}" r="3"/>' for x, level in dots
        ]
    return _svg(_LABEL_WIDTH + _PLOT_WIDTH + _VALUE_WIDTH, total, parts, title=axis.title)


def number(value: float) -> str:
    """Write a figure with as many digits as it deserves."""
    size = abs(value)
    if size >= 100:  # noqa: PLR2004
        return f"{value:.0f}"
    if size >= 10:  # noqa: PLR2004
        return f"{value:.1f}"
    if 0 < size < 0.01:  # noqa: PLR2004
        return f"{value:.1g}"
    return f"{value:.3f}" if size < 1 or value == 1 else f"{value:.2f}"


def _shortened(text: str, most: int = 37) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _frame(x: Axis, y: Axis) -> list[str]:
    foot, right = _SIDE + 10, _PAD + _SIDE
    parts = [f'<rect class="frame" x="{_PAD}" y="10" width="{_SIDE}" height="{_SIDE}"/>']
    for value in _round_values(x):
        at = _PAD + x.place(value, _SIDE)
        parts.append(_text("tick", f"{value:g}", x=at, y=foot + 14))
    for value in _round_values(y):
        at = foot - y.place(value, _SIDE)
        parts.append(f'<line class="grid" x1="{_PAD}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(_text("tick y", f"{value:g}", x=_PAD - 6, y=at + 4))
    middle = 10 + _SIDE / 2
    parts.append(_text("axis", x.title, x=_PAD + _SIDE / 2, y=foot + 32))
    upright = _text("axis", y.title, x=0, y=0)
    return [*parts, f'<g transform="translate(11 {middle}) rotate(-90)">{upright}</g>']


def _path(points: Sequence[tuple[float, float]], *, x: Axis, y: Axis, name: str) -> str:
    places = (_at(*point, x=x, y=y) for point in points)
    drawn = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
    return f'<polyline class="{name}" points="{drawn}"/>'


def _at(across: float, up: float, *, x: Axis, y: Axis) -> tuple[float, float]:
    return _PAD + x.place(across, _SIDE), _SIDE + 10 - y.place(up, _SIDE)


def _text(kind: str, words: str, *, x: float, y: float) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'


def _svg(width: float, height: float, parts: Sequence[str], *, title: str) -> str:
    return (
        f'<svg role="img" aria-label="{escape(title)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'
    )
