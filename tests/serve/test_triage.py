"""Triage rules turn measurements into priority and words."""

from sightline.serve.triage import triage, triage_answer
from sightline.values.answer import Answer
from sightline.values.finding import Measurement
from sightline.values.recipe import Recipe

RECIPE = Recipe.from_yaml("""
name: chest
title: Chest
task: {classes: [ground_glass, consolidation]}
triage:
  - {class_name: consolidation, min_volume_ml: 10, priority: 2, words: "consolidation {volume_ml} ml, {diameter_mm} mm"}
  - {class_name: ground_glass, min_volume_ml: 1, max_volume_ml: 5, priority: 1, words: "some ground glass"}
""")


def _measured(name: str, volume_ml: float, components: int = 1) -> Measurement:
    return Measurement(
        class_name=name,
        volume_ml=volume_ml,
        longest_diameter_mm=31.6,
        components=components,
        tracking_uid="2.25.1",
    )


def test_the_first_rule_that_holds_decides() -> None:
    finding = triage(RECIPE, [_measured("ground_glass", 2), _measured("consolidation", 12.34)])
    assert (finding.priority, finding.words) == (2, "consolidation 12.3 ml, 32 mm")


def test_bounds_of_a_rule_are_kept() -> None:
    assert triage(RECIPE, [_measured("ground_glass", 5.0)]).priority == 1
    beyond = triage(RECIPE, [_measured("ground_glass", 5.1)])
    assert (beyond.priority, beyond.words) == (0, "ground glass 5.1 ml")


def test_nothing_found_is_said() -> None:
    finding = triage(RECIPE, [_measured("ground_glass", 0, components=0)])
    assert (finding.priority, finding.words) == (0, "nothing found")


CLASSIFIER = Recipe.from_yaml("""
name: xray
title: X-ray
task: {kind: classify, classes: [effusion, nodule], exclusive: false, target: t}
triage:
  - {class_name: effusion, min_probability: 0.8, priority: 2, words: "effusion {probability}"}
  - {class_name: nodule, min_probability: 0.5, priority: 1, words: "perhaps a nodule"}
""")


REGRESSION = Recipe.from_yaml("""
name: age
title: Age
task: {kind: regress, classes: [age], target: t}
""")


def test_probabilities_are_kept_of_models_that_answer_by_them() -> None:
    said = Answer(numbers={"effusion": 0.25, "nodule": 0.5})
    finding = triage_answer(CLASSIFIER, said, "nothing found")
    assert [(each.class_name, each.probability) for each in finding.probabilities] == [
        ("effusion", 0.25),
        ("nodule", 0.5),
    ]
    amount = triage_answer(REGRESSION, Answer(numbers={"age": 61.5}), "age 61.5")
    assert (amount.words, amount.probabilities) == ("age 61.5", ())


def test_probabilities_give_priority_and_words() -> None:
    def found(effusion: float, nodule: float) -> tuple[int, str]:
        said = Answer(numbers={"effusion": effusion, "nodule": nodule})
        finding = triage_answer(CLASSIFIER, said, "nothing found")
        assert finding.measurements == ()
        return finding.priority, finding.words

    assert found(0.856, 0.9) == (2, "effusion 0.86")
    assert found(0.7, 0.5) == (1, "perhaps a nodule")
    assert found(0.7, 0.4) == (0, "nothing found")
