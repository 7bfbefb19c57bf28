"""Accept headers, and which of our representations satisfies them (RFC 9110, PS3.18 8.7)."""

import dataclasses
import re
from collections.abc import Iterable

DICOM_JSON = "application/dicom+json"
DICOM = "application/dicom"
OCTETS = "application/octet-stream"
MULTIPART = "multipart/related"

_COMPRESSED = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.92": "image/jpx",
    "1.2.840.10008.1.2.4.93": "image/jpx",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.100": "video/mpeg",
    "1.2.840.10008.1.2.4.101": "video/mpeg",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
}
"""The media type of a compressed frame, by transfer syntax (PS3.18 table 8.7.3-5)."""

# Commas and semicolons within quotes do not separate.
_COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')
_SEMICOLON = re.compile(r';(?=(?:[^"]*"[^"]*")*[^"]*$)')


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MediaRange:
    """One of the things a client takes.

    Attributes:
        media_type: in lower case, such as `multipart/related`, `image/*` or `*/*`.
        part_type: of the parts of a multipart answer; empty where the client does not say.
        transfer_syntax: a UID, `*`, or empty where the client does not say.
        quality: from 0 (not at all) to 1.
    """

    media_type: str
    part_type: str = ""
    transfer_syntax: str = ""
    quality: float = 1.0

    def takes(self, media_type: str) -> bool:
        """Tell whether an answer of `media_type` satisfies it."""
        return _matches(self.media_type, media_type)

    def takes_parts(self, media_type: str, transfer_syntax_uid: str = "") -> bool:
        """Tell whether a multipart answer with such parts satisfies it."""
        if not self.takes(MULTIPART):
            return False
        if self.media_type != MULTIPART or not self.part_type:
            return True
        return _matches(self.part_type, media_type) and self.takes_syntax(transfer_syntax_uid)

    def takes_syntax(self, transfer_syntax_uid: str) -> bool:
        """Tell whether it takes a transfer syntax; where it names none, it takes any."""
        return self.transfer_syntax in {"", "*", transfer_syntax_uid}


def parse_accept(text: str) -> list[MediaRange]:
    """Read an Accept header, best first; an empty one takes anything, what is odd is left out."""
    ranges = [_parse_range(each) for each in _COMMA.split(text)]
    wanted = [each for each in ranges if "/" in each.media_type and each.quality > 0]
    if not wanted and not text.strip():
        return [MediaRange(media_type="*/*")]
    return sorted(wanted, key=lambda each: -each.quality)


def choose(accepted: Iterable[MediaRange], offered: Iterable[str]) -> str | None:
    """Return the first of the `offered` types that the best fitting range takes."""
    choices = list(offered)
    return next(
        (choice for each in accepted for choice in choices if each.takes(choice)),
        None,
    )


def choose_frame_type(accepted: Iterable[MediaRange], transfer_syntax_uid: str) -> str | None:
    """Return the media type under which frames of that transfer syntax may be sent as parts.

    Frames are never transcoded; None where the client takes them in no form we have. OHIF takes
    compressed frames as octets if it says so with `transfer-syntax=*`.
    """
    own = _COMPRESSED.get(transfer_syntax_uid, OCTETS)
    for each in accepted:
        if each.takes_parts(own, transfer_syntax_uid):
            return own
        names_it = each.transfer_syntax in {"*", transfer_syntax_uid}
        if names_it and each.takes_parts(OCTETS, transfer_syntax_uid):
            return OCTETS
    return None


def _matches(pattern: str, media_type: str) -> bool:
    if pattern in {"*/*", media_type}:
        return True
    return pattern.endswith("/*") and media_type.startswith(pattern[:-1])


def parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    """Read a media type and its parameters; names in lower case, values without quotes."""
    media_type, *pairs = (part.strip() for part in _SEMICOLON.split(text))
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return media_type.lower(), parameters


def _parse_range(text: str) -> MediaRange:
    media_type, parameters = parse_media_type(text)
    return MediaRange(
        media_type=media_type,
        part_type=parameters.get("type", "").lower(),
        transfer_syntax=parameters.get("transfer-syntax", ""),
        quality=_quality(parameters.get("q", "1")),
    )


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
