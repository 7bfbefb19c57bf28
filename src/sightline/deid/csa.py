"""CSA headers: a new one with names and numbers of a list, and no byte of the old one else."""

import re

from sightline.deid.attributes import Attribute
from sightline.deid.contract import Context, Rule
from sightline.errors import NotDicom
from sightline.formats.csa_header import read_csa, write_csa

# How the image was acquired; nothing of whom, when or where.
_SAFE = (
    "B_value",
    "B_matrix",
    "BandwidthPerPixelPhaseEncode",
    "DiffusionGradientDirection",
    "EchoColumnPosition",
    "EchoLinePosition",
    "EchoPartitionPosition",
    "MosaicRefAcqTimes",
    "NumberOfImagesInMosaic",
    "PhaseEncodingDirectionPositive",
    "ProtocolSliceNumber",
    "RealDwellTime",
    "SliceMeasurementDuration",
    "SliceNormalVector",
    "TimeAfterStart",
)
_NUMBER = re.compile(r"[+-]?\d{1,16}(\.\d{0,16})?([eE][+-]?\d{1,3})?")


def clean(value: bytes, attribute: Attribute, context: Context) -> bytes | None:  # noqa: ARG001 - a rule
    """Return a header that says the safe numbers; None where it says none, or is broken."""
    try:
        said = read_csa(value, _SAFE)
    except NotDicom:
        return None
    safe = {
        name: said[name]
        for name in _SAFE
        if said.get(name) and all(_NUMBER.fullmatch(each) for each in said[name])
    }
    return write_csa(safe) if safe else None


PLUGIN = Rule(action="csa_header_rewritten", clean=clean)
