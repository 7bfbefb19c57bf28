from sightline.tasks.matching import match
from sightline.values.statement import Place


def at(x: float, *, score: float = 1.0, size: float = 10.0) -> Place:
    return Place(class_name="n", centre_mm=(x, 0, 0), size_mm=(size,) * 3, score=score)


def test_a_place_hits_the_nearest_true_one_within_its_radius() -> None:
    found = [at(0.4, score=0.5), at(14, score=0.9), at(31, score=0.7), at(6, score=0.2)]
    numbers = match("n", found, [at(0), at(10, size=20), at(50)])
    assert [(each.score, each.lesion) for each in numbers.candidates] == [
        (0.9, 1),
        (0.7, None),
        (0.5, 0),
        (0.2, 1),
    ]
    assert numbers.lesions == 3


def test_a_point_is_hit_within_five_millimetres() -> None:
    numbers = match("n", [at(4.9), at(5.1, score=0.1)], [at(0, size=0)])
    assert [each.lesion for each in numbers.candidates] == [0, None]
