"""A recipe's task says what goes together, and what does not is refused with what to do."""

import pytest

from sightline.errors import BadRecipe
from sightline.values.recipe import Recipe, setting_names

START = "name: a\ntitle: A\ntask: {classes: [x]}\n"
GOOD = (
    "{classes: [a, b]}",
    "{classes: [a, b, c], regions: {all: [a, b, c], inner: [b, c], core: [c]}}",
    "{kind: classify, classes: [a, b], target: t}",
    "{kind: classify, classes: [a], exclusive: false, target: t}",
    "{kind: grade, classes: [none, mild, severe], target: t}",
    "{kind: regress, classes: [age], target: t}",
    "{kind: detect, classes: [nodule], target: t}",
    "{kind: restore, classes: [clean]}",
    "{kind: of-an-outsider, classes: [a], target: t, exclusive: false}",
)
BAD = (
    ("{classes: [a, a]}", "stands twice"),
    (
        "{classes: [a], target: t}",
        "target is for classify, detect, grade, regress, not for segment",
    ),
    ("{classes: [a], exclusive: false}", "exclusive is for classify, not for segment"),
    ("{kind: grade, classes: [a, b], target: t, regions: {r: [a]}}", "regions is for segment"),
    ("{kind: classify, classes: [a, b]}", "classify needs target"),
    ("{kind: classify, classes: [a], target: t}", "say exclusive: false"),
    ("{kind: grade, classes: [a], target: t}", "two levels or more"),
    ("{classes: [a], regions: {r: [a, x]}}", "region r names x"),
    ("{classes: [a, b], regions: {small: [a], large: [a, b]}}", "from the largest"),
)


def recipe_with(task: str) -> Recipe:
    return Recipe.from_yaml(f"{{name: r, title: T, task: {task}}}")


@pytest.mark.parametrize("task", GOOD)
def test_what_goes_together_is_kept(task: str) -> None:
    made = recipe_with(task)
    assert Recipe.from_yaml(made.to_yaml()) == made


@pytest.mark.parametrize(("task", "problem"), BAD)
def test_what_does_not_is_refused(task: str, problem: str) -> None:
    with pytest.raises(BadRecipe, match=problem) as caught:
        recipe_with(task)
    assert caught.value.hint


def test_a_triage_rule_of_a_classification_needs_a_probability() -> None:
    text = (
        "{name: r, title: T, task: {kind: classify, classes: [a, b], target: t}, "
        "triage: [{class_name: a, words: found%s}]}"
    )
    with pytest.raises(BadRecipe, match="min_probability"):
        Recipe.from_yaml(text % "")
    assert Recipe.from_yaml(text % ", min_probability: 0.4").triage[0].min_probability == 0.4


@pytest.mark.parametrize(
    ("line", "place", "meant"),
    [
        ("training: {learning_rte: 0.1}", "training.learning_rte", "training.learning_rate"),
        ("network: {base_chanels: 8}", "network.base_chanels", "network.base_channels"),
        ("trainng: {steps: 3}", "trainng", "training"),
        ("patch: [32, 32, 32]", "patch", "inputs.patch"),
        ("training: {mirror_: [left_right]}", "training.mirror_", "training.mirror"),
    ],
)
def test_a_typo_is_named_with_what_was_meant(line: str, place: str, meant: str) -> None:
    with pytest.raises(BadRecipe, match=f"{place}: a recipe holds no such setting") as refusal:
        Recipe.from_yaml(START + line)
    assert f"Did you mean {meant}?" in refusal.value.hint


def test_what_is_like_nothing_gets_no_advice() -> None:
    with pytest.raises(BadRecipe, match="zzz") as refusal:
        Recipe.from_yaml(START + "zzz: 1")
    assert "Did you mean" not in refusal.value.hint


def test_every_setting_has_a_name() -> None:
    names = set(setting_names())
    assert {"training.steps", "network.channels", "gate.at_least", "triage.words", "name"} <= names
    assert not {"training", "triage"} & names
