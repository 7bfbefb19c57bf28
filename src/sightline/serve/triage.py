"""From measurements and probabilities to the priority and the words of the worklist."""

import dataclasses
from collections.abc import Sequence

from sightline.values.answer import Answer
from sightline.values.finding import Finding, Measurement, Probability
from sightline.values.recipe import Recipe, TriageRule

_ANSWER_BY_PROBABILITIES = frozenset({"classify", "grade"})


def triage(recipe: Recipe, measurements: Sequence[Measurement]) -> Finding:
    """Apply the first triage rule that holds; without one the study is routine."""
    by_class = {each.class_name: each for each in measurements}
    for rule in recipe.triage:
        measured = by_class.get(rule.class_name)
        if measured is not None and _holds(rule, measured):
            words = rule.words.format(
                volume_ml=f"{measured.volume_ml:.1f}",
                diameter_mm=f"{measured.longest_diameter_mm:.0f}",
            )
            return Finding(
                priority=rule.priority,
                words=words,
                measurements=tuple(measurements),
                acknowledge_min=rule.acknowledge_min,
            )
    return Finding(priority=0, words=_plain_words(measurements), measurements=tuple(measurements))


def triage_answer(recipe: Recipe, said: Answer, words: str) -> Finding:
    """Apply the first rule whose class is so likely; without one the study is routine.

    Args:
        recipe: whose rules they are.
        said: an answer in numbers.
        words: that answer in a line.
    """
    for rule in recipe.triage:
        probability = said.numbers.get(rule.class_name)
        if probability is None or rule.min_probability is None:
            continue
        if probability >= rule.min_probability:
            filled = rule.words.format(
                probability=f"{probability:.2f}", volume_ml="-", diameter_mm="-"
            )
            answered = _said(recipe, said, rule.priority, words=filled)
            return dataclasses.replace(answered, acknowledge_min=rule.acknowledge_min)
    return _said(recipe, said, 0, words=words)


def _said(recipe: Recipe, said: Answer, priority: int, *, words: str) -> Finding:
    is_probable = recipe.task.kind in _ANSWER_BY_PROBABILITIES
    probabilities = tuple(
        Probability(class_name=name, probability=float(number))
        for name, number in said.numbers.items()
        if is_probable
    )
    return Finding(priority=priority, words=words, measurements=(), probabilities=probabilities)


def _holds(rule: TriageRule, measured: Measurement) -> bool:
    if measured.volume_ml < rule.min_volume_ml or measured.components == 0:
        return False
    return rule.max_volume_ml is None or measured.volume_ml <= rule.max_volume_ml


def _plain_words(measurements: Sequence[Measurement]) -> str:
    found = [
        f"{each.class_name.replace('_', ' ')} {each.volume_ml:.1f} ml"
        for each in measurements
        if each.components
    ]
    return ", ".join(found) or "nothing found"
