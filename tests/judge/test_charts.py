"""Charts are well-formed SVG, put what they show where it belongs, and escape every text."""

import xml.etree.ElementTree as ET

import pytest

from sightline.judge.charts import (
    Axis,
    Row,
    curve_chart,
    dots_chart,
    figures_chart,
    number,
    reliability_chart,
)
from sightline.values.evaluation import Figure, ReliabilityBin


def figure(value: float | None, low: float | None = None, high: float | None = None) -> Figure:
    return Figure(value=value, low=low, high=high, subjects=9)


def of_class(svg: str, name: str) -> list[ET.Element]:
    return [each for each in ET.fromstring(svg).iter() if each.get("class") == name]  # noqa: S314 - ours


def test_a_figure_lies_within_its_interval() -> None:
    rows = [
        Row(label="all", figure=figure(0.8, 0.7, 0.9), is_marked=True),
        Row(label="<b>&", figure=figure(0.6, 0.55, 0.65), note="(9)"),
        Row(label="none", figure=figure(None)),
    ]
    drawn = figures_chart(rows, title="Dice", is_share=True)
    (marked,) = of_class(drawn, "interval marked")
    (point,) = of_class(drawn, "point marked")
    left, right = float(marked.get("x1", "")), float(marked.get("x2", ""))
    assert float(point.get("cx", "")) == pytest.approx((left + right) / 2)
    assert len(of_class(drawn, "point")) == 1
    assert "<b>" not in drawn
    words = [each.text for each in ET.fromstring(drawn).iter() if each.text]  # noqa: S314 - ours
    assert "<b>&" in words
    assert "not scored" in words
    assert "0.600 (9)" in words


def test_an_axis_of_shares_ends_at_one_and_others_where_they_end() -> None:
    ticks = [
        each.text
        for each in of_class(
            figures_chart([Row(label="a", figure=figure(0.2))], title="x", is_share=True), "tick"
        )
    ]
    assert (ticks[0], ticks[-1]) == ("0", "1")
    high = [
        each.text
        for each in of_class(
            figures_chart([Row(label="a", figure=figure(0.9))], title="x", is_share=True), "tick"
        )
    ]
    assert (high[0], high[-1]) == ("0.5", "1")
    wide = figures_chart(
        [Row(label="a", figure=figure(12.0, 3.0, 44.0))], title="mm", is_share=False
    )
    assert [each.text for each in of_class(wide, "tick")] == ["0", "10", "20", "30", "40"]
    signed = figures_chart([Row(label="a", figure=figure(-2.0))], title="bias", is_share=False)
    assert of_class(signed, "tick")[0].text == "-2"


def test_curves_and_their_keys() -> None:
    drawn = curve_chart(
        [("left", (0.0, 0.5, 1.0), (0.0, 1.0, 1.0)), ("right", (0.0, 1.0), (0.0, 1.0))],
        x=Axis(title="1 - specificity"),
        y=Axis(title="sensitivity"),
        title="ROC",
        has_diagonal=True,
    )
    (curve,) = of_class(drawn, "curve c0")
    assert curve.get("points") == "44.0,260.0 169.0,10.0 294.0,10.0"
    assert [each.text for each in of_class(drawn, "key c1")] == ["right"]
    assert of_class(drawn, "chance")


def test_more_examples_are_larger_dots() -> None:
    bins = [
        ReliabilityBin(score=0.1, share=0.0, examples=100),
        ReliabilityBin(score=0.9, share=1.0, examples=4),
    ]
    dots = of_class(reliability_chart(bins, title="lesion"), "point")
    assert float(dots[0].get("r", "")) > float(dots[1].get("r", ""))


def test_every_value_is_a_dot_and_none_hides_another() -> None:
    drawn = dots_chart([("left", [0.5, 0.5, 0.9]), ("right", [0.2])], axis=Axis(title="Dice"))
    places = [(each.get("cx"), each.get("cy")) for each in of_class(drawn, "dot")]
    assert len(places) == len(set(places)) == 4


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.8754, "0.875"),
        (1.0, "1.000"),
        (1.234, "1.23"),
        (12.34, "12.3"),
        (123.4, "123"),
        (0.00123, "0.001"),
        (0.0, "0.000"),
        (-0.131, "-0.131"),
    ],
)
def test_digits(value: float, words: str) -> None:
    assert number(value) == words
