"""What models said of collections, as a reading list: pictures, and what is urgent first."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse

from sightline.errors import UnknownName
from sightline.formats.slice_picture import png
from sightline.hub.hub import Hub
from sightline.hub.models import model
from sightline.hub.predictions import prediction, predictions
from sightline.hub.volumes import read_volume
from sightline.serve.pictures import overlay_picture
from sightline.values.volume import Segmentation
from sightline.web.site import Site

_MOST_SHOWN = 60
First = Annotated[int, Query(ge=0)]


def predictions_router(site: Site) -> APIRouter:
    """Return the list of predictions and their pictures."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/predictions")
    def listed(name: str = "", on: str = "", first: First = 0) -> HTMLResponse:
        model_id = model(site.hub, name).lineage_id if name else None
        found = predictions(site.hub, model_id=model_id, label=on or None)
        return site.page(
            "predictions.html",
            predictions=found[first : first + _MOST_SHOWN],
            total=len(found),
            first=first,
            following=first + _MOST_SHOWN if first + _MOST_SHOWN < len(found) else None,
            name=name,
            on=on,
        )

    @router.get("/predictions/{prediction_id}.png")
    def picture(prediction_id: str) -> Response:
        return Response(_picture(site.hub, prediction_id), media_type="image/png")

    return router


def _picture(hub: Hub, prediction_id: str) -> bytes:
    found = prediction(hub, prediction_id)
    if found.mask_digest is None:
        raise UnknownName(
            f"prediction {prediction_id} draws nothing", hint="Its measurements say what it found."
        )
    array = hub.array(found.mask_digest)
    volume = read_volume(hub, found.volume_digest)
    drawn = Segmentation(
        mask=array.read(),
        geometry=volume.geometry,
        classes=tuple(array.attributes["classes"]),
        author=found.model,
    )
    return png(overlay_picture(volume, drawn, footer=found.model))
