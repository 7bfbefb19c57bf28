"""Check and list the log of who did what."""

import re
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.audit.anchor import Anchor
from sightline.audit.chain import Head, entries
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.errors import BadSettings

APP = new_verb("Check and list the log of who did what.")
_HEAD = re.compile(r"(\d{1,9}):([0-9a-f]{64})")


@APP.command()
def verify(
    ctx: typer.Context,
    expect: Annotated[
        str | None,
        typer.Option(help="A head noted before, as `NUMBER:DIGEST`, that must be in the chain."),
    ] = None,
) -> None:
    """Check that no entry was altered, deleted or moved; print the head to note elsewhere.

    Ends with status 1 where the log is not whole.
    """
    settings = settings_of(ctx)
    archive = Archive.open(settings)
    try:
        found = Anchor.open(settings).verify(archive.database, expected=_head(expect))
    finally:
        archive.close()
    for fault in found.faults:
        print(f"broken\t{fault.sequence}\t{fault.problem}")
    print(f"head\t{found.head.sequence}:{found.head.digest}")
    if found.faults:
        raise typer.Exit(1)


@APP.command("list")
def list_entries(
    ctx: typer.Context,
    newest: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 100,
) -> None:
    """List the newest entries, oldest first."""
    archive = Archive.open(settings_of(ctx))
    try:
        listed = entries(archive.database, newest=newest)
    finally:
        archive.close()
    print_table(
        ("number", "time", "actor", "action", "objects", "reason"),
        [
            (
                each.sequence,
                each.at[:19],
                each.event.actor,
                each.event.action,
                " ".join(each.event.objects),
                each.event.reason,
            )
            for each in listed
        ],
    )


def _head(text: str | None) -> Head | None:
    if text is None:
        return None
    match = _HEAD.fullmatch(text)
    if match is None:
        raise BadSettings(
            "the noted head is not of the form NUMBER:DIGEST",
            hint="Give the last line that `sightline audit verify` printed, without the word head.",
        )
    return Head(sequence=int(match[1]), digest=match[2])
