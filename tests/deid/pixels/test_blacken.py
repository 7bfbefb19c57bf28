"""Black boxes in bytes: each pixel format, and no byte beside the boxes."""

import io

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.pixels.utils import pixel_array

from sightline.deid.attributes import sequence_tags
from sightline.deid.dataset import PIXEL_TAGS, ParsedFile, read_file, write_dataset
from sightline.deid.pixels.blacken import blackened, without_unused_bits
from sightline.deid.pixels.clean import CleanedPixels, clean_pixels
from sightline.deid.vocabulary import NO_WORDS
from sightline.errors import NotDicom
from sightline.formats.dicom_file import part10
from tests.deid.burned_in import Picture
from tests.deid.burned_in_files import written
from tests.instances import part10_of, slice_of

BOX = (3, 5, 9, 20)


def parsed_of(content: bytes) -> ParsedFile:
    return read_file(content, sequence_tags())


def decoded(parsed: ParsedFile) -> npt.NDArray[np.integer]:
    content = part10(
        *write_dataset(parsed.elements, parsed.transfer_syntax_uid),
        sop_class_uid="1.2.840.10008.5.1.4.1.1.7",
        sop_instance_uid="1.2.3",
        transfer_syntax_uid=parsed.transfer_syntax_uid,
    )
    return pixel_array(pydicom.dcmread(io.BytesIO(content)))


def test_only_bytes_in_the_box_change_in_every_format() -> None:
    rng = np.random.default_rng(8)
    forms = set()
    for seed in range(60):
        kind = ("US", "CR", "XA", "SC", "CT")[seed % 5]
        frames = (0.2 + 0.6 * rng.random((2, 24, 32))).astype(np.float32)
        one = written(Picture(kind=kind, frames=frames, words=()), seed)
        parsed = parsed_of(one.content)
        if any(parsed.elements[tag].is_encapsulated for tag in PIXEL_TAGS & parsed.elements.keys()):
            continue
        forms.add(one.form)
        before, after = decoded(parsed), decoded(blackened(parsed, [BOX]))
        top, left, bottom, right = BOX
        inside = np.zeros((24, 32), bool)
        # Two pixels share their colour there, so the box begins and ends between pairs.
        left -= left % 2 if one.form == "YBR_FULL_422" else 0
        inside[top:bottom, left:right] = True
        assert np.array_equal(before[:, ~inside], after[:, ~inside]), one.form
        assert len(np.unique(after[:, inside].reshape(-1, *after.shape[3:]), axis=0)) == 1
        assert (before[:, inside] != after[:, inside]).any()
    assert forms == {
        *("RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "MONOCHROME1", "MONOCHROME2")
    }


@pytest.mark.parametrize(("form", "black"), [("MONOCHROME2", 7), ("MONOCHROME1", 900)])
def test_grey_is_blackened_with_a_value_of_the_image(form: str, black: int) -> None:
    values = np.arange(7, 7 + 16 * 16, dtype=np.int16)
    values[-1] = 900
    image = slice_of(1, PhotometricInterpretation=form, PixelData=values.tobytes())
    after = decoded(blackened(parsed_of(part10_of(image)), [(2, 2, 4, 4)]))
    assert (after[2:4, 2:4] == black).all()


def test_bits_that_hold_no_value_are_cleared() -> None:
    values = np.arange(256, dtype=np.uint16)
    hidden = values | np.where(values % 3 == 0, 0x8000, 0).astype(np.uint16)
    image = slice_of(
        1, BitsStored=12, HighBit=11, PixelRepresentation=0, PixelData=hidden.tobytes()
    )
    cleared = without_unused_bits(parsed_of(part10_of(image)))
    assert bytes(cleared.elements[0x7FE00010].value) == values.tobytes()


def test_the_sign_is_kept_where_unused_bits_are_cleared() -> None:
    values = np.arange(-128, 128, dtype=np.int16)
    hidden = (values & 0x0FFF) | 0x4000
    image = slice_of(1, BitsStored=12, HighBit=11, PixelData=hidden.astype("<i2").tobytes())
    cleared = without_unused_bits(parsed_of(part10_of(image)))
    assert bytes(cleared.elements[0x7FE00010].value) == values.astype("<i2").tobytes()


def test_values_in_high_bits_are_refused() -> None:
    image = slice_of(1, BitsStored=12, HighBit=15, PixelRepresentation=0)
    with pytest.raises(NotDicom, match="lowest bits"):
        without_unused_bits(parsed_of(part10_of(image)))


def test_a_hidden_overlay_is_cleared_on_the_way() -> None:
    values = np.full(256, 0x8005, np.uint16)
    image = slice_of(
        1, BitsStored=12, HighBit=11, PixelRepresentation=0, PixelData=values.tobytes()
    )
    outcome = clean_pixels(parsed_of(part10_of(image)), NO_WORDS, hides_overlay=True)
    assert isinstance(outcome, CleanedPixels)
    assert set(np.frombuffer(bytes(outcome.parsed.elements[0x7FE00010].value), "<u2")) == {5}
