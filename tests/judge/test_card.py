"""A card tells a reader what the hub's records say, in one file without scripts."""

import dataclasses
import html
import re
from collections.abc import Callable

import pytest

from sightline.errors import UnknownName
from sightline.hub.collections import Criteria, Shares, make_version, open_test_members, version
from sightline.hub.hub import Hub
from sightline.hub.models import add_evaluation
from sightline.judge.card import card_html, figure_words, read_card, style_hash
from sightline.judge.evaluating import evaluation_of
from sightline.judge.exhibits import pack
from sightline.judge.paired import compare
from sightline.values.evaluation import Evaluation, Exhibit, Facts, Figure, ProbeFigure
from tests.hubs import CLASSES, add_trained, mask_of
from tests.judge.examples import masks, scores, separated

FIGURE = Figure(value=0.7, low=0.6, high=0.8, subjects=3)


@pytest.fixture
def chest(hub: Hub, fill: Callable[..., None]) -> str:
    fill(0, 1)
    fill(2, manufacturer="<Beta>")
    return make_version(
        hub,
        "chest",
        Criteria(modality="CT", classes=CLASSES),
        shares=Shares(validation=0, test=0.4),
    ).label


def evaluation() -> Evaluation:
    facts = [
        Facts(manufacturer="Alpha" if place % 2 else "<Beta>", sex="F" if place % 3 else "M")
        for place in range(12)
    ]
    examples = masks(
        [0.8 - 0.3 * (place % 2) for place in range(12)], facts=facts, class_name=CLASSES[0]
    )
    poorer = [
        dataclasses.replace(each, numbers=(dataclasses.replace(each.numbers[0], dice=0.3),))
        for each in examples
    ]
    exhibit = Exhibit(
        series_uid="2.25.1001.1",
        subject_id="S-0000000001",
        words="ground glass: Dice 0.50",
        slice_index=1,
        mask=pack(mask_of(1)[1]),
    )
    probe = ProbeFigure(
        probe="the target hidden", metric="Dice", figure=FIGURE, whole=FIGURE, chance=0.0
    )
    return evaluation_of(
        "segment",
        examples,
        classes=CLASSES[:1],
        probes=[probe],
        exhibits=[exhibit, dataclasses.replace(exhibit, series_uid="2.25.77")],
        comparisons=compare("segment", examples, poorer, classes=CLASSES[:1], other="old@1"),
    )


def words_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def test_it_tells_what_a_reader_asks(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    open_test_members(hub, version(hub, chest))
    open_test_members(hub, version(hub, chest))
    add_evaluation(
        hub, made.lineage_id, version(hub, chest), split="test", content=evaluation().to_json()
    )
    page = card_html(hub, "lesions@1")
    words = words_of(page)
    for expected in (
        "Research use only. Not for diagnosis or treatment.",
        "It draws ground glass and consolidation in CT.",
        "Dice on 12 subjects it never saw 0.650",
        "Worst is manufacturer Alpha : Dice 0.500",
        "A shortcut is possible.",
        "With the target hidden, Dice stays 0.70 (0.60 to 0.80)",
        "ground glass: Dice 0.50 · slice 2 · S-0000000001",
        "The image was withdrawn, or is not in the hub any more.",
        "Against old@1",
        "Collection chest@1 Split Subjects Series Scanners (subjects) train",
        "So few subjects cannot show rare failures.",
        "by all models together",
        "could not be tested: not recorded",
        made.weights_digest,
    ):
        assert expected in words, expected
    assert page.count("data:image/png;base64,") == 1
    assert "<Beta>" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert " style=" not in page
    assert style_hash().startswith("'sha256-")


def test_it_is_the_same_every_time(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "lesions", collection=chest)
    add_evaluation(
        hub, made.lineage_id, version(hub, chest), split="test", content=evaluation().to_json()
    )
    assert card_html(hub, "lesions@1") == card_html(hub, made.lineage_id)


def test_of_a_classifier_certainty_is_shown(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "xray", collection=chest)
    found = evaluation_of("classify", scores(*separated(0, 60)), classes=("tuberculosis",))
    add_evaluation(hub, made.lineage_id, version(hub, chest), split="test", content=found.to_json())
    words = words_of(card_html(hub, "xray"))
    for expected in (
        "AUROC on 60 subjects",
        "Reliability: tuberculosis",
        "ROC",
        "Leaving out the unsure",
        "Brier score of the surest 80 %",
    ):
        assert expected in words, expected


def test_a_model_that_was_never_evaluated_has_a_card_that_says_so(hub: Hub, chest: str) -> None:
    add_trained(hub, "lesions", collection=chest)
    words = words_of(card_html(hub, "lesions@1"))
    assert "It was not evaluated" in words
    assert "Evaluation none yet" in words


def test_the_newest_evaluation_that_can_be_read_is_shown(hub: Hub, chest: str) -> None:
    made = add_trained(hub, "lesions", collection=chest, dice=0.71)
    chosen = version(hub, chest)
    later = {"format": "sightline-evaluation", "version": 9}
    add_evaluation(hub, made.lineage_id, chosen, split="test", content=later)
    card = read_card(hub, "lesions@1")
    assert card.tested is not None
    assert card.tested.evaluation.headline.figure.value == 0.71
    assert "0.710" in words_of(card_html(hub, "lesions@1"))


def test_an_unknown_model_has_none(hub: Hub) -> None:
    with pytest.raises(UnknownName, match="no model 'nothing'"):
        card_html(hub, "nothing")


def test_figures_in_words() -> None:
    assert figure_words(FIGURE, "mm") == "0.700 mm (0.600 to 0.800)"
    assert figure_words(Figure(value=None, low=None, high=None, subjects=0)) == "not scored"
    assert figure_words(Figure(value=2.5, low=None, high=None, subjects=1), "ml") == "2.50 ml"
