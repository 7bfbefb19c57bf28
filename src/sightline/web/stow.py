"""STOW-RS: storing instances in the archive (PS3.18 10.5).

The body is read as a stream; a few parts are made durable at a time, so that memory does not grow
with the study.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from http import HTTPStatus

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from sightline.errors import BadFile
from sightline.intake.multipart import MultipartReader, ReceivedPart, TooLarge
from sightline.intake.stow import StoredPart, Upload
from sightline.values.uids import is_uid
from sightline.web.dicom_model import Model, attribute, sequence
from sightline.web.media_types import (
    DICOM,
    DICOM_JSON,
    MULTIPART,
    choose,
    parse_accept,
    parse_media_type,
)
from sightline.web.refusals import RefusedRequest, malformed, not_acceptable, unsupported
from sightline.web.site import Site

_SILENCE_S = 30.0
_AT_ONCE = 4
_MOST_UNDERWAY_BYTES = 32 * 1024 * 1024
_MOST_PARTS = 100_000
_MOST_JUNK = 100
_TAKEN = f'Send `Content-Type: {MULTIPART}; type="{DICOM}"; boundary=...` with Part 10 files.'


def stow_router(site: Site, root: str) -> APIRouter:
    """Return the storing of instances in the archive below the path `root`."""
    router = APIRouter()
    places = asyncio.Semaphore(site.settings.max_associations)

    @router.post("/studies")
    @router.post("/studies/{study_uid}")
    async def store(request: Request) -> Response:
        accepted = parse_accept(request.headers.get("accept", ""))
        media_type = choose(accepted, (DICOM_JSON, "application/json"))
        if media_type is None:
            raise not_acceptable(DICOM_JSON)
        reader = _reader_for(request, site.settings.max_instance_bytes)
        study_uid = request.path_params.get("study_uid", "")
        if study_uid and not is_uid(study_uid):
            raise malformed("the study UID of the address", "Give digits and dots, 64 at most.")
        if places.locked():
            raise _busy("too many uploads at a time")
        async with places:
            try:
                parts = await _receive(request, reader, await _open(site, request, study_uid))
            except ClientDisconnect:
                return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
        model = _response(parts, root)
        return JSONResponse(model, status_code=_status(parts), media_type=media_type)

    return router


def _reader_for(request: Request, max_part_bytes: int) -> MultipartReader:
    media_type, parameters = parse_media_type(request.headers.get("content-type", ""))
    if media_type != MULTIPART:
        raise unsupported("a body other than multipart/related", hint=_TAKEN)
    if parameters.get("type", DICOM).lower() != DICOM:
        raise unsupported(f"a body of parts other than {DICOM}", hint=_TAKEN)
    try:
        return MultipartReader(parameters.get("boundary", ""), max_part_bytes=max_part_bytes)
    except BadFile as error:
        raise RefusedRequest(HTTPStatus.BAD_REQUEST, error.problem, hint=error.hint) from error


async def _open(site: Site, request: Request, study_uid: str) -> Upload:
    address = request.client.host if request.client else ""

    def open_upload() -> Upload:
        return Upload(
            site.archive,
            address=address,
            study_uid=study_uid,
            default_issuer=site.settings.issuer_of("stow"),
        )

    try:
        return await anyio.to_thread.run_sync(open_upload)
    except OSError as error:
        raise _busy("the archive cannot be written") from error


async def _receive(request: Request, reader: MultipartReader, upload: Upload) -> list[StoredPart]:
    """Keep every part of a body; the upload has ended when this returns or raises.

    Raises:
        ClientDisconnect: The sender left; what was kept stays.
        RefusedRequest: The body is broken; what was kept stays.
    """
    writers = _Writers(upload)
    ended = "aborted"
    try:
        async for piece in _pieces(request):
            for part in reader.feed(piece):
                await writers.keep(part)
        if not reader.is_whole:
            raise _refusal(HTTPStatus.BAD_REQUEST, "the body ends before its last delimiter")
        await writers.finish()
        if not writers.done:
            raise _refusal(HTTPStatus.BAD_REQUEST, "the body holds no part")
        ended = "released"
    except ClientDisconnect:
        ended = "lost"
        raise
    except TooLarge as error:
        raise _refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.problem) from error
    except BadFile as error:
        raise _refusal(HTTPStatus.BAD_REQUEST, error.problem) from error
    finally:
        try:
            await writers.finish()
        finally:
            await anyio.to_thread.run_sync(writers.close, ended)
    return writers.done


async def _pieces(request: Request) -> AsyncIterator[bytes]:
    stream = request.stream()
    while True:
        try:
            async with asyncio.timeout(_SILENCE_S):
                piece = await anext(stream, None)
        except TimeoutError as error:
            raise _refusal(HTTPStatus.REQUEST_TIMEOUT, f"silent for {_SILENCE_S:.0f} s") from error
        if piece is None:
            return
        yield piece


class _Writers:
    """Keeps the parts of one upload, a few at a time because each waits for the disk.

    Attributes:
        done: what became of the parts, in their order.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._underway: deque[tuple[int, asyncio.Task[StoredPart]]] = deque()
        self._junk = 0
        self.done: list[StoredPart] = []

    async def keep(self, part: ReceivedPart) -> None:
        """Begin to keep a part; waits while enough are under way."""
        if len(self.done) >= _MOST_PARTS:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise _refusal(status, f"more than {_MOST_PARTS} parts")
        if self._junk >= _MOST_JUNK:
            raise _refusal(HTTPStatus.BAD_REQUEST, f"{_MOST_JUNK} parts are no DICOM instance")
        keeping = asyncio.create_task(asyncio.to_thread(self._upload.keep, part))
        self._underway.append((len(part.content), keeping))
        while len(self._underway) > _AT_ONCE or self._size_bytes() > _MOST_UNDERWAY_BYTES:
            await self._take_one()

    async def finish(self) -> None:
        """Wait for those under way."""
        while self._underway:
            await self._take_one()

    def close(self, ended: str) -> None:
        """Record how the upload ended."""
        refused = sum(part.failure is not None for part in self.done)
        self._upload.close(ended, stored=len(self.done) - refused, refused=refused)

    def _size_bytes(self) -> int:
        return sum(size_bytes for size_bytes, _ in self._underway)

    async def _take_one(self) -> None:
        _, keeping = self._underway.popleft()
        done = await keeping
        self._junk += not done.instance_uid
        self.done.append(done)


