"""The JSON API: what the pages show, for programs."""

import dataclasses
import importlib.metadata
from typing import Any, Literal

from fastapi import APIRouter

from sightline import clock
from sightline.archive.studies import lineage_of_instance
from sightline.archive.worklist import overview, worklist
from sightline.hub.lineage import trace
from sightline.hub.models import models
from sightline.values.identity import InstanceUid, StudyUid
from sightline.web.site import Site

_DAY_S = 86400.0


def api_router(site: Site) -> APIRouter:
    """Return the API of a site."""
    router = APIRouter(prefix="/api")

    @router.get("/health")
    def health() -> dict[str, Any]:
        worklist(site.archive, since=clock.timestamp(), limit=1)
        return {"status": "ok", "version": importlib.metadata.version("sightline")}

    @router.get("/worklist")
    def reading_list(q: str = "", days: float = 7.0, limit: int = 200) -> dict[str, Any]:
        since = clock.timestamp() - days * _DAY_S
        return dataclasses.asdict(worklist(site.archive, since=since, words=q, limit=limit))

    @router.get("/studies/{study_uid}")
    def study(study_uid: str) -> dict[str, Any]:
        return dataclasses.asdict(overview(site.archive, StudyUid(study_uid)))

    @router.get("/trace/{name}")
    def lineage(name: str, direction: Literal["up", "down"] = "up") -> dict[str, Any]:
        known = lineage_of_instance(site.archive, InstanceUid(name))
        return dataclasses.asdict(trace(site.hub, known or name, direction))

    @router.get("/models")
    def model_list() -> list[dict[str, Any]]:
        return [dataclasses.asdict(each) for each in models(site.hub)]

    return router
