"""The keys of the hub: print the public one, make an escrow key, rotate, destroy them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, TaskID

from sightline.app.lock import keeping_alone
from sightline.app.verifying import start_anew
from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion
from sightline.cli.context import new_verb, passphrase_of, settings_of
from sightline.deid.destruction import Destruction, destroy, plan_destruction, public_key_of
from sightline.deid.recording import Book
from sightline.deid.reidentification import begin_escrow
from sightline.deid.rotation import Rotation, plan_rotation, rotate
from sightline.hub.hub import Hub
from sightline.settings import Settings

APP = new_verb(
    "The keys of the hub: print the public one, make an escrow key, rotate, destroy them."
)

_DUTIES = (
    "backups of the vault folder: the key in each of them names every subject still",
    "copies of the vault folder on other machines",
    "secrets of escrow keys: they open records that lie in such copies",
    "logs of Sightline that are kept elsewhere, and processes that are running: restart them",
)

_DUTIES_AFTER_ROTATION = (
    "backups of the hub: they have the old names; begin a new one, the vault's too",
    "the new public key, for whoever checks certificates: `sightline vault public-key`",
    "other machines with this vault: see docs/how-to/keys-and-reidentification.md",
    "the audit log: lines from before keep the subjects they name",
)

By = Annotated[str, typer.Option("--by", help="Your name: it is recorded.")]
Why = Annotated[str, typer.Option("--reason", help="Why: it is recorded.")]


@APP.command("public-key")
def public_key(ctx: typer.Context) -> None:
    """Print the public key that certificates of this hub are signed with."""
    print(public_key_of(settings_of(ctx)))


@APP.command("escrow-key")
def escrow_key(
    ctx: typer.Context,
    secret: Annotated[Path, typer.Argument(help="File for the private half, to take away.")],
    by: By,
    reason: Why,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="Read the passphrase here instead of asking for it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="A new key after an older one, whose records stay.")
    ] = False,
) -> None:
    """Make the key that identities are sealed to from now on; its secret leaves this machine."""
    passphrase = passphrase_of(passphrase_file, is_new=True)
    with _stores(ctx) as (_, book, hub):
        key_id, sealed = begin_escrow(
            book,
            hub,
            secret,
            passphrase=passphrase,
            replace=replace,
            occasion=Occasion(actor=by, reason=reason),
        )
    print(f"escrow key {key_id}; {sealed} identities of the archive are sealed to it")
    print(f"Take {secret} away, and keep a second copy: without it no subject leads back.")


@APP.command("rotate")
def rotate_vault(
    ctx: typer.Context,
    by: By = "",
    reason: Why = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Give the hub a new key: every name and date in it is new, and the old key computes none.

    Stop Sightline first. Whoever is interrupted runs this again.
    """
    settings = settings_of(ctx)
    with keeping_alone(settings):
        if dry_run:
            _print_rotation(plan_rotation(settings))
            return
        start_anew(settings)
        archive = Archive.open(settings)
        try:
            with Progress(console=Console(stderr=True)) as progress:
                bars: dict[str, TaskID] = {}

                def tell(step: str, done: int, total: int) -> None:
                    if step not in bars:
                        bars[step] = progress.add_task(step, total=total)
                    progress.update(bars[step], completed=done)

                occasion = Occasion(actor=by, reason=reason)
                done = rotate(Book(settings, archive), occasion=occasion, tell=tell)
        finally:
            archive.close()
    _print_rotation(done)


@APP.command("destroy")
def destroy_vault(
    ctx: typer.Context,
    confirm: Annotated[str, typer.Option(help="The fingerprint that --dry-run prints.")] = "",
    by: By = "",
    reason: Why = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Destroy key, escrow, projects and words for ever: the hub becomes anonymous."""
    with _stores(ctx) as (settings, book, hub), keeping_alone(settings):
        if dry_run:
            _print(plan_destruction(settings, hub), "would be destroyed")
            return
        occasion = Occasion(actor=by, reason=reason)
        _print(destroy(book, hub, confirmed=confirm, occasion=occasion), "destroyed")


@contextmanager
def _stores(ctx: typer.Context) -> Iterator[tuple[Settings, Book, Hub]]:
    settings = settings_of(ctx)
    archive, hub = Archive.open(settings), Hub.open(settings)
    try:
        yield settings, Book(settings, archive), hub
    finally:
        archive.close()
        hub.close()


def _print_rotation(found: Rotation) -> None:
    done = "rotated" if found.after else "would be rotated"
    print(f"fingerprint\t{found.before}" + (f" -> {found.after}" if found.after else ""))
    print(f"{done}\t{found.instances} instances of {found.subjects} subjects")
    print(f"{done}\t{found.identities} sealed identities")
    if not found.after:
        print(f"needs\t{found.size_bytes / 1e6:.0f} MB of disk until the old objects are gone")
    if found.is_cut_off and not found.after:
        print("begun\ta rotation was cut off: run this without --dry-run to end it")
    for name in found.projects:
        print(f"yours to do\tproject {name}: releases that are out keep their names; issue anew")
    print(
        "yours to do\tfolders that `sightline deid` wrote keep their names; their certificates are "
        f"checked with --public-key {found.public_key}"
    )
    for duty in _DUTIES_AFTER_ROTATION:
        print(f"yours to do\t{duty}")


def _print(found: Destruction, done: str) -> None:
    print(f"fingerprint\t{found.fingerprint}")
    for name in found.files:
        print(f"{done}\tvault/{name}")
    print(f"{done}\t{found.links} links from results to the series they were drawn on")
    for name in found.left:
        print(f"stays\tvault/{name}\tis not a file of Sightline")
    for duty in _DUTIES:
        print(f"yours to do\t{duty}")
