"""Multipart answers, one part at a time (PS3.18 8.7.1)."""

import dataclasses
import itertools
import uuid
from collections.abc import Iterable, Iterator

from fastapi.responses import StreamingResponse


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part and the media type it goes by, with parameters."""

    media_type: str
    content: bytes


def multipart(parts: Iterable[Part], *, part_type: str) -> StreamingResponse:
    """Stream parts of one type; only one of them is held at a time.

    The first is made before anything is sent, so that what goes wrong there is answered as such.
    """
    remaining = iter(parts)
    first = next(remaining)
    boundary = uuid.uuid4().hex
    media_type = f'multipart/related; type="{part_type}"; boundary={boundary}'
    return StreamingResponse(
        _stream(itertools.chain([first], remaining), boundary), media_type=media_type
    )


def _stream(parts: Iterable[Part], boundary: str) -> Iterator[bytes]:
    for part in parts:
        yield (
            f"--{boundary}\r\nContent-Type: {part.media_type}\r\n"
            f"Content-Length: {len(part.content)}\r\n\r\n"
        ).encode()
        yield part.content
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()
