"""Quarantine: what may hold text in its pixels does not pass, and says why."""

import numpy as np
import pytest

from sightline.deid.attributes import storage_classes
from sightline.deid.dataset import read_file
from sightline.deid.quarantine import (
    BLACKENED,
    REASONS,
    reason_to_hold,
    reasons_to_hold,
    storage_class_of,
)
from tests.deid import hostile
from tests.deid.rules import KEEP


def reason_of(sop_class_uid: str = hostile.CT, **changes: tuple[str, hostile.Value]) -> str:
    tree = hostile.base(sop_class_uid) | {int(tag[1:], 16): each for tag, each in changes.items()}
    content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
    return reason_to_hold(read_file(content, KEEP.sequences), storage_class_of(sop_class_uid))


def test_every_reason_has_a_sentence() -> None:
    for each in storage_classes().values():
        assert not each.reason or each.reason in REASONS
    assert all(sentence.endswith(".") for sentence in REASONS.values())


NAMED: dict[str, tuple[str, hostile.Value]] = {
    "t00100010": ("PN", b"MUSTER^IDA"),
    "t00100020": ("LO", b"0815-4711 "),
}


@pytest.mark.parametrize("uid", [hostile.CT, hostile.MR, hostile.PT])
def test_plain_slices_pass(uid: str) -> None:
    assert reason_of(uid) == ""


@pytest.mark.parametrize(
    "uid",
    [
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.6.1",
        "1.2.840.10008.5.1.4.1.1.12.1",
        "1.2.840.10008.5.1.4.1.1.12.2",
        "1.2.840.10008.5.1.4.1.1.1",
        "1.2.840.10008.5.1.4.1.1.1.1",
        "1.2.840.10008.5.1.4.1.1.1.2",
        "1.2.840.10008.5.1.4.1.1.77.1.4",
    ],
)
def test_kinds_that_carry_text_are_held(uid: str) -> None:
    assert reason_of(uid) == "burned_in_text_likely"


@pytest.mark.parametrize(
    ("uid", "reason"),
    [
        ("1.2.840.10008.5.1.4.1.1.104.1", "embedded_document"),
        ("1.2.840.10008.5.1.4.1.1.104.2", "embedded_document"),
        ("1.2.840.10008.5.1.4.1.1.9.4.1", "voice"),
        ("1.2.840.10008.5.1.4.1.1.9.4.2", "voice"),
        ("1.2.840.10008.5.1.4.1.1.66", "private_content"),
        ("1.2.840.10008.5.1.4.1.1.4711", "unknown_sop_class"),
        ("1.3.12.2.1107.5.9.1", "unknown_sop_class"),
    ],
)
def test_other_kinds_are_held_with_their_reason(uid: str, reason: str) -> None:
    assert reason_of(uid) == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"t00280301": ("CS", b"YES")}, "burned_in_text_declared"),
        ({"t00280301": ("CS", b"MAYBE")}, "burned_in_text_declared"),
        ({"t00280301": ("CS", b"NO")}, ""),
        ({"t00080008": ("CS", b"DERIVED\\SECONDARY\\SCREEN SAVE")}, "screen_capture"),
        ({"t00080008": ("CS", b"DERIVED\\SECONDARY\\DOSE_INFO")}, "screen_capture"),
        ({"t00080008": ("CS", b"DERIVED\\SECONDARY\\MPR")}, ""),
        ({"t00080064": ("CS", b"WSD")}, "screen_capture"),
        ({"t00080064": ("CS", b"")}, ""),
        ({"t00181016": ("LO", b"Acme")}, "screen_capture"),
        ({"t00280004": ("CS", b"RGB"), "t00280002": ("US", 3)}, "colour_picture"),
        ({"t00280004": ("CS", b"PALETTE COLOR")}, "colour_picture"),
        ({"t60000102": ("US", 12)}, "overlay_in_pixels"),
        ({"t60020100": ("US", 16)}, "overlay_in_pixels"),
        ({"t60000102": ("US", 0), "t60000100": ("US", 1)}, ""),
        ({"t7FE00010": ("OW", bytes(32) + b"SMITH^JOHN")}, "pixel_data_length"),
        ({"t7FE00010": ("OW", bytes(range(32)) + bytes(64))}, ""),
        ({"t7FE00010": ("OW", bytes(20) + b"MUSTER" + bytes(6)), **NAMED}, "identity_in_pixels"),
        ({"t7FE00010": ("OW", bytes(16) + b"0815-4711" + bytes(7)), **NAMED}, "identity_in_pixels"),
        ({"t7FE00010": ("OW", bytes(24) + b"IDA" + bytes(5)), **NAMED}, ""),
    ],
)
def test_signs_in_an_image_hold_it(
    changes: dict[str, tuple[str, hostile.Value]], reason: str
) -> None:
    assert reason_of(**changes) == reason


def test_text_drawn_at_the_highest_value_holds_an_image() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 2000, (64, 64), dtype=np.uint16)
    size = {"t00280010": ("US", 64), "t00280011": ("US", 64)}
    assert reason_of(**size, t7FE00010=("OW", pixels.tobytes())) == ""
    pixels[2:6, 4:40] = 65535
    assert reason_of(**size, t7FE00010=("OW", pixels.tobytes())) == "drawn_in_pixels"


def test_every_reason_is_told_though_the_first_is_blackened() -> None:
    tree = hostile.base("1.2.840.10008.5.1.4.1.1.7") | {
        0x7FE00010: ("OW", bytes(32) + b"SMITH^JOHN"),
        0x00280301: ("CS", b"YES"),
    }
    content = hostile.part10(tree, hostile.EXPLICIT, hostile.Canaries())
    storage_class = storage_class_of("1.2.840.10008.5.1.4.1.1.7")
    reasons = list(reasons_to_hold(read_file(content, KEEP.sequences), storage_class))
    assert reasons == ["burned_in_text_likely", "burned_in_text_declared", "pixel_data_length"]
    assert set(reasons) - BLACKENED == {"pixel_data_length"}


def test_metal_and_masks_are_not_text() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 2000, (64, 64), dtype=np.uint16)
    pixels[10:20, 10:20] = 4095
    size = {"t00280010": ("US", 64), "t00280011": ("US", 64)}
    assert reason_of(**size, t7FE00010=("OW", pixels.tobytes())) == ""
    mask = (pixels > 1000).astype(np.uint16) * 60000
    assert reason_of(**size, t7FE00010=("OW", mask.tobytes())) == ""
