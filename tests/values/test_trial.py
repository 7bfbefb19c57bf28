from sightline.values.trial import Trial, picked

TRIALS = (
    Trial(back_end="eager", window_s=4.0, agreement=1.0),
    Trial(back_end="near", window_s=2.0, agreement=0.999),
    Trial(back_end="far", window_s=1.0, agreement=0.98),
    Trial(back_end="gone", problem="it is not installed"),
)


def _picked(least_agreement: float) -> str:
    found = picked(TRIALS, least_agreement=least_agreement)
    return found.back_end if found else ""


def test_the_fastest_that_agrees_is_picked() -> None:
    assert _picked(0.995) == "near"
    assert _picked(0.9) == "far"
    assert _picked(1.0) == "eager"


def test_where_none_agrees_none_is_picked() -> None:
    assert picked(TRIALS[1:], least_agreement=1.0) is None
    assert picked((), least_agreement=0.0) is None
