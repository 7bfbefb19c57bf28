"""WADO-RS: instances, metadata, frames, bulk data and pictures (PS3.18 10.4).

Everything is sent as stored, unless the client takes only uncompressed pixels; one instance is
held at a time.
"""

import json
import re
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from sightline import log
from sightline.archive.locating import LocatedInstance
from sightline.archive.search import Window, search_instances
from sightline.archive.search_keys import Keys
from sightline.errors import BadFile, NotDicom, UnknownName
from sightline.formats.dicom_json import Frames
from sightline.web.media_types import (
    DICOM,
    DICOM_JSON,
    OCTETS,
    MediaRange,
    choose,
    choose_frame_type,
    parse_accept,
)
from sightline.web.multipart import Part, multipart
from sightline.web.qido import instance_model
from sightline.web.refusals import RefusedRequest, malformed, not_acceptable
from sightline.web.rendering import Picture, Renderer, read_picture
from sightline.web.retrieval import Retrieval
from sightline.web.site import Site
from sightline.web.transcoding import EXPLICIT_LITTLE, decode

_log = log.get("web")
_STUDY = "/studies/{study_uid}"
_SERIES = _STUDY + "/series/{series_uid}"
_INSTANCE = _SERIES + "/instances/{instance_uid}"
_PIXEL_PATHS = frozenset({"7FE00008", "7FE00009", "7FE00010"})
_BULK_PATH = re.compile(r"([0-9A-Fa-f]{8}/[0-9]{1,6}/){0,64}[0-9A-Fa-f]{8}")
_PICTURES = ("image/jpeg", "image/png")
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"


def wado_router(site: Site, retrieval: Retrieval) -> APIRouter:
    """Return the retrievals of an archive."""
    router = APIRouter()
    _add_metadata(router, retrieval)
    _add_instances(router, retrieval)
    _add_pixels(router, retrieval)
    _add_pictures(router, retrieval, Renderer(site.archive.objects))
    return router


def _add_metadata(router: APIRouter, retrieval: Retrieval) -> None:
    @router.get(_STUDY + "/metadata")
    @router.get(_SERIES + "/metadata")
    @router.get(_INSTANCE + "/metadata")
    def metadata(request: Request) -> Response:
        chosen = choose(_accepted(request), (DICOM_JSON, "application/json"))
        if chosen is None:
            raise not_acceptable(DICOM_JSON)
        found = retrieval.find(request.path_params)
        if "instance_uid" in request.path_params:
            text = b"[" + retrieval.metadata(found[0]) + b"]"
            return Response(text, media_type=chosen)
        return StreamingResponse(_json_array(found, retrieval), media_type=chosen)


def _add_instances(router: APIRouter, retrieval: Retrieval) -> None:
    @router.get(_STUDY)
    @router.get(_SERIES)
    @router.get(_INSTANCE)
    def instances(request: Request) -> Response:
        found = retrieval.find(request.path_params)
        is_one = "instance_uid" in request.path_params
        for each in _accepted(request):
            if all(each.takes_parts(DICOM, one.transfer_syntax_uid) for one in found):
                return multipart(_files(retrieval, found), part_type=DICOM)
            if each.takes_parts(DICOM, EXPLICIT_LITTLE):
                return multipart(_decoded_files(retrieval, found), part_type=DICOM)
            if is_one and each.takes(DICOM) and each.takes_syntax(found[0].transfer_syntax_uid):
                return Response(retrieval.content(found[0]), media_type=DICOM)
            if is_one and each.takes(DICOM) and each.takes_syntax(EXPLICIT_LITTLE):
                (decoded,) = _decoded_files(retrieval, found)
                return Response(decoded.content, media_type=DICOM)
        syntaxes = ", ".join(sorted({one.transfer_syntax_uid for one in found}))
        raise not_acceptable(f'multipart/related; type="{DICOM}"', syntaxes)


def _add_pixels(router: APIRouter, retrieval: Retrieval) -> None:
    @router.get(_INSTANCE + "/frames/{numbers}")
    def frames(request: Request) -> StreamingResponse:
        instance = retrieval.find_one(request.path_params)
        wanted = _frame_numbers(request.path_params["numbers"], instance)
        found, part_type = _frames_for(request, retrieval, instance)
        return multipart(_frame_parts(found, wanted, part_type), part_type=part_type)

    @router.get(_INSTANCE + "/bulkdata/{path:path}")
    def bulk_data(request: Request) -> Response:
        instance = retrieval.find_one(request.path_params)
        path = request.path_params["path"]
        if path not in _PIXEL_PATHS or instance.frames is None:
            return _octets(_bulk(retrieval, instance, path), _accepted(request))
        if retrieval.frames(instance).transfer_syntax_uid == EXPLICIT_LITTLE:
            return _octets(_native_pixels(retrieval, instance, path), _accepted(request))
        found, part_type = _frames_for(request, retrieval, instance)
        every = range(1, len(found.frames) + 1)
        return multipart(_frame_parts(found, every, part_type), part_type=part_type)


