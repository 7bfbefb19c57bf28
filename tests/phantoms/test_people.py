"""People who do not exist: repeatable, told apart, and plainly made up."""

from sightline.phantoms.people import ISSUER, person, visit


def test_a_seed_is_one_person_for_ever() -> None:
    assert person(12) == person(12)
    assert visit(12, number=1) == visit(12, number=1)
    assert len({person(seed).patient_id for seed in range(500)}) == 500
    assert len({person(seed).name for seed in range(500)}) > 100
    assert person(12).issuer == ISSUER
    assert person(12).patient_id.startswith("PHANTOM-")


def test_visits_follow_each_other() -> None:
    for seed in range(50):
        visits = [visit(seed, number=number) for number in range(4)]
        dates = [each.study_date for each in visits]
        assert dates == sorted(set(dates))
        assert len({each.study_uid for each in visits}) == 4
        assert len({each.patient for each in visits}) == 1
        assert all(len(each.accession_number) <= 16 for each in visits)
        assert all(18 <= int(each.age[:3]) < 100 for each in visits)
