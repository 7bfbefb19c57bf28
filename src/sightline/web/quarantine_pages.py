"""The pages of quarantine: what is held and why, and one instance with its picture.

They only show: who decides is not known until there are accounts, so deciding is done by
`sightline quarantine`, where a name and a reason are given.
"""

import dataclasses
from collections.abc import Iterable

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from sightline.archive.conflicts import is_conflict
from sightline.archive.quarantine import decisions, holding, holdings
from sightline.deid.quarantine import RELEASABLE
from sightline.errors import UnknownName
from sightline.values.arrival import Holding
from sightline.web.rendering import preview
from sightline.web.site import Site

_MOST_GROUPS = 500
_MOST_MEMBERS = 200


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What is held of one series for one reason.

    Attributes:
        first: the one that came last.
    """

    first: Holding
    count: int


def quarantine_router(site: Site) -> APIRouter:
    """Return the pages of quarantine."""
    router = APIRouter(default_response_class=HTMLResponse)

    @router.get("/quarantine")
    def listed(reason: str = "", study: str = "") -> HTMLResponse:
        every = holdings(site.archive)
        chosen = [
            each
            for each in every
            if reason in {"", each.reason} and study.strip() in each.study_uid
        ]
        groups = _groups(chosen)
        return site.page(
            "quarantine.html",
            groups=groups[:_MOST_GROUPS],
            total=len(chosen),
            hidden=max(0, len(groups) - _MOST_GROUPS),
            reasons=sorted({each.reason for each in every}),
            reason=reason,
            study=study,
        )

    @router.get("/quarantine/{number}")
    def one(number: int) -> HTMLResponse:
        held = holding(site.archive, number)
        members = holdings(site.archive, study_uid=held.study_uid, reason=held.reason)
        members = [each for each in members if each.series_uid == held.series_uid]
        name = f"instance:{held.instance_uid}"
        return site.page(
            "held.html",
            held=held,
            members=members[:_MOST_MEMBERS],
            count=len(members),
            may_release=is_conflict(held) or held.reason in RELEASABLE,
            is_conflict=is_conflict(held),
            done=[each for each in decisions(site.archive) if name in each.event.objects],
        )

    @router.get("/quarantine/{number}/picture")
    def picture(number: int) -> Response:
        held = holding(site.archive, number)
        if not held.digest:
            raise UnknownName(
                "the whole study is held, not one picture", hint="Open the study instead."
            )
        return Response(preview(site.archive.objects, held), media_type="image/png")

    return router


def _groups(held: Iterable[Holding]) -> list[Group]:
    counts: dict[tuple[str, str, str], list[Holding]] = {}
    for each in held:
        counts.setdefault((each.study_uid, each.series_uid, each.reason), []).append(each)
    return [Group(first=members[0], count=len(members)) for members in counts.values()]