def _add_pictures(router: APIRouter, retrieval: Retrieval, renderer: Renderer) -> None:
    @router.get(_INSTANCE + "/rendered")
    @router.get(_INSTANCE + "/thumbnail")
    @router.get(_INSTANCE + "/frames/{numbers}/rendered")
    @router.get(_INSTANCE + "/frames/{numbers}/thumbnail")
    @router.get(_SERIES + "/rendered")
    @router.get(_SERIES + "/thumbnail")
    @router.get(_STUDY + "/rendered")
    @router.get(_STUDY + "/thumbnail")
    def rendered(request: Request) -> Response:
        accepted = _accepted(request)
        media_type = choose(accepted, _PICTURES)
        is_multipart = media_type is None
        if media_type is None:
            media_type = next(
                (each for each in _PICTURES if any(one.takes_parts(each) for one in accepted)), None
            )
        if media_type is None:
            raise not_acceptable("image/jpeg")
        is_thumbnail = request.url.path.endswith("/thumbnail")
        wanted = read_picture(
            request.query_params, media_type=media_type, is_thumbnail=is_thumbnail
        )
        if is_multipart:
            drawn = _drawn(retrieval.find(request.path_params), request, renderer, wanted=wanted)
            return multipart(drawn, part_type=media_type)
        instance = retrieval.find_one(request.path_params)
        number = _frame_numbers(request.path_params.get("numbers", "1"), instance)[0]
        return Response(renderer.render(instance, number, wanted), media_type=media_type)


def _accepted(request: Request) -> list[MediaRange]:
    given = request.query_params.get("accept") or request.headers.get("accept", "")
    return parse_accept(given)


def _frame_numbers(text: str, instance: LocatedInstance) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) <= 9 for part in parts):  # noqa: PLR2004 - an IS
        raise malformed("the list of frames", "Write it as 1,2,3.")
    numbers = [int(part) for part in parts]
    frames = instance.frames or 0
    if not all(1 <= number <= frames for number in numbers):
        raise UnknownName(f"the instance has {frames} frames", hint="The first frame is 1.")
    return numbers


def _files(retrieval: Retrieval, instances: list[LocatedInstance]) -> Iterator[Part]:
    for instance in instances:
        media_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
        yield Part(media_type=media_type, content=retrieval.content(instance))


def _decoded_files(retrieval: Retrieval, instances: list[LocatedInstance]) -> Iterator[Part]:
    for instance in instances:
        content = retrieval.content(instance)
        if instance.transfer_syntax_uid != EXPLICIT_LITTLE:
            try:
                content = decode(content, frames=instance.frames or 1)
            except NotDicom as error:
                raise _only_as_stored(instance) from error
        yield Part(media_type=f"{DICOM}; transfer-syntax={EXPLICIT_LITTLE}", content=content)


def _frames_for(
    request: Request, retrieval: Retrieval, instance: LocatedInstance
) -> tuple[Frames, str]:
    """Return the frames in a form that the client takes, and the media type they go by."""
    accepted = _accepted(request)
    stored = retrieval.frames(instance)
    part_type = choose_frame_type(accepted, stored.transfer_syntax_uid)
    if part_type is not None:
        return stored, part_type
    if not any(each.takes_parts(OCTETS, EXPLICIT_LITTLE) for each in accepted):
        raise _only_as_stored(instance)
    try:
        return retrieval.decoded_frames(instance), OCTETS
    except NotDicom as error:
        raise _only_as_stored(instance) from error


def _only_as_stored(instance: LocatedInstance) -> RefusedRequest:
    return not_acceptable("multipart/related", instance.transfer_syntax_uid)


def _drawn(
    instances: list[LocatedInstance], request: Request, renderer: Renderer, *, wanted: Picture
) -> Iterator[Part]:
    """Draw every frame that the address names."""
    images = [each for each in instances if each.frames]
    if not images:
        raise UnknownName("there is no image at this address", hint="Ask for images only.")
    for instance in images:
        every = ",".join(map(str, range(1, (instance.frames or 0) + 1)))
        for number in _frame_numbers(request.path_params.get("numbers", every), instance):
            picture = renderer.render(instance, number, wanted)
            yield Part(media_type=wanted.media_type, content=picture)


def _frame_parts(stored: Frames, numbers: Iterable[int], part_type: str) -> Iterator[Part]:
    media_type = f"{part_type}; transfer-syntax={stored.transfer_syntax_uid}"
    return (Part(media_type=media_type, content=stored.frames[each - 1]) for each in numbers)


def _native_pixels(retrieval: Retrieval, instance: LocatedInstance, path: str) -> bytes:
    """Return uncompressed pixels as one value; those of big endian files are swapped."""
    if instance.transfer_syntax_uid == _EXPLICIT_BIG:
        return b"".join(retrieval.frames(instance).frames)
    return retrieval.bulk(instance, path)


def _bulk(retrieval: Retrieval, instance: LocatedInstance, path: str) -> bytes:
    if not _BULK_PATH.fullmatch(path):
        raise malformed("the address", "Ask for a BulkDataURI that the metadata names.")
    try:
        return retrieval.bulk(instance, path)
    except NotDicom as error:
        raise UnknownName("there is no such value", hint=error.hint) from error


def _octets(content: bytes, accepted: list[MediaRange]) -> Response:
    for each in accepted:
        if each.takes_parts(OCTETS, EXPLICIT_LITTLE):
            return multipart([Part(media_type=OCTETS, content=content)], part_type=OCTETS)
        if each.takes(OCTETS):
            return Response(content, media_type=OCTETS)
    raise not_acceptable(OCTETS)


def _json_array(instances: list[LocatedInstance], retrieval: Retrieval) -> Iterator[bytes]:
    start = b"["
    for instance in instances:
        yield start + _metadata_or_outline(instance, retrieval)
        start = b","
    yield b"]"


def _metadata_or_outline(instance: LocatedInstance, retrieval: Retrieval) -> bytes:
    """Describe a broken file from the catalog: it must not take its series along."""
    try:
        return retrieval.metadata(instance)
    except BadFile:
        _log.warning("metadata_broken", instance=instance.uid)
        keys = Keys(instance_uids=(instance.uid,))
        (found,) = search_instances(retrieval.archive, keys, Window()).found
        return json.dumps(instance_model(found, retrieval.root)).encode()
