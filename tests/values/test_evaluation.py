"""Evaluations are read as they were written, those of the first version for ever."""

import json
from pathlib import Path

import pytest

from sightline.errors import DamagedObject
from sightline.values.evaluation import (
    Candidate,
    CandidateNumbers,
    Evaluation,
    Exhibit,
    Facts,
    Figure,
    MaskNumbers,
    MetricFigure,
    PackedSlice,
    ProbabilityNumbers,
    ScoredExample,
)

FIRST_VERSION = Path(__file__).parent / "data" / "evaluation-1.json"
FIGURE = Figure(value=0.5, low=None, high=None, subjects=1)


def evaluation() -> Evaluation:
    numbers = (
        MaskNumbers(class_name="a", dice=None, truth_ml=0, answer_ml=2, nsd=0.0),
        ProbabilityNumbers(class_name="b", score=0.25, truth=True),
        CandidateNumbers(
            class_name="c", candidates=(Candidate(score=0.5, lesion=None),), lesions=2
        ),
    )
    return Evaluation(
        task="segment",
        classes=("a", "b", "c"),
        subjects=1,
        examples=(
            ScoredExample(
                subject_id="S-1",
                series_uid="2.25.1",
                numbers=numbers,
                facts=Facts(manufacturer="Alpha", age_years=41.5),
                lesion_ml=2.0,
            ),
        ),
        figures=(MetricFigure(metric="dice", class_name="", figure=FIGURE),),
        exhibits=(
            Exhibit(
                series_uid="2.25.1",
                subject_id="S-1",
                words="a: in neither",
                slice_index=3,
                mask=PackedSlice(rows=1, columns=1, content="eJxjAAAAAQAB"),
            ),
        ),
    )


def test_what_was_written_is_read() -> None:
    made = evaluation()
    content = json.loads(json.dumps(made.to_json()))
    assert (content["format"], content["version"]) == ("sightline-evaluation", 2)
    assert Evaluation.from_json(content) == made
    assert made.headline.figure == FIGURE
    assert made.figure("dice", "a") is None


def test_the_first_version_is_read() -> None:
    found = Evaluation.from_json(json.loads(FIRST_VERSION.read_text()))
    assert (found.task, found.classes) == ("segment", ("ground_glass", "consolidation"))
    assert found.headline.figure == Figure(value=0.7125, low=0.65, high=0.775, subjects=2)
    assert found.by_class("dice")["consolidation"].value == 0.625
    assert found.by_class("volume_error_ml")["ground_glass"].value == 3.5
    first = found.examples[0]
    assert (first.subject_id, first.lesion_ml) == ("S-0000000001", 48.0)
    assert first.numbers[0] == MaskNumbers(
        class_name="ground_glass", dice=0.75, truth_ml=42.0, answer_ml=38.0
    )
    assert "Research use only" in found.note
    # It is written as the newest.
    assert Evaluation.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"format": "sightline-evaluation", "version": 3},
        {"format": "sightline-evaluation", "version": 2, "task": "segment"},
        {"format": "sightline-evaluation", "version": 1, "subjects": 3},
        {"dice": {"mean": 0.9}, "subjects": 5},
    ],
)
def test_what_is_none_is_refused_with_a_hint(content: dict[str, object]) -> None:
    with pytest.raises(DamagedObject) as refused:
        Evaluation.from_json(content)
    assert refused.value.hint


def test_a_scanner_is_named_by_both_its_names() -> None:
    assert Facts(manufacturer="Alpha", model="One").scanner == "Alpha One"
    assert Facts(model="One").scanner == "One"
    assert Facts().scanner == ""
