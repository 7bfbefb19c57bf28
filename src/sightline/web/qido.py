"""QIDO-RS: searching the archive for studies, series and instances (PS3.18 10.6)."""

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from sightline.archive.locating import (
    LocatedInstance,
    first_of_series,
    first_of_studies,
)
from sightline.archive.search import (
    FoundInstance,
    FoundSeries,
    FoundStudy,
    search_instances,
    search_series,
    search_studies,
)
from sightline.values.uids import is_uid
from sightline.web.dicom_model import Model, attribute, person
from sightline.web.included_fields import (
    MOST_READ,
    NO_FIELDS_OF_SERIES,
    NO_FIELDS_OF_STUDIES,
    include_fields,
)
from sightline.web.media_types import DICOM_JSON, choose, parse_accept
from sightline.web.refusals import malformed, not_acceptable
from sightline.web.retrieval import Retrieval
from sightline.web.search_query import SearchQuery, read_query

_NO_HEADER_TEXT = re.compile(r"[^A-Za-z0-9., ]")


def qido_router(retrieval: Retrieval) -> APIRouter:
    """Return the searches of an archive."""
    router = APIRouter()
    archive, root = retrieval.archive, retrieval.root

    @router.get("/studies")
    def studies(request: Request) -> JSONResponse:
        query = read_query(request.query_params.multi_items())
        matches = search_studies(archive, query.keys, query.window)
        answer = _Answer(request, retrieval, query, has_more=matches.has_more)
        return answer.of(
            [study_model(study, root) for study in matches.found],
            lambda: first_of_studies(archive, _first_uids(matches.found)),
            uids=[study.uid for study in matches.found],
            excluded=NO_FIELDS_OF_STUDIES,
        )

    @router.get("/series")
    @router.get("/studies/{study_uid}/series")
    def series(request: Request) -> JSONResponse:
        query = _within(read_query(request.query_params.multi_items()), request.path_params)
        matches = search_series(archive, query.keys, query.window)
        answer = _Answer(request, retrieval, query, has_more=matches.has_more)
        return answer.of(
            [series_model(each, root) for each in matches.found],
            lambda: first_of_series(archive, _first_uids(matches.found)),
            uids=[each.uid for each in matches.found],
            excluded=NO_FIELDS_OF_SERIES,
        )

    @router.get("/instances")
    @router.get("/studies/{study_uid}/instances")
    @router.get("/studies/{study_uid}/series/{series_uid}/instances")
    def instances(request: Request) -> JSONResponse:
        query = _within(read_query(request.query_params.multi_items()), request.path_params)
        matches = search_instances(archive, query.keys, query.window)
        answer = _Answer(request, retrieval, query, has_more=matches.has_more)
        return answer.of(
            [instance_model(each, root) for each in matches.found],
            lambda: {each.uid: _located(each) for each in matches.found[:MOST_READ]},
            uids=[each.uid for each in matches.found],
            excluded=frozenset(),
        )

    return router


def study_model(study: FoundStudy, root: str) -> Model:
    """Describe a study (PS3.18 table 10.6.3-3)."""
    model = {
        "00080005": attribute("CS", "ISO_IR 192"),
        "00080020": attribute("DA", study.date),
        "00080030": attribute("TM", study.time),
        "00080050": attribute("SH", study.accession_number),
        "00080056": attribute("CS", "ONLINE"),
        "00080061": attribute("CS", *study.modalities),
        "00081030": attribute("LO", study.description),
        "00081190": attribute("UR", f"{root}/studies/{study.uid}"),
        "00100010": person(study.patient.name),
        "00100020": attribute("LO", study.patient.patient_id),
        "00100030": attribute("DA", study.patient.birth_date),
        "00100040": attribute("CS", study.patient.sex),
        "0020000D": attribute("UI", study.uid),
        "00201206": attribute("IS", study.series),
        "00201208": attribute("IS", study.instances),
    }
    # Not noted by older versions: then it is left out, and read from a file where it is asked for.
    if study.referring_physician is not None:
        model["00080090"] = person(study.referring_physician)
    if study.study_id is not None:
        model["00200010"] = attribute("SH", study.study_id)
    return model


