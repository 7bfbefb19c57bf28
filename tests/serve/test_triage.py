"""Triage rules turn measurements into priority and words."""

from sightline.serve.triage import triage
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
