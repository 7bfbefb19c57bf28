"""The web application: pages, API, DICOMweb and viewer over the two stores."""

import traceback
from http import HTTPStatus
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from sightline import log
from sightline.archive.archive import Archive
from sightline.errors import BadFile, Refused, SightlineError, UnknownName
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.web.alert_pages import alert_router
from sightline.web.api import api_router
from sightline.web.door_pages import door_router
from sightline.web.guard import Guard
from sightline.web.hub_pages import hub_router
from sightline.web.pages import pages_router
from sightline.web.predictions_pages import predictions_router
from sightline.web.qido import qido_router
from sightline.web.quarantine_pages import quarantine_router
from sightline.web.readers_pages import readers_router
from sightline.web.refusals import RefusedRequest
from sightline.web.retrieval import Retrieval
from sightline.web.site import FOLDER, Site, load_templates
from sightline.web.stow import stow_router
from sightline.web.viewer import has_viewer, viewer_router
from sightline.web.wado import wado_router

_log = log.get("web")
ARCHIVE_ROOT = "/archive"
"""Where DICOMweb of the archive is."""

_FOR_PROGRAMS = (ARCHIVE_ROOT, "/api")


def create_app(settings: Settings, archive: Archive, hub: Hub) -> FastAPI:
    """Make the application; it owns neither store."""
    site = Site(
        settings=settings,
        archive=archive,
        hub=hub,
        has_viewer=has_viewer(),
        templates=load_templates(),
    )
    app = FastAPI(
        title="Sightline",
        # The documentation pages of FastAPI load scripts from outside hosts.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[Middleware(Guard, host=settings.host)],
    )
    app.include_router(pages_router(site))
    app.include_router(alert_router(site))
    app.include_router(quarantine_router(site))
    app.include_router(door_router(site))
    app.include_router(hub_router(site))
    app.include_router(readers_router(site))
    app.include_router(predictions_router(site))
    app.include_router(api_router(site))
    retrieval = Retrieval(archive, ARCHIVE_ROOT)
    app.include_router(qido_router(retrieval), prefix=ARCHIVE_ROOT)
    app.include_router(wado_router(site, retrieval), prefix=ARCHIVE_ROOT)
    app.include_router(stow_router(site, ARCHIVE_ROOT), prefix=ARCHIVE_ROOT)
    app.include_router(viewer_router(site, retrieval))
    app.mount("/static", StaticFiles(directory=FOLDER / "static"))
    _add_error_answers(app, site)
    return app


def _add_error_answers(app: FastAPI, site: Site) -> None:
    def answer(request: Request, status: int, *, problem: str, hint: str) -> Response:
        if request.url.path.startswith(_FOR_PROGRAMS):
            return JSONResponse({"problem": problem, "hint": hint}, status_code=status)
        title = HTTPStatus(status).phrase
        return site.page("error.html", status=status, title=title, problem=problem, hint=hint)

    @app.exception_handler(SightlineError)
    def ours(request: Request, error: SightlineError) -> Response:
        status = _status_of(error)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("request_failed", problem=error.problem)
        return answer(request, status, problem=error.problem, hint=error.hint)

    @app.exception_handler(HTTPException)
    def of_http(request: Request, error: HTTPException) -> Response:
        hint = error.hint if isinstance(error, RefusedRequest) else "The worklist is at /."
        return answer(request, error.status_code, problem=error.detail, hint=hint)

    @app.exception_handler(RequestValidationError)
    def of_validation(request: Request, error: RequestValidationError) -> Response:
        names = ", ".join(str(each["loc"][-1]) for each in error.errors())
        problem = f"malformed: {names}"
        return answer(request, HTTPStatus.BAD_REQUEST, problem=problem, hint="Mend the address.")

    @app.exception_handler(Exception)
    def unforeseen(request: Request, error: Exception) -> Response:
        # The message may quote a query with a patient's name, so only its kind and place are told.
        _log.error("request_crashed", kind=type(error).__name__, at=_place_of(error))
        return answer(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            problem="something unforeseen went wrong",
            hint="The log of the server says where; please report it.",
        )


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "sightline" in frame.filename]
    return ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in ours[-3:])


def _status_of(error: SightlineError) -> HTTPStatus:
    if isinstance(error, UnknownName):
        return HTTPStatus.NOT_FOUND
    if isinstance(error, Refused):
        return HTTPStatus.FORBIDDEN
    if isinstance(error, BadFile):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    return HTTPStatus.INTERNAL_SERVER_ERROR