def series_model(series: FoundSeries, root: str) -> Model:
    """Describe a series and its study (PS3.18 table 10.6.3-4)."""
    return study_model(series.study, root) | {
        "00080060": attribute("CS", series.modality),
        "0008103E": attribute("LO", series.description),
        "00080070": attribute("LO", series.manufacturer),
        "00081090": attribute("LO", series.manufacturer_model),
        "00081190": attribute("UR", f"{root}/studies/{series.study.uid}/series/{series.uid}"),
        "00180015": attribute("CS", series.body_part),
        "0020000E": attribute("UI", series.uid),
        "00200011": attribute("IS", series.number),
        "00201209": attribute("IS", series.instances),
    }


def instance_model(instance: FoundInstance, root: str) -> Model:
    """Describe an instance, its series and its study (PS3.18 table 10.6.3-5)."""
    series = instance.series
    place = f"{root}/studies/{series.study.uid}/series/{series.uid}/instances/{instance.uid}"
    model = series_model(series, root) | {
        "00080016": attribute("UI", instance.sop_class_uid),
        "00080018": attribute("UI", instance.uid),
        "00081190": attribute("UR", place),
        "00083002": attribute("UI", instance.transfer_syntax_uid),
        "00200013": attribute("IS", instance.number),
    }
    if instance.rows is not None:
        model |= {
            "00280008": attribute("IS", instance.frames),
            "00280010": attribute("US", instance.rows),
            "00280011": attribute("US", instance.columns),
        }
    return model


def _within(query: SearchQuery, path: Mapping[str, str]) -> SearchQuery:
    """Restrict a search to what its path names."""
    if not all(is_uid(uid) for uid in path.values()):
        raise malformed("a UID of the address", "Give digits and dots, 64 at most.")
    keys = query.keys
    if "study_uid" in path:
        keys = dataclasses.replace(keys, study_uids=(path["study_uid"],))
    if "series_uid" in path:
        keys = dataclasses.replace(keys, series_uids=(path["series_uid"],))
    return dataclasses.replace(query, keys=keys)


def _first_uids(found: Sequence[FoundStudy | FoundSeries]) -> list[str]:
    return [each.uid for each in found[:MOST_READ]]


def _located(instance: FoundInstance) -> LocatedInstance:
    return LocatedInstance(
        uid=instance.uid,
        series_uid=instance.series.uid,
        study_uid=instance.series.study.uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        frames=instance.frames,
        digest=instance.digest,
    )


class _Answer:
    """The answer to one search."""

    def __init__(
        self, request: Request, retrieval: Retrieval, query: SearchQuery, *, has_more: bool
    ) -> None:
        given = request.query_params.get("accept") or request.headers.get("accept", "")
        chosen = choose(parse_accept(given), (DICOM_JSON, "application/json"))
        if chosen is None:
            raise not_acceptable(DICOM_JSON)
        self._media_type = chosen
        self._retrieval = retrieval
        self._query = query
        self._has_more = has_more

    def of(
        self,
        models: list[Model],
        locate: Callable[[], Mapping[str, LocatedInstance]],
        *,
        uids: Sequence[str],
        excluded: frozenset[str],
    ) -> JSONResponse:
        """Answer with `models`, of which `locate` gives an instance each, by `uids`."""
        is_short = False
        fields = self._query.fields - excluded
        if self._query.wants_all_fields or any(fields - model.keys() for model in models):
            located = locate()
            places = {place: located[uid] for place, uid in enumerate(uids) if uid in located}
            included = include_fields(
                self._retrieval, self._query, models, instances=places, excluded=excluded
            )
            models, is_short = included.models, included.is_short
        answer = JSONResponse(models, media_type=self._media_type)
        for text in self._warnings(is_short=is_short):
            answer.headers.append("Warning", f'299 sightline "{text}"')
        return answer

    def _warnings(self, *, is_short: bool) -> Iterator[str]:
        if self._has_more:
            yield "There are additional results that can be requested with offset"
        if is_short:
            yield f"Fields that are read from files are given for the first {MOST_READ} results"
        if self._query.ignored:
            names = _NO_HEADER_TEXT.sub("?", ", ".join(self._query.ignored))
            yield f"Not matched on: {names[:200]}"
