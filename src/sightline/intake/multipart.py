"""Multipart bodies read as a stream: one part in memory at a time (RFC 2046 5.1)."""

import dataclasses
import re
from collections.abc import Iterator

from sightline.errors import BadFile

_MAX_HEAD_BYTES = 16 * 1024
_MAX_PADDING_BYTES = 256
# RFC 2046 allows 70 characters; Orthanc sends 73.
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]")


class TooLarge(BadFile):
    """A part is larger than we take."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedPart:
    """One part.

    Attributes:
        media_type: in lower case, without parameters; empty where the part names none.
    """

    media_type: str
    content: bytes


class MultipartReader:
    """Takes a body in pieces of any size and gives its parts as they become whole.

    It holds no more than one part and one piece.

    Raises:
        BadFile: The boundary is none.
    """

    def __init__(self, boundary: str, *, max_part_bytes: int) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise BadFile(
                "the boundary is missing or malformed",
                hint='Send `Content-Type: multipart/related; type="application/dicom"; '
                "boundary=...` with at most 200 of the characters of RFC 2046.",
            )
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        self._max_part_bytes = max_part_bytes
        # The first delimiter may stand at the very start, without a line before it.
        self._held = bytearray(b"\r\n")
        self._searched = 0
        self._step = self._skip_preamble
        self._media_type = ""
        self._whole: list[ReceivedPart] = []

    @property
    def is_whole(self) -> bool:
        """Whether the closing delimiter came."""
        return self._step == self._skip_epilogue

    def feed(self, piece: bytes) -> Iterator[ReceivedPart]:
        """Take the next piece of the body, and give the parts that it completes.

        Raises:
            BadFile: The framing is broken.
            TooLarge: A part is larger than we take.
        """
        self._held += piece
        while self._step():
            yield from self._whole
            self._whole.clear()

    def _skip_preamble(self) -> bool:
        if self._take_to_delimiter() is None:
            # Nobody reads it, so it is not held either.
            del self._held[: -len(self._delimiter)]
            self._searched = 0
            return False
        self._step = self._read_delimiter
        return True

    def _read_delimiter(self) -> bool:
        """Read what follows a delimiter: two dashes after the last, else the end of its line."""
        if self._held.startswith(b"--"):
            self._step = self._skip_epilogue
            return True
        end = self._held.find(b"\r\n", 0, _MAX_PADDING_BYTES)
        if self._held[: max(end, 0)].strip(b" \t"):
            raise _broken("something follows a delimiter on its line")
        if end < 0:
            if len(self._held) >= _MAX_PADDING_BYTES:
                raise _broken("a delimiter does not end its line")
            return False
        del self._held[:end]  # the line's end stays: a part may have no header at all
        self._step = self._read_head
        return True

    def _read_head(self) -> bool:
        end = self._held.find(b"\r\n\r\n", 0, _MAX_HEAD_BYTES)
        if end < 0:
            if len(self._held) >= _MAX_HEAD_BYTES:
                raise _broken(f"the header of a part has more than {_MAX_HEAD_BYTES} bytes")
            return False
        self._media_type = _media_type(bytes(self._held[:end]))
        # The last line end stays: that of an empty part may belong to the next delimiter.
        del self._held[: end + 2]
        self._searched = 0
        self._step = self._read_content
        return True

    def _read_content(self) -> bool:
        taken = self._take_to_delimiter(skip_bytes=2)
        came_bytes = len(self._held) - len(self._delimiter) if taken is None else len(taken)
        if came_bytes > self._max_part_bytes:
            raise TooLarge(
                f"a part has more than {self._max_part_bytes} bytes",
                hint="The setting `max_instance_bytes` says how large an instance may be.",
            )
        if taken is None:
            return False
        self._whole.append(ReceivedPart(media_type=self._media_type, content=taken))
        self._step = self._read_delimiter
        return True

    def _skip_epilogue(self) -> bool:
        self._held.clear()
        return False

    def _take_to_delimiter(self, *, skip_bytes: int = 0) -> bytes | None:
        """Take what stands before the next delimiter, and drop both; None until it comes."""
        end = self._held.find(self._delimiter, self._searched)
        if end < 0:
            # A beginning of it may be at the end of what came; all before was searched.
            self._searched = max(0, len(self._held) - len(self._delimiter) + 1)
            return None
        with memoryview(self._held) as view:
            taken = bytes(view[skip_bytes:end])
        del self._held[: end + len(self._delimiter)]
        self._searched = 0
        return taken


def _media_type(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-type":
            return value.partition(b";")[0].strip().lower().decode("latin-1")
    return ""


def _broken(why: str) -> BadFile:
    return BadFile(
        f"the multipart body is broken: {why}",
        hint="Frame the parts as RFC 2046 5.1 says: CRLF, two dashes, the boundary.",
    )
