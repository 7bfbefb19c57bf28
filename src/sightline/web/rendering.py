"""Frames as JPEG or PNG, drawn by a child process: a decoder that dies must not take us along."""

import dataclasses
import json
import math
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from sightline import log
from sightline.archive.locating import LocatedInstance
from sightline.errors import NotDicom
from sightline.store.objects import ObjectStore
from sightline.web.refusals import malformed

_log = log.get("web")
_TIMEOUT_S = 20
_AT_ONCE = 2
_LARGEST_SIDE = 4096
_THUMBNAIL_SIDE = 160


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
    """Draws frames of stored instances, a few at a time."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._at_once = threading.Semaphore(_AT_ONCE)

    def render(self, instance: LocatedInstance, number: int, wanted: Picture) -> bytes:
        """Return frame `number`, counted from 1, as an image file.

        Raises:
            NotDicom: The frame cannot be decoded within the limits of memory and time.
            DamagedObject: The stored bytes no longer match their digest.
        """
        with self._objects.local_copies([instance.digest]) as (path,):
            return self._render(path, instance, number, wanted=wanted)

    def _render(
        self, path: Path, instance: LocatedInstance, number: int, *, wanted: Picture
    ) -> bytes:
        order = {
            "path": str(path),
            "frame": number - 1,
            "format": wanted.media_type.removeprefix("image/"),
            "window": wanted.window,
            "size": wanted.size,
        }
        with self._at_once:
            picture, problem = _draw(json.dumps(order))
        if picture is None:
            _log.warning("frame_not_drawn", instance=instance.uid, why=problem)
            raise NotDicom(
                "the frame cannot be drawn",
                hint="The file is broken or its compression is not supported.",
            )
        return picture


def _draw(order: str) -> tuple[bytes | None, str]:
    command = [sys.executable, "-m", "sightline.web.draw_frame", order]
    try:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        return None, f"longer than {_TIMEOUT_S} s"
    if done.returncode:
        return None, f"the child ended with {done.returncode}"
    return done.stdout, ""


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
