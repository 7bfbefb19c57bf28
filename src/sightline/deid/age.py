"""Ages: kept, except that all above 89 years are one (PS3.15 113108; US 45 CFR 164.514)."""

import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule

_AGE = re.compile(r"(\d{3})([DWMY])")
_OLDEST_YEARS = 89
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the age, at most `090Y`; None where it is none."""
    text = value.decode("latin-1").strip("\0 ")
    if not text:
        return b""
    match = _AGE.fullmatch(text)
    if match is None:
        return None
    is_oldest = int(match[1]) / _PER_YEAR[match[2]] > _OLDEST_YEARS
    return b"090Y" if is_oldest else text.encode("ascii")


PLUGIN = Rule(action="kept", clean=clean)
