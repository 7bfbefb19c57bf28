"""Compare what a PACS has with what is here, and fetch the difference."""

import re
from collections.abc import Iterator
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.cli.pull import fetch
from sightline.intake.comparing import (
    SeriesDifference,
    StudyDifference,
    compare_study,
    studies_only_here,
)
from sightline.intake.pull import By
from sightline.peers.known import peer_named
from sightline.peers.query import asking
from sightline.settings import Settings

APP = new_verb()
_COLUMNS = ("level", "uid", "theirs", "here", "difference")


@APP.command()
def reconcile(
    ctx: typer.Context,
    pacs: Annotated[str, typer.Argument(help="A named peer, or AETITLE@host:port.")],
    since: Annotated[str, typer.Option(help="First study date, YYYYMMDD or YYYY-MM-DD.")],
    pull: Annotated[bool, typer.Option("--pull", help="Fetch what is missing here.")] = False,
    by: Annotated[
        By, typer.Option(help="move: to the running listener. get: on the same association.")
    ] = "get",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With --pull: say what would be fetched only.")
    ] = False,
) -> None:
    """Compare the studies of PACS since a date with what is here.

    Counts are compared first, UIDs where the counts differ. Results of ours are no difference.
    Ends with status 1 while a difference remains.
    """
    settings = settings_of(ctx)
    first = since.replace("-", "")
    if not re.fullmatch(r"\d{8}", first):
        raise typer.BadParameter("write YYYYMMDD", param_hint="--since")
    archive = Archive.open(settings)
    differing = _differences(archive, settings, pacs, since=first)
    print_table(_COLUMNS, _rows(differing))
    if pull and not dry_run:
        fetch(archive, settings, differing, pacs=pacs, by=by)
        differing = _differences(archive, settings, pacs, since=first)
        if differing:
            print("remains after the pull:")
            print_table(_COLUMNS, _rows(differing))
    missing = sum(len(each.missing) for each in differing)
    print(f"{len(differing)} studies differ, {missing} instances are missing here")
    if differing:
        raise typer.Exit(1)


def _differences(
    archive: Archive, settings: Settings, pacs: str, *, since: str
) -> list[StudyDifference]:
    peer = peer_named(pacs, settings)
    with asking(peer, calling_ae=settings.ae_title) as questions:
        theirs = questions.studies({"StudyDate": f"{since}-"})
        compared = [compare_study(archive, questions, each) for each in theirs]
    compared += studies_only_here(archive, peer.ae_title, since=since, theirs=theirs)
    return [each for each in compared if not each.is_equal]


def _rows(differing: list[StudyDifference]) -> Iterator[tuple[object, ...]]:
    for study in differing:
        counts = "" if study.theirs is None else study.theirs
        what = "not here" if study.is_wholly_missing else f"{len(study.series)} series differ"
        yield "study", study.uid, counts, study.here, what
        for series in study.series:
            yield from _rows_of_series(series)


def _rows_of_series(series: SeriesDifference) -> Iterator[tuple[object, ...]]:
    missing, extra = len(series.missing), len(series.only_here)
    whole = {series.theirs: "not here", 0: ""}.get(missing, f"{missing} missing")
    parts = [whole, f"{extra} only here" if extra else ""]
    parts.append(f"{len(series.quarantined)} in quarantine" if series.quarantined else "")
    yield "series", series.uid, series.theirs, series.here, ", ".join(filter(None, parts))
    if not series.is_wholly_missing:
        yield from (("instance", each.uid, 1, 0, "missing") for each in series.missing)
    if series.theirs:
        yield from (("instance", uid, 0, 1, "only here") for uid in series.only_here)
    yield from (("instance", uid, 1, 0, "in quarantine") for uid in series.quarantined)
