"""Read every stored object and array; find and mend damage."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from sightline import clock
from sightline.app.lock import keeping_alone
from sightline.app.verifying import STEPS, remove_orphans, repair, start_anew, verify
from sightline.archive.archive import Archive
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.hub.hub import Hub
from sightline.settings import Settings
from sightline.values.flaw import Flaw

APP = new_verb()
_COLUMNS = ("store", "flaw", "what", "digest", "study", "series", "came from", "what to do")


@APP.command("verify")
def verify_(
    ctx: typer.Context,
    repair_from: Annotated[
        Path | None,
        typer.Option(help="A backup, or any folder of files, to bring damaged objects back from."),
    ] = None,
    remove_orphaned: Annotated[
        bool,
        typer.Option("--remove-orphans", help="Remove objects no row needs, if older than a day."),
    ] = False,
    from_start: Annotated[
        bool, typer.Option(help="Do not go on where an interrupted pass stopped.")
    ] = False,
    rate_mb_s: Annotated[
        float, typer.Option(min=0, help="Read at most so many MB a second; 0: as fast as can be.")
    ] = 0.0,
) -> None:
    """Check every object and array of archive and hub against its digest and the catalogs.

    Ends with status 1 where something stays damaged, missing or orphaned. An interrupted pass goes
    on where it stopped.
    """
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        with keeping_alone(settings):
            if from_start:
                start_anew(settings)
            flaws = _verify(settings, archive, hub, rate_mb_s=rate_mb_s)
            if repair_from is not None:
                flaws = repair(archive, hub, flaws, backup=repair_from)
            if remove_orphaned:
                flaws = remove_orphans(archive, flaws)
    finally:
        archive.close()
        hub.close()
    print_table(_COLUMNS, [_row(flaw) for flaw in flaws])
    if not all(flaw.mended for flaw in flaws):
        raise typer.Exit(1)


def _verify(settings: Settings, archive: Archive, hub: Hub, *, rate_mb_s: float) -> list[Flaw]:
    began, read_bytes, objects = clock.monotonic(), 0, 0
    with Progress(
        BarColumn(),
        TextColumn("{task.description}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    ) as progress:
        bar = progress.add_task("", total=STEPS)

        def on_read(size_bytes: int) -> None:
            nonlocal read_bytes, objects
            read_bytes, objects = read_bytes + size_bytes, objects + 1
            if rate_mb_s:
                ahead_s = began + read_bytes / (rate_mb_s * 1e6) - clock.monotonic()
                clock.pause(max(ahead_s, 0.0))

        def on_step(step: int) -> None:
            speed = read_bytes / 1e6 / max(clock.monotonic() - began, 1e-3)
            words = f"{objects} read, {read_bytes / 1e9:.1f} GB, {speed:.0f} MB/s"
            progress.update(bar, completed=step, description=words)

        return verify(settings, archive, hub, on_read=on_read, on_step=on_step)


def _row(flaw: Flaw) -> tuple[str, ...]:
    return (
        flaw.store,
        flaw.kind,
        flaw.what,
        flaw.digest[:16],
        flaw.study_uid,
        flaw.series_uid,
        flaw.source,
        _advice(flaw),
    )


def _advice(flaw: Flaw) -> str:
    if flaw.mended:
        return "removed" if flaw.kind == "orphan" else "brought back"
    if flaw.kind == "orphan":
        return "nothing; --remove-orphans removes it when it is a day old"
    if flaw.source.startswith("dimse:"):
        return f"--repair-from BACKUP, or have {flaw.source.removeprefix('dimse:')} send it again"
    return "--repair-from BACKUP, or send or import it again"
