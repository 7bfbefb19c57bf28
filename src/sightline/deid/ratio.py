"""Ratios: numbers with a colon between them, such as `0.984:1`."""

import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule

_RATIO = re.compile(r"\d{1,4}(\.\d{1,6})? ?: ?\d{1,4}(\.\d{1,6})?")


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the ratio; None where it is none."""
    text = value.decode("latin-1").strip("\0 ")
    if not text:
        return b""
    return text.encode("ascii") if _RATIO.fullmatch(text) else None


PLUGIN = Rule(action="kept", clean=clean)
