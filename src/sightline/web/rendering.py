"""Frames as JPEG or PNG, drawn by a child process: a decoder that dies must not take us along."""

import dataclasses
import math
from collections.abc import Mapping

from sightline import log
from sightline.archive.locating import LocatedInstance
from sightline.engines.limited import Limits
from sightline.errors import BadFile, NotDicom
from sightline.store.objects import ObjectStore
from sightline.values.arrival import Holding
from sightline.values.identity import Digest
from sightline.web.draw_frame import draw_frame
from sightline.web.refusals import malformed

_log = log.get("web")
_LARGEST_SIDE = 4096
_THUMBNAIL_SIDE = 160
_PREVIEW_SIDE = 768


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """How a frame is to be drawn.

    Attributes:
        window: centre and width in the units of the modality; None takes the stored one.
        size: greatest width and height in pixels; None keeps that of the frame.
    """

    media_type: str
    window: tuple[float, float] | None = None
    size: tuple[int, int] | None = None


def read_picture(query: Mapping[str, str], *, media_type: str, is_thumbnail: bool) -> Picture:
    """Read `window=centre,width[,linear]` and `viewport=width,height` (PS3.18 8.3.5).

    Raises:
        RefusedRequest: A value is malformed.
    """
    window = _numbers(query, "window")
    viewport = _numbers(query, "viewport")
    size = (_THUMBNAIL_SIDE, _THUMBNAIL_SIDE) if is_thumbnail else None
    if viewport is not None:
        width, height = (min(max(int(side), 1), _LARGEST_SIDE) for side in viewport)
        size = (width, height)
    return Picture(media_type=media_type, window=window, size=size)


class Renderer:
    """Draws frames of stored instances."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def render(self, instance: LocatedInstance, number: int, wanted: Picture) -> bytes:
        """Return frame `number`, counted from 1, as an image file.

        Raises:
            NotDicom: The frame cannot be decoded within the limits of memory and time.
            DamagedObject: The stored bytes no longer match their digest.
        """
        return _draw(self._objects, instance.digest, number=number, wanted=wanted)


def preview(objects: ObjectStore, held: Holding) -> bytes:
    """Return the first frame of an instance in quarantine as PNG.

    Raises:
        NotDicom: It is no picture, or cannot be decoded within the limits of memory and time.
        UnknownName: Its bytes are gone.
        DamagedObject: The stored bytes no longer match their digest.
    """
    wanted = Picture(media_type="image/png", size=(_PREVIEW_SIDE, _PREVIEW_SIDE))
    return _draw(objects, Digest(held.digest), number=1, wanted=wanted)


def draw_first(content: bytes) -> bytes:
    """Return the first frame of a file that left the door as PNG.

    Raises:
        NotDicom: It is no picture, or cannot be decoded within the limits of memory and time.
    """
    wanted = Picture(media_type="image/png", size=(_PREVIEW_SIDE, _PREVIEW_SIDE))
    return _draw_content(content, "", number=1, wanted=wanted)


def _draw(objects: ObjectStore, digest: Digest, *, number: int, wanted: Picture) -> bytes:
    return _draw_content(objects.get(digest), digest, number=number, wanted=wanted)


def _draw_content(content: bytes, digest: str, *, number: int, wanted: Picture) -> bytes:
    try:
        return Limits.for_bytes(len(content)).call(
            draw_frame,
            content,
            number - 1,
            form=wanted.media_type.removeprefix("image/"),
            window=wanted.window,
            size=wanted.size,
        )
    except BadFile as error:
        _log.warning("frame_not_drawn", digest=digest[:12], why=error.problem)
        raise NotDicom(
            "the frame cannot be drawn",
            hint="The file is broken, holds no picture, or its compression is not supported.",
        ) from error


def _numbers(query: Mapping[str, str], name: str) -> tuple[float, float] | None:
    if name not in query:
        return None
    first, _, rest = query[name].partition(",")
    try:
        numbers = float(first), float(rest.partition(",")[0])
    except ValueError:
        numbers = math.nan, math.nan
    if not all(math.isfinite(number) for number in numbers):
        raise malformed(name, f"Write two numbers: {name}=40,400.")
    return numbers
