"""See what is held back and why; try again, release or delete it."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.quarantine import decisions, holding, holdings
from sightline.cli.context import new_verb, print_table, settings_of
from sightline.deid.decisions import delete, release, retry
from sightline.values.arrival import Holding
from sightline.values.identity import StudyUid
from sightline.web.rendering import preview

APP = new_verb("See what is held back and why; try again, release or delete it.")

_BYTES_STAY = (
    "; its bytes are needed elsewhere, or came within the hour: then "
    "`sightline verify --remove-orphans` removes them a day later"
)

Number = Annotated[int, typer.Argument(help="Number of the instance in quarantine.")]
By = Annotated[str, typer.Option("--by", help="Your name: it is recorded.")]
Why = Annotated[str, typer.Option("--reason", help="Why: it is recorded.")]


@APP.command("list")
def list_held(
    ctx: typer.Context,
    reason: Annotated[str, typer.Option(help="Only this reason.")] = "",
    study: Annotated[str, typer.Option(help="Only this Study Instance UID.")] = "",
    state: Annotated[str, typer.Option(help="held, released, deleted or all.")] = "held",
) -> None:
    """List what is in quarantine: one line an instance and reason, newest first."""
    wanted = "" if state == "all" else state
    with _archive(ctx) as archive:
        _print(holdings(archive, study_uid=study, reason=reason, state=wanted))


@APP.command()
def show(
    ctx: typer.Context,
    number: Number,
    picture: Annotated[
        Path | None, typer.Option(help="Write a picture of it here, as PNG; drawn in a child.")
    ] = None,
) -> None:
    """Show one instance in quarantine: why it is held, and what it is."""
    with _archive(ctx) as archive:
        held = holding(archive, number)
        if picture is not None:
            picture.write_bytes(preview(archive.objects, held))
    for name, value in (
        ("number", held.id),
        ("state", held.state),
        ("reason", held.reason),
        ("detail", held.detail),
        ("held at", _time(held.held_at)),
        ("study", held.study_uid),
        ("series", held.series_uid),
        ("instance", held.instance_uid),
        ("digest", held.digest),
    ):
        print(f"{name}\t{value}")


@APP.command("retry")
def retry_study(
    ctx: typer.Context,
    study: Annotated[str, typer.Argument(help="Study Instance UID of the archive.")],
    by: By,
    reason: Why,
) -> None:
    """Look again at what is held of a study, after a rule or setting changed or more came."""
    with _archive(ctx) as archive:
        count = retry(archive, StudyUid(study), actor=by, reason=reason)
    print(f"{count} looked at again")


@APP.command("release")
def release_one(ctx: typer.Context, number: Number, by: By, reason: Why) -> None:
    """Lift the reason to hold an instance; what no person may lift is refused."""
    with _archive(ctx) as archive:
        held = release(archive, number, actor=by, reason=reason)
    print(f"{held.id} released: {held.reason}")


@APP.command("delete")
def delete_one(
    ctx: typer.Context,
    number: Number,
    by: By,
    reason: Why,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Delete a conflicting instance; its bytes go where nothing else needs them."""
    with _archive(ctx) as archive:
        if dry_run:
            _print([holding(archive, number)])
            return
        is_gone = delete(archive, number, actor=by, reason=reason)
    print(f"{number} deleted{'' if is_gone else _BYTES_STAY}")


@APP.command("actions")
def list_actions(ctx: typer.Context) -> None:
    """List what people decided, newest first."""
    with _archive(ctx) as archive:
        done = decisions(archive)
    print_table(
        ("at", "by", "action", "reason", "objects"),
        [
            (
                each.at,
                each.event.actor,
                each.event.action,
                each.event.reason,
                " ".join(each.event.objects),
            )
            for each in done
        ],
    )


@contextmanager
def _archive(ctx: typer.Context) -> Iterator[Archive]:
    archive = Archive.open(settings_of(ctx))
    try:
        yield archive
    finally:
        archive.close()


def _print(held: list[Holding]) -> None:
    print_table(
        ("number", "study", "series", "instance", "reason", "state", "held at", "detail"),
        [
            (
                *(each.id, each.study_uid, each.series_uid, each.instance_uid, each.reason),
                *(each.state, _time(each.held_at), each.detail),
            )
            for each in held
        ],
    )


def _time(timestamp: float) -> str:
    return dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d %H:%M")
