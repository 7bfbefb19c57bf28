"""The page of time-critical findings, where somebody says that they have seen one.

There are no accounts yet: whoever acknowledges gives a name, which is kept as it was given.
"""

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from sightline.archive.alerts import acknowledge, closed_alerts, open_alerts
from sightline.errors import Refused
from sightline.web.site import Site

_LARGEST_FORM_BYTES = 16 * 1024
_SEE_OTHER = 303


def alert_router(site: Site) -> APIRouter:
    """Return the page of alerts."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/alerts")
    def listed() -> HTMLResponse:
        page = site.page(
            "alerts.html", waiting=open_alerts(site.archive), closed=closed_alerts(site.archive)
        )
        # Without it a browser does not say that its form is ours, and the guard refuses it.
        page.headers["Referrer-Policy"] = "same-origin"
        return page

    @router.get("/alerts/bar")
    def bar() -> HTMLResponse:
        return site.page("alert_bar.html")

    @router.post("/alerts/{number}")
    async def acknowledged(number: int, request: Request) -> RedirectResponse:
        given = await _form(request)
        by, note = (given.get(name, "") for name in ("by", "note"))
        acknowledge(site.archive, number, by=by, note=note, way="page")
        return RedirectResponse("/alerts", status_code=_SEE_OTHER)

    return router


async def _form(request: Request) -> dict[str, str]:
    """Read a small form; of a field given twice the first counts.

    Raises:
        Refused: It is too large.
    """
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _LARGEST_FORM_BYTES:
            raise Refused("the form is too large", hint="Write a shorter note.")
    return {name: values[0] for name, values in parse_qs(content.decode(errors="replace")).items()}
