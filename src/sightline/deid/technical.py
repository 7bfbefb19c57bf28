"""Names of equipment, software, kernels and sequences: kept where every word is a known one.

They tell scanners apart. Serial numbers and station names are other attributes, which do not leave.
"""

import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.deid.vocabulary import is_made_of, names_somebody, technical_words

_MODEL = re.compile(r"[A-Za-z]{1,2}[0-9]{1,4}[A-Za-z]{0,2}[0-9]{0,2}|[0-9]{1,4}[A-Za-z]{1,2}")
# Such as the end of `*epfid2d1_64`: dimensions, echoes, matrix.
_DIMENSIONS = re.compile(r"(?<=[a-z])[23]d\d(_\d{1,3})?")
# Such as DV26.0_R01_1725.a; a release of the maker's, which a date or a person never looks like.
_RELEASE = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{1,3}\d{2}(\.\d){1,2}(_[A-Z]\d{2}_\d{4}(\.[a-z])?)?(?![0-9])"
)
_TOKENS = re.compile(r"[A-Za-z0-9]+")


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return the names that are known; one that is not becomes empty among several."""
    names = value.decode("latin-1").strip("\0 ").split("\\")
    kept = [name if _is_known(name.strip(" "), context) else "" for name in names]
    return "\\".join(kept).encode("ascii") if any(kept) or not any(names) else None


def _is_known(name: str, context: Context) -> bool:
    """Tell whether a name holds words of the list and model numbers such as `B30f` or `VE11C`."""
    name = _RELEASE.sub(" ", _DIMENSIONS.sub(" ", name))
    plain = _TOKENS.sub(lambda token: "" if _MODEL.fullmatch(token[0]) else token[0], name)
    words = technical_words(context.site_words)
    return is_made_of(plain, words) and not names_somebody(name, context.names)


PLUGIN = Rule(action="device_kept", clean=clean)
