"""What the hub holds of a subject or a study; no patient's name is on these pages."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from sightline.hub.reading import find_studies, reports_of
from sightline.web.site import Site


def hub_router(site: Site) -> APIRouter:
    """Return the pages of the hub."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/subjects/{name}")
    def studies(name: str) -> HTMLResponse:
        found = find_studies(site.hub, name)
        shown = [(each, reports_of(site.hub, each.uid)) for each in found]
        return site.page("hub.html", name=name, subject=found[0].subject_id, studies=shown)

    return router
