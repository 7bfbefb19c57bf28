"""What several readers said of one series: contours over a slice, and how far they agree."""

import dataclasses
from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from sightline.errors import UnknownName
from sightline.formats.slice_picture import png
from sightline.hub.consensus import masks_of
from sightline.hub.hub import Hub
from sightline.hub.readings import history, independent_readings
from sightline.hub.volumes import read_volume, volume_of_series
from sightline.judge.agreement import agree_on
from sightline.serve.readers_picture import readers_picture
from sightline.values.agreement import ClassAgreement
from sightline.values.identity import HubSeriesUid
from sightline.values.reading import Reading, is_consensus
from sightline.web.site import Site


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ShownClass:
    """The readers on one class, as rows of a table.

    Attributes:
        rows: name of a reader, whether it marked anything, its Dice with each reader, and with
            the consensus of the others.
    """

    agreement: ClassAgreement
    rows: tuple[tuple[str, bool, tuple[float | None, ...], float | None], ...]


def readers_router(site: Site) -> APIRouter:
    """Return the page of the readers of a series, and its picture."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/series/{series_uid}/readers")
    def readers(series_uid: str) -> HTMLResponse:
        uid = HubSeriesUid(series_uid)
        readings = history(site.hub, uid)
        return site.page(
            "readers.html",
            series_uid=uid,
            readings=readings,
            has_picture=bool(_shown(site.hub, uid)),
            classes=[each for group in _voices(site.hub, uid) for each in _agreed(site.hub, group)],
        )

    @router.get("/series/{series_uid}/readers.png")
    def picture(series_uid: str) -> Response:
        uid = HubSeriesUid(series_uid)
        shown = _shown(site.hub, uid)
        if not shown:
            raise UnknownName(
                f"nobody marked series {series_uid!r}", hint="`sightline hub series` lists series."
            )
        volume = read_volume(site.hub, volume_of_series(site.hub, uid))
        masks = masks_of([site.hub.array(each.mask_digest) for each in shown])
        drawn = readers_picture(volume, masks, [each.author for each in shown])
        return Response(png(drawn), media_type="image/png")

    return router


def _shown(hub: Hub, uid: HubSeriesUid) -> list[Reading]:
    """Each reader, and consensuses after them."""
    found = [each for each in history(hub, uid) if each.state in {"current", "superseded"}]
    return sorted(found, key=lambda each: (is_consensus(each.author), each.author))


def _voices(hub: Hub, uid: HubSeriesUid) -> list[list[Reading]]:
    """Readers who marked the same classes, two at least."""
    found = independent_readings(hub, [uid]).get(uid, [])
    groups = {
        each.classes: [other for other in found if other.classes == each.classes] for each in found
    }
    return [group for _, group in sorted(groups.items()) if len(group) > 1]


def _agreed(hub: Hub, readings: Sequence[Reading]) -> list[ShownClass]:
    found = agree_on(
        masks_of([hub.array(each.mask_digest) for each in readings]),
        [each.author for each in readings],
        classes=readings[0].classes,
        method="majority",
        spacing_mm=None,
    )
    return [ShownClass(agreement=each, rows=_rows(each)) for each in found]


def _rows(
    found: ClassAgreement,
) -> tuple[tuple[str, bool, tuple[float | None, ...], float | None], ...]:
    count = len(found.authors)
    pairs = iter(found.pairs)
    table: list[list[float | None]] = [[None] * count for _ in range(count)]
    for one in range(count):
        for other in range(one + 1, count):
            table[one][other] = table[other][one] = next(pairs).dice
    return tuple(
        (found.authors[place], found.marked[place], tuple(table[place]), found.left_out[place].dice)
        for place in range(count)
    )