def _status(parts: Iterable[StoredPart]) -> HTTPStatus:
    """Tell what of a body was stored (PS3.18 table 10.5.3-1)."""
    failed = {part.failure is not None for part in parts}
    if failed == {True}:
        return HTTPStatus.CONFLICT
    is_clean = failed == {False} and all(part.warning is None for part in parts)
    return HTTPStatus.OK if is_clean else HTTPStatus.ACCEPTED


def _response(parts: Iterable[StoredPart], root: str) -> Model:
    """Describe what became of each part (PS3.18 table I.2-1)."""
    stored, failed, others = [], [], []
    studies = set()
    for part in parts:
        if part.failure is None:
            stored.append(_reference(part) | _places(part, root))
            studies.add(part.study_uid)
        elif part.instance_uid:
            failed.append(_reference(part) | {"00081197": attribute("US", part.failure)})
        else:
            others.append({"00081197": attribute("US", part.failure)})
    model: Model = {}
    if len(studies) == 1:
        model["00081190"] = attribute("UR", f"{root}/studies/{studies.pop()}")
    for tag, items in (("00081198", failed), ("00081199", stored), ("0008119A", others)):
        if items:
            model[tag] = sequence(items)
    return model


def _reference(part: StoredPart) -> Model:
    return {
        "00081150": attribute("UI", part.sop_class_uid),
        "00081155": attribute("UI", part.instance_uid),
    }


def _places(part: StoredPart, root: str) -> Model:
    place = f"{root}/studies/{part.study_uid}/series/{part.series_uid}"
    model = {"00081190": attribute("UR", f"{place}/instances/{part.instance_uid}")}
    if part.warning is not None:
        model["00081196"] = attribute("US", part.warning)
    return model


def _refusal(status: HTTPStatus, problem: str) -> RefusedRequest:
    hint = "Parts before the problem were kept; sending them again does no harm."
    return RefusedRequest(status, problem, hint=hint)


def _busy(problem: str) -> RefusedRequest:
    return RefusedRequest(HTTPStatus.SERVICE_UNAVAILABLE, problem, hint="Send it again later.")
