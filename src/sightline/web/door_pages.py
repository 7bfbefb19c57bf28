"""What the door does to a study, before and after side by side.

Both sides are identified: the page is served on loopback alone, until there are accounts.
"""

import dataclasses
import ipaddress
from collections import Counter
from collections.abc import Sequence

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from sightline.archive.locating import locate
from sightline.archive.studies import study as read_study
from sightline.deid.explaining import Explained, Explanation
from sightline.deid.hub_door import HubDoor
from sightline.deid.patient_records import known_of_archive
from sightline.errors import Refused, UnknownName
from sightline.values.identity import StudyUid
from sightline.values.study import IdentifiedInstance, IdentifiedStudy
from sightline.web.rendering import draw_first
from sightline.web.site import Site

_MOST_SHOWN_BYTES = 120
_OUTCOMES = ("removed", "changed", "emptied", "added", "kept")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One element for people to read."""

    place: str
    tag: str
    outcome: str
    why: str
    before: str
    after: str


def door_router(site: Site) -> APIRouter:
    """Return the pages of the door."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/studies/{study_uid}/door")
    def compared(study_uid: str, instance: str = "") -> HTMLResponse:
        study = _chosen(site, study_uid, instance)
        explanation = _explained(site, study)
        lines = [_line(each) for each in explanation.elements]
        return site.page(
            "door.html",
            study_uid=study_uid,
            shown=study.instances[0],
            is_picture=locate(site.archive, study_uid, instance_uid=study.instances[0].uid)[
                0
            ].frames,
            firsts=_firsts(read_study(site.archive, StudyUid(study_uid)).instances),
            held=explanation.held,
            counts=Counter(line.outcome for line in lines),
            groups=[(name, [each for each in lines if each.outcome == name]) for name in _OUTCOMES],
            profile=site.settings.deid_profile,
        )

    @router.get("/studies/{study_uid}/door/before")
    def before(study_uid: str, instance: str) -> Response:
        (shown,) = _chosen(site, study_uid, instance).instances
        return Response(draw_first(shown.read()), media_type="image/png")

    @router.get("/studies/{study_uid}/door/after")
    def after(study_uid: str, instance: str) -> Response:
        study = _chosen(site, study_uid, instance)
        explanation = _explained(site, study)
        if not explanation.content:
            raise UnknownName("the instance is held", hint="Nothing of it leaves.")
        return Response(draw_first(explanation.content), media_type="image/png")

    return router


def _chosen(site: Site, study_uid: str, instance_uid: str) -> IdentifiedStudy:
    """Return a study with the one instance to look at: the first, unless one is named."""
    if not _is_loopback(site.settings.host):
        raise Refused(
            "what the door does is shown on loopback only",
            hint="Serve on 127.0.0.1, or use `sightline deid explain FILE` on the machine.",
        )
    study = read_study(site.archive, StudyUid(study_uid))
    for each in study.instances:
        if instance_uid in {"", each.uid}:
            return dataclasses.replace(study, instances=(each,))
    raise UnknownName(
        "the study has no such instance", hint="Open the page of the study and choose a series."
    )


def _explained(site: Site, study: IdentifiedStudy) -> Explanation:
    door = HubDoor.open(site.settings)
    if not door.passes_free_text:
        return door.explain(study)
    return door.explain(study, known=known_of_archive(site.archive, study.patient))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _firsts(instances: Sequence[IdentifiedInstance]) -> list[IdentifiedInstance]:
    """Return one instance a series."""
    return list({each.series_uid: each for each in reversed(instances)}.values())[::-1]


def _line(each: Explained) -> Line:
    return Line(
        place=each.place,
        tag=f"({each.tag >> 16:04X},{each.tag & 0xFFFF:04X})",
        outcome=each.outcome,
        why=each.why,
        before=_shown(each.before),
        after=_shown(each.after),
    )


def _shown(value: bytes) -> str:
    text = value[:_MOST_SHOWN_BYTES].decode("latin-1").strip("\0 ")
    if not text.isprintable():
        return f"{len(value)} bytes"
    return text + (" …" if len(value) > _MOST_SHOWN_BYTES else "")
