"""Bytes that are one sample of a waveform: kept where they are as few as a sample has.

PS3.3 C.10.9 and C.10.10: Channel Minimum and Maximum Value, Waveform Padding Value.
"""

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule

_MOST_BYTES = 4


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the value as it is; None where it is longer than a sample."""
    return value if len(value) <= _MOST_BYTES else None


PLUGIN = Rule(action="kept", clean=clean)
