"""WADO-RS: instances, metadata, frames, bulk data and pictures (PS3.18 10.4).

Everything is sent as stored: nothing is transcoded, and one instance is held at a time.
"""

import json
from collections.abc import Iterable, Iterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from sightline import log
from sightline.archive.search import FoundInstance
from sightline.errors import BadFile, UnknownName
from sightline.formats.dicom_json import Frames, read_bulk
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
from sightline.web.refusals import malformed, not_acceptable
from sightline.web.rendering import Renderer, read_picture
from sightline.web.retrieval import Retrieval
from sightline.web.site import Site

_log = log.get("web")
_STUDY = "/studies/{study_uid}"
_SERIES = _STUDY + "/series/{series_uid}"
_INSTANCE = _SERIES + "/instances/{instance_uid}"
_PIXEL_PATHS = frozenset({"7FE00008", "7FE00009", "7FE00010"})
_EXPLICIT_LITTLE, _EXPLICIT_BIG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def wado_router(site: Site, root: str) -> APIRouter:
    """Return the retrievals of the archive below the path `root`."""
    router = APIRouter()
    retrieval = Retrieval(site.archive, root)
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
            if is_one and each.takes(DICOM):
                return Response(retrieval.content(found[0]), media_type=DICOM)
        syntaxes = ", ".join(sorted({one.transfer_syntax_uid for one in found}))
        raise not_acceptable(f'multipart/related; type="{DICOM}"', syntaxes)


def _add_pixels(router: APIRouter, retrieval: Retrieval) -> None:
    @router.get(_INSTANCE + "/frames/{numbers}")
    def frames(request: Request) -> StreamingResponse:
        instance = retrieval.find_one(request.path_params)
        wanted = _frame_numbers(request.path_params["numbers"], instance)
        stored = retrieval.frames(instance)
        part_type = choose_frame_type(_accepted(request), stored.transfer_syntax_uid)
        if part_type is None:
            raise not_acceptable("multipart/related", stored.transfer_syntax_uid)
        return multipart(_frame_parts(stored, wanted, part_type), part_type=part_type)

    @router.get(_INSTANCE + "/bulkdata/{path:path}")
    def bulk_data(request: Request) -> Response:
        instance = retrieval.find_one(request.path_params)
        path = request.path_params["path"]
        if path not in _PIXEL_PATHS or instance.frames is None:
            return _octets(read_bulk(retrieval.content(instance), path), _accepted(request))
        stored = retrieval.frames(instance)
        if stored.transfer_syntax_uid == _EXPLICIT_LITTLE:
            return _octets(_native_pixels(retrieval, instance, path), _accepted(request))
        part_type = choose_frame_type(_accepted(request), stored.transfer_syntax_uid)
        if part_type is None:
            raise not_acceptable("multipart/related", stored.transfer_syntax_uid)
        every = range(1, len(stored.frames) + 1)
        return multipart(_frame_parts(stored, every, part_type), part_type=part_type)


def _add_pictures(router: APIRouter, retrieval: Retrieval, renderer: Renderer) -> None:
    @router.get(_INSTANCE + "/rendered")
    @router.get(_INSTANCE + "/thumbnail")
    @router.get(_INSTANCE + "/frames/{numbers}/rendered")
    @router.get(_INSTANCE + "/frames/{numbers}/thumbnail")
    @router.get(_SERIES + "/rendered")
    @router.get(_SERIES + "/thumbnail")
    def rendered(request: Request) -> Response:
        instance = retrieval.find_one(request.path_params)
        number = _frame_numbers(request.path_params.get("numbers", "1"), instance)[0]
        media_type = choose(_accepted(request), ("image/jpeg", "image/png"))
        if media_type is None:
            raise not_acceptable("image/jpeg")
        is_thumbnail = request.url.path.endswith("/thumbnail")
        wanted = read_picture(
            request.query_params, media_type=media_type, is_thumbnail=is_thumbnail
        )
        return Response(renderer.render(instance, number, wanted), media_type=media_type)


def _accepted(request: Request) -> list[MediaRange]:
    given = request.query_params.get("accept") or request.headers.get("accept", "")
    return parse_accept(given)


def _frame_numbers(text: str, instance: FoundInstance) -> list[int]:
    parts = text.split(",")
    if not all(part.isdecimal() and len(part) <= 9 for part in parts):  # noqa: PLR2004 - an IS
        raise malformed("the list of frames", "Write it as 1,2,3.")
    numbers = [int(part) for part in parts]
    frames = instance.frames or 0
    if not all(1 <= number <= frames for number in numbers):
        raise UnknownName(f"the instance has {frames} frames", hint="The first frame is 1.")
    return numbers


def _files(retrieval: Retrieval, instances: list[FoundInstance]) -> Iterator[Part]:
    for instance in instances:
        media_type = f"{DICOM}; transfer-syntax={instance.transfer_syntax_uid}"
        yield Part(media_type=media_type, content=retrieval.content(instance))


def _frame_parts(stored: Frames, numbers: Iterable[int], part_type: str) -> Iterator[Part]:
    media_type = f"{part_type}; transfer-syntax={stored.transfer_syntax_uid}"
    return (Part(media_type=media_type, content=stored.frames[each - 1]) for each in numbers)


def _native_pixels(retrieval: Retrieval, instance: FoundInstance, path: str) -> bytes:
    """Return uncompressed pixels as one value; those of big endian files are swapped."""
    if instance.transfer_syntax_uid == _EXPLICIT_BIG:
        return b"".join(retrieval.frames(instance).frames)
    return read_bulk(retrieval.content(instance), path)


def _octets(content: bytes, accepted: list[MediaRange]) -> Response:
    for each in accepted:
        if each.takes_parts(OCTETS, _EXPLICIT_LITTLE):
            return multipart([Part(media_type=OCTETS, content=content)], part_type=OCTETS)
        if each.takes(OCTETS):
            return Response(content, media_type=OCTETS)
    raise not_acceptable(OCTETS)


def _json_array(instances: list[FoundInstance], retrieval: Retrieval) -> Iterator[bytes]:
    start = b"["
    for instance in instances:
        yield start + _metadata_or_outline(instance, retrieval)
        start = b","
    yield b"]"


def _metadata_or_outline(instance: FoundInstance, retrieval: Retrieval) -> bytes:
    """Describe a broken file from the catalog: it must not take its series along."""
    try:
        return retrieval.metadata(instance)
    except BadFile:
        _log.warning("metadata_broken", instance=instance.uid)
        return json.dumps(instance_model(instance, retrieval.root)).encode()
