"""Tell who a subject is, with the secret of an escrow key; every try is recorded."""

from pathlib import Path
from typing import Annotated

import typer

from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion
from sightline.cli.context import new_verb, passphrase_of, settings_of
from sightline.deid.recording import Book
from sightline.deid.reidentification import reidentify as open_record
from sightline.deid.reidentification import subject_of_release
from sightline.errors import BadSettings
from sightline.hub.hub import Hub

APP = new_verb()


@APP.command()
def reidentify(
    ctx: typer.Context,
    subject: Annotated[str, typer.Argument(help="Subject, such as S-4KQ7X2M5NA.")],
    secret: Annotated[Path, typer.Option(help="File that `vault escrow-key` wrote.")],
    by: Annotated[str, typer.Option("--by", help="Your name: it is recorded.")],
    reason: Annotated[
        str, typer.Option("--reason", help="Why, without naming the patient: it is recorded.")
    ],
    project: Annotated[
        str, typer.Option(help="The subject is named as in releases to this project.")
    ] = "",
    passphrase_file: Annotated[
        Path | None, typer.Option(help="Read the passphrase here instead of asking for it.")
    ] = None,
) -> None:
    """Print the patient that a subject is. The audit log gets who asked, for whom, and why."""
    settings = settings_of(ctx)
    content = _content(secret)
    passphrase = passphrase_of(passphrase_file, is_new=False)
    archive, hub = Archive.open(settings), Hub.open(settings)
    book = Book(settings, archive)
    try:
        if project:
            subject = subject_of_release(book, hub, project=project, subject=subject)
        patient = open_record(
            book,
            subject,
            secret=content,
            passphrase=passphrase,
            occasion=Occasion(actor=by, reason=reason),
        )
    finally:
        archive.close()
        hub.close()
    for name in ("patient_id", "issuer", "name", "birth_date", "sex"):
        print(f"{name}\t{getattr(patient, name)}")


def _content(secret: Path) -> bytes:
    try:
        return secret.read_bytes()
    except OSError as error:
        raise BadSettings(
            f"the secret cannot be read from {secret}", hint="Bring the medium that it lies on."
        ) from error
