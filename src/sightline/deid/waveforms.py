"""Waveforms: where their samples stand, and whether there is anything beside them."""

import struct

from sightline.deid.dataset import Dataset, ParsedFile

WAVEFORMS, SAMPLES = 0x54000100, 0x54001010
IODS = frozenset(
    {
        "12-lead-ecg",
        "ambulatory-ecg",
        "arterial-pulse-waveform",
        "basic-cardiac-electrophysiology-waveform",
        "body-position-waveform",
        "general-32-bit-ecg",
        "general-ecg",
        "hemodynamic-waveform",
        "multi-channel-respiratory-waveform",
        "respiratory-waveform",
    }
)
"""Object definitions whose samples pass; sound does not: a voice names its speaker."""

_CHANNELS, _COUNT, _BITS = 0x003A0005, 0x003A0010, 0x54001004
_SHORT, _LONG = 2, 4


def has_surplus(parsed: ParsedFile) -> bool:
    """Tell whether a group holds other than as many samples as it says (PS3.3 C.10.9.1)."""
    element = parsed.elements.get(WAVEFORMS)
    groups = (element.items if element else None) or ()
    return any(_is_surplus(group, parsed.encoding.order) for group in groups)


def _is_surplus(group: Dataset, order: str) -> bool:
    samples = group.get(SAMPLES)
    if samples is None:
        return False
    if samples.is_encapsulated or samples.items is not None:
        return True
    bits = _number(group, _CHANNELS, order) * _number(group, _COUNT, order)
    expected = -(-bits * _number(group, _BITS, order) // 8)
    return len(samples.value) not in {expected, expected + expected % 2}


def _number(group: Dataset, tag: int, order: str) -> int:
    element = group.get(tag)
    value = bytes(element.value) if element else b""
    if len(value) not in {_SHORT, _LONG}:
        return 0
    return int(struct.unpack(order + ("H" if len(value) == _SHORT else "L"), value)[0])
