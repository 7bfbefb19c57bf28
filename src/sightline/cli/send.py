"""Send DICOM files to a PACS or another DICOM node."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from sightline.cli.context import new_verb, settings_of
from sightline.peers.dimse import dicom_files, send
from sightline.peers.known import peer_named

APP = new_verb()


@APP.command("send")
def send_(
    ctx: typer.Context,
    destination: Annotated[
        str, typer.Argument(help="A named peer, or AETITLE@host:port, with /tls behind for TLS.")
    ],
    path: Annotated[Path, typer.Argument(help="A file, or a folder of DICOM files.")],
) -> None:
    """Send every DICOM file at PATH by C-STORE, as it is."""
    settings = settings_of(ctx)
    peer = peer_named(destination, settings)
    files = dicom_files(path)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("send", total=len(files))
        report = send(
            peer,
            files,
            calling_ae=settings.ae_title,
            on_progress=lambda sent: progress.update(bar, completed=sent),
        )
    rate = report.instances / max(report.seconds, 1e-9)
    print(f"{report.instances} instances in {report.seconds:.1f} s ({rate:.0f}/s)")
