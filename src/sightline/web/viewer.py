"""The OHIF viewer below `/viewer`: its files, our configuration, and one page for every route."""

import base64
import hashlib
import re
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from sightline.web.guard import viewer_policy
from sightline.web.retrieval import Retrieval
from sightline.web.site import FOLDER, Site

VIEWER_FOLDER = FOLDER / "ohif"
"""Where `tools/fetch_ohif.py` puts the viewer."""

_CONFIGURATION = FOLDER / "static" / "ohif-config.js"
_INLINE_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_HASHED_NAME = re.compile(r"[0-9a-f]{16}\.(js|wasm|woff2)$")
_MEDIA_TYPES = {
    ".wasm": "application/wasm",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".webapp": "application/manifest+json",
}


def has_viewer() -> bool:
    """Tell whether the viewer was fetched."""
    return (VIEWER_FOLDER / "index.html").is_file()


def viewer_router(site: Site, retrieval: Retrieval) -> APIRouter:
    """Return the viewer, or a page that says how to get it."""
    router = APIRouter()
    if not site.has_viewer:

        @router.get("/viewer")
        @router.get("/viewer/{path:path}")
        def missing(path: str = "") -> HTMLResponse:  # noqa: ARG001 - every path answers alike
            return site.page("no_viewer.html", status=404)

        return router

    index = (VIEWER_FOLDER / "index.html").read_bytes()
    headers = _isolation(index)
    # Only what is listed here is ever opened, whatever a path says.
    files = {
        file.relative_to(VIEWER_FOLDER).as_posix(): file
        for file in VIEWER_FOLDER.rglob("*")
        if file.is_file()
    }

    @router.get("/viewer")
    @router.get("/viewer/{path:path}")
    def viewer(request: Request, path: str = "") -> Response:
        if path == "app-config.js":
            return _file(_CONFIGURATION, headers, request)
        if path in files and path != "index.html":
            return _file(files[path], headers, request)
        # While the browser reads the viewer's scripts, the study is made ready.
        for study_uid in request.query_params.getlist("StudyInstanceUIDs"):
            retrieval.look_ahead(study_uid)
        return HTMLResponse(index, headers=headers | {"Cache-Control": "no-cache"})

    return router


def _isolation(index: bytes) -> dict[str, str]:
    """Return the headers that give the viewer shared memory, and its content policy."""
    hashes = [
        "sha256-" + base64.b64encode(hashlib.sha256(script).digest()).decode()
        for script in _INLINE_SCRIPT.findall(index)
    ]
    return {
        "Content-Security-Policy": viewer_policy(hashes),
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


class _LargeStepsResponse(FileResponse):
    """Each step costs a change of threads: with the default of 64 KB the viewer takes hundreds."""

    chunk_size = 1024 * 1024


def _file(path: Path, headers: dict[str, str], request: Request) -> Response:
    is_hashed = _HASHED_NAME.search(path.name) is not None
    cache = "public, max-age=31536000, immutable" if is_hashed else "no-cache"
    answer = _LargeStepsResponse(
        path,
        media_type=_MEDIA_TYPES.get(path.suffix),
        headers=headers | {"Cache-Control": cache},
        stat_result=path.stat(),
    )
    if answer.headers["etag"] in request.headers.get("if-none-match", ""):
        kept = {name: answer.headers[name] for name in ("etag", "cache-control")}
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers | kept)
    return answer
