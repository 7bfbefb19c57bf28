"""What the hub holds of a subject or a study, and model cards; no patient's name is on them."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from sightline.hub.reading import find_studies, reports_of
from sightline.judge.card import card_html, style_hash
from sightline.web.site import Site

# A card is one file with everything in it: its own style, its pictures, and no script.
_CARD_POLICY = (
    f"default-src 'none'; style-src {style_hash()}; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


def hub_router(site: Site) -> APIRouter:
    """Return the pages of the hub."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/subjects/{name}")
    def studies(name: str) -> HTMLResponse:
        found = find_studies(site.hub, name)
        shown = [(each, reports_of(site.hub, each.uid)) for each in found]
        return site.page("hub.html", name=name, subject=found[0].subject_id, studies=shown)

    @router.get("/models/{name}/card")
    def card(name: str) -> HTMLResponse:
        headers = {"Content-Security-Policy": _CARD_POLICY}
        return HTMLResponse(card_html(site.hub, name), headers=headers)

    return router
