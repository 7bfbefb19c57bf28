"""Burned-in text: gone from generated pictures in every pixel format, and nothing else touched."""

import dataclasses
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pytest
from pydicom.pixels.utils import pixel_array

from sightline.deid.attributes import sequence_tags
from sightline.deid.dataset import read_file
from sightline.deid.door import pass_door
from sightline.deid.pixels.clean import CleanedPixels, clean_pixels
from sightline.deid.vault import Vault
from sightline.deid.vocabulary import NO_WORDS
from tests.deid.burned_in import JUDGING_FONTS, Picture, Words, picture
from tests.deid.burned_in_files import Written, written
from tests.deid.conftest import StudyOf
from tests.deid.studies import content_of, read
from tests.instances import part10_of
from tests.verification import dicom_errors

JUDGING_SEED = 404_117
SHARE = 0.95


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one picture.

    Attributes:
        held: the reason; empty where it passed.
        wrong: what was left of its text, or that it was altered for nothing.
    """

    held: str = ""
    wrong: tuple[str, ...] = ()


def wilson(good: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z, share = 1.96, good / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    half /= 1 + z * z / count
    return middle - half, middle + half


def frames_of(content: bytes) -> npt.NDArray[np.integer]:
    """Decoded values, (frames, rows, columns, samples)."""
    dataset = read(content)
    decoded = pixel_array(dataset)
    count = int(dataset.get("NumberOfFrames") or 1)
    return decoded.reshape(count, dataset.Rows, dataset.Columns, -1)


def share_covered(words: Words, black: npt.NDArray[np.bool_]) -> float:
    """The least share that is black of the glyphs, and of what lies around them, in any frame.

    Black letters on a light ground are black as they are, so their ground must be black too.
    """
    around = words.glyphs.copy()
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        around |= np.roll(words.glyphs, step, axis)
    around &= ~words.glyphs
    parts = [black[frame][part] for frame in words.frames for part in (words.glyphs, around)]
    return min(float(part.mean()) for part in parts)


def blackened(before: bytes, after: bytes) -> tuple[npt.NDArray[np.bool_], bool]:
    """Tell where pixels were blackened, and whether all others are as before."""
    old, new = frames_of(before), frames_of(after)
    assert old.shape == new.shape
    changed = (old != new).any(axis=3)
    black = _is_black(after, new)
    return black, not (changed & ~black).any()


def _is_black(content: bytes, values: npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    dataset = read(content)
    form = dataset.PhotometricInterpretation
    if form == "PALETTE COLOR":
        entries = np.frombuffer(dataset.RedPaletteColorLookupTableData, "<u2")
        return entries[values[..., 0]] == entries.min()
    if form == "MONOCHROME1":
        return values[..., 0] == values.max()
    if form == "MONOCHROME2":
        return values[..., 0] == values.min()
    return (values == 0).all(axis=3)


def pass_through(one: Written, study_of: StudyOf, vault: Vault) -> bytes | str:
    passage = pass_door(study_of([one.content]), vault)
    if passage.held:
        return passage.held[0].reason
    return content_of(passage)


def made(number: int, *, has_text: bool, **how: tuple[float, float]) -> Written:
    seed = (JUDGING_SEED, int(has_text), number)
    drawn: Picture = picture(seed, JUDGING_FONTS, has_text=has_text, **how)  # type: ignore[arg-type]
    return written(drawn, number)


def judged(judge: Callable[[int], Outcome], count: int) -> list[Outcome]:
    """Judge pictures two at a time, as many as there are children on a small machine."""
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(judge, range(count)))


def judge_text(number: int, study_of: StudyOf, vault: Vault, **how: tuple[float, float]) -> Outcome:
    one = made(number, has_text=True, **how)
    after = pass_through(one, study_of, vault)
    if isinstance(after, str):
        return Outcome(held=after)
    black, is_rest_same = blackened(one.content, after)
    assert is_rest_same, number
    return Outcome(
        wrong=tuple(
            f"{number} {one.picture.kind} {one.form} height {words.height} turn {words.turn:.0f}"
            for words in one.picture.words
            if share_covered(words, black) < SHARE
        )
    )


def judge_other(number: int, study_of: StudyOf, vault: Vault) -> Outcome:
    one = made(number, has_text=False)
    after = pass_through(one, study_of, vault)
    if isinstance(after, str):
        return Outcome(held=after)
    is_altered = (frames_of(one.content) != frames_of(after)).any()
    return Outcome(wrong=(f"{number} {one.picture.kind} {one.form}",) if is_altered else ())


def report(outcomes: Sequence[Outcome], failed: int, what: str) -> None:
    count = len(outcomes)
    low, high = wilson(count - failed, count)
    held = Counter(each.held for each in outcomes if each.held)
    lines = [f"{what}: {1 - failed / count:.2%} [{low:.2%}, {high:.2%}] of {count}; held {held}"]
    lines += [f"  {wrong}" for each in outcomes for wrong in each.wrong]
    sys.stdout.write("\n".join(lines) + "\n")


def check(count: int, study_of: StudyOf, vault: Vault) -> None:
    texts = judged(lambda number: judge_text(number, study_of, vault), count)
    left = sum(bool(each.wrong) for each in texts)
    report(texts, left, "images whose text is unreadable or that are held")
    others = judged(lambda number: judge_other(number, study_of, vault), count)
    altered = sum(bool(each.wrong or each.held) for each in others)
    report(others, altered, "images without text that pass unaltered")
    assert left <= 0.005 * count
    assert altered <= 0.02 * count
    # What is held protects, and helps nobody.
    assert sum(bool(each.held) for each in texts) <= 0.02 * count


@pytest.mark.slow
def test_text_is_blackened_and_nothing_else(study_of: StudyOf, vault: Vault) -> None:
    check(60, study_of, vault)


@pytest.mark.gate
def test_text_is_blackened_and_nothing_else_at_full_size(study_of: StudyOf, vault: Vault) -> None:
    check(1000, study_of, vault)


@pytest.mark.gate
@pytest.mark.parametrize(
    ("how", "most_left"),
    [({"heights": (6, 9)}, 33), ({"contrast": (0.08, 0.2)}, 18)],
    ids=["small", "low contrast"],
)
def test_small_and_faint_text_is_reported_and_found_no_worse(
    how: dict[str, tuple[float, float]], most_left: int, study_of: StudyOf, vault: Vault
) -> None:
    outcomes = judged(lambda number: judge_text(number, study_of, vault, **how), 100)
    left = sum(bool(each.wrong) for each in outcomes)
    report(outcomes, left, f"images whose text is unreadable, {how}")
    assert left <= most_left


def test_an_image_without_text_passes_byte_for_byte() -> None:
    made = picture((5, 1), JUDGING_FONTS, has_text=False)
    one = written(dataclasses.replace(made, frames=np.zeros_like(made.frames)), 1)
    parsed = read_file(one.content, sequence_tags())
    outcome = clean_pixels(parsed, NO_WORDS)
    assert isinstance(outcome, CleanedPixels)
    assert outcome.parsed is parsed
    assert outcome.boxes == 0


@pytest.mark.parametrize("number", range(4))
def test_checker_finds_no_new_error(number: int, study_of: StudyOf, vault: Vault) -> None:
    one = written(picture((6, number), JUDGING_FONTS, has_text=True), number)
    after = pass_through(one, study_of, vault)
    assert isinstance(after, bytes)
    dataset = read(after)
    assert dataset.BurnedInAnnotation == "NO"
    codes = {item.CodeValue for item in dataset.DeidentificationMethodCodeSequence}
    assert "113101" in codes
    assert _general(dicom_errors(after)) <= _general(dicom_errors(one.content))


def _general(errors: list[str]) -> set[str]:
    return {error.split("=")[0] for error in errors}


def test_pixels_that_cannot_be_decoded_are_held(study_of: StudyOf, vault: Vault) -> None:
    one = written(picture((7, 2), JUDGING_FONTS, has_text=True), 2)
    dataset = read(one.content)
    dataset.Rows = dataset.Rows * 3
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    content = part10_of(dataset, dataset.file_meta.TransferSyntaxUID)
    assert pass_through(dataclasses.replace(one, content=content), study_of, vault) == (
        "pixels_unreadable"
    )
