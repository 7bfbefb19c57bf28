"""Start receiving, working and serving pages, on loopback."""

from typing import Annotated

import typer

from sightline.app.up import run_up
from sightline.cli.context import new_verb, settings_of

APP = new_verb()


@APP.command()
def up(
    ctx: typer.Context,
    web_port: Annotated[int | None, typer.Option(help="Port of the web pages.")] = None,
    dimse_port: Annotated[int | None, typer.Option(help="Port of the DICOM listener.")] = None,
    pacs: Annotated[
        str | None,
        typer.Option(help="Where results are sent: AETITLE@host:port, or a DICOMweb address."),
    ] = None,
) -> None:
    """Start receiving, working and serving pages; stop with Ctrl-C."""
    settings = settings_of(ctx, web_port=web_port, dimse_port=dimse_port, pacs=pacs)
    print(f"Worklist: http://{settings.host}:{settings.web_port}/")
    print(f"Send studies to: {settings.ae_title} at {settings.host}:{settings.dimse_port}")
    print("Research use only. Stop with Ctrl-C.", flush=True)
    run_up(settings)
