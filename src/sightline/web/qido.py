"""QIDO-RS: searching the archive for studies, series and instances (PS3.18 10.6)."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from sightline.archive.search import (
    FoundInstance,
    FoundSeries,
    FoundStudy,
    search_instances,
    search_series,
    search_studies,
)
from sightline.web.dicom_model import Model, attribute, person
from sightline.web.media_types import DICOM_JSON, choose, parse_accept
from sightline.web.refusals import not_acceptable
from sightline.web.search_query import SearchQuery, read_query
from sightline.web.site import Site

_NO_HEADER_TEXT = re.compile(r"[^A-Za-z0-9., ]")


def qido_router(site: Site, root: str) -> APIRouter:
    """Return the searches of the archive below the path `root`."""
    router = APIRouter()

    @router.get("/studies")
    def studies(request: Request) -> JSONResponse:
        query = read_query(request.query_params.multi_items())
        matches = search_studies(site.archive, query.keys, query.window)
        models = (study_model(study, root) for study in matches.found)
        return _answer(request, models, query, has_more=matches.has_more)

    @router.get("/series")
    @router.get("/studies/{study_uid}/series")
    def series(request: Request) -> JSONResponse:
        query = _within(read_query(request.query_params.multi_items()), request.path_params)
        matches = search_series(site.archive, query.keys, query.window)
        models = (series_model(each, root) for each in matches.found)
        return _answer(request, models, query, has_more=matches.has_more)

    @router.get("/instances")
    @router.get("/studies/{study_uid}/instances")
    @router.get("/studies/{study_uid}/series/{series_uid}/instances")
    def instances(request: Request) -> JSONResponse:
        query = _within(read_query(request.query_params.multi_items()), request.path_params)
        matches = search_instances(site.archive, query.keys, query.window)
        models = (instance_model(each, root) for each in matches.found)
        return _answer(request, models, query, has_more=matches.has_more)

    return router


def study_model(study: FoundStudy, root: str) -> Model:
    """Describe a study (PS3.18 table 10.6.3-3)."""
    return {
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
    keys = query.keys
    if "study_uid" in path:
        keys = dataclasses.replace(keys, study_uids=(path["study_uid"],))
    if "series_uid" in path:
        keys = dataclasses.replace(keys, series_uids=(path["series_uid"],))
    return dataclasses.replace(query, keys=keys)


def _answer(
    request: Request, models: Iterable[Model], query: SearchQuery, *, has_more: bool
) -> JSONResponse:
    accepted = parse_accept(request.query_params.get("accept") or request.headers.get("accept", ""))
    chosen = choose(accepted, (DICOM_JSON, "application/json"))
    if chosen is None:
        raise not_acceptable(DICOM_JSON)
    answer = JSONResponse(list(models), media_type=chosen)
    if has_more:
        text = "There are additional results that can be requested with offset"
        answer.headers.append("Warning", f'299 sightline "{text}"')
    if query.ignored:
        names = _NO_HEADER_TEXT.sub("?", ", ".join(query.ignored))
        answer.headers.append("Warning", f'299 sightline "Not matched on: {names[:200]}"')
    return answer
