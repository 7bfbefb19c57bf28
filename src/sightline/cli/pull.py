"""Fetch studies from a PACS: what it has and we lack."""

from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from sightline.archive.archive import Archive
from sightline.cli.context import interrupted, new_verb, print_table, settings_of
from sightline.errors import UnknownName
from sightline.intake.comparing import StudyDifference, compare_study
from sightline.intake.pull import By, PulledStudy, Puller
from sightline.peers.known import peer_named
from sightline.peers.query import asking
from sightline.settings import Settings

APP = new_verb()
_COLUMNS = ("study", "date", "theirs", "here", "missing")
_PULLED = ("study", "asked", "came", "problem")


@APP.command()
def pull(
    ctx: typer.Context,
    pacs: Annotated[str, typer.Argument(help="A named peer, or AETITLE@host:port.")],
    where: Annotated[
        list[str],
        typer.Option(help="KEY=VALUE of a query, such as StudyDate=20260101- or PatientID=12*."),
    ],
    by: Annotated[
        By, typer.Option(help="move: to the running listener. get: on the same association.")
    ] = "get",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is missing only.")] = False,
) -> None:
    """Find studies at PACS and fetch the instances that are not here.

    What is here is not asked for again, so a pull that was cut short goes on where it ended. Ends
    with status 1 where something did not come.
    """
    settings = settings_of(ctx)
    archive, peer = Archive.open(settings), peer_named(pacs, settings)
    with asking(peer, calling_ae=settings.ae_title) as questions:
        found = questions.studies(_keys(where))
        compared = [compare_study(archive, questions, each) for each in found]
    lacking = [each for each in compared if each.missing]
    if dry_run:
        print_table(_COLUMNS, [_row(each) for each in lacking])
        return
    pulled = fetch(archive, settings, lacking, pacs=pacs, by=by)
    print_table(_PULLED, [(each.uid, each.asked, each.came, each.problem) for each in pulled])
    came, asked = sum(each.came for each in pulled), sum(len(each.missing) for each in lacking)
    print(f"{len(found)} studies found, {len(lacking)} lacked something: {came} of {asked} came")
    if came < asked:
        raise typer.Exit(1)


def _row(study: StudyDifference) -> tuple[object, ...]:
    theirs = "" if study.theirs is None else study.theirs
    return study.uid, study.date, theirs, study.here, len(study.missing)


def fetch(
    archive: Archive,
    settings: Settings,
    lacking: list[StudyDifference],
    *,
    pacs: str,
    by: By,
) -> list[PulledStudy]:
    """Fetch what is missing and show how far it is; Ctrl-C ends it after what is under way."""
    total = sum(len(each.missing) for each in lacking)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with interrupted() as stop, Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("pull", total=total)
        peer = peer_named(pacs, settings)
        puller = Puller(
            archive=archive,
            peer=peer,
            by=by,
            our_ae=settings.ae_title,
            default_issuer=settings.issuer_of(peer.ae_title),
            on_progress=lambda came: progress.advance(bar, came),
            is_cancelled=stop.is_set,
        )
        return list(puller.pull(lacking))


def _keys(where: list[str]) -> dict[str, str]:
    pairs = [each.partition("=") for each in where]
    for key, sign, _ in pairs:
        if not sign:
            raise UnknownName(
                f"--where {key!r} has no value", hint="Write KEY=VALUE, such as PatientID=4711."
            )
    return {key.strip(): value.strip() for key, _, value in pairs}
