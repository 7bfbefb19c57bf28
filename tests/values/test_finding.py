"""Findings come back from JSON as they were, those of earlier versions too."""

import dataclasses
import json

from sightline.values.finding import Finding, Measurement, Probability

MEASURED = Measurement(
    class_name="nodule",
    volume_ml=0.5,
    longest_diameter_mm=9.5,
    components=1,
    tracking_uid="1.2.3",
)
FINDING = Finding(
    priority=1,
    words="one nodule",
    measurements=(MEASURED,),
    probabilities=(Probability(class_name="nodule", probability=0.75),),
)


def test_a_finding_comes_back() -> None:
    assert Finding.from_json(json.loads(json.dumps(dataclasses.asdict(FINDING)))) == FINDING


def test_a_finding_of_an_earlier_version_is_read_and_can_be_repeated() -> None:
    content = dataclasses.asdict(FINDING)
    del content["probabilities"]
    then = Finding.from_json(content)
    assert then == dataclasses.replace(FINDING, probabilities=())
    assert FINDING.repeats(then)
    assert FINDING.repeats(FINDING)
    assert not dataclasses.replace(FINDING, words="otherwise").repeats(then)
    unsure = (Probability(class_name="nodule", probability=0.5),)
    assert not dataclasses.replace(FINDING, probabilities=unsure).repeats(FINDING)
