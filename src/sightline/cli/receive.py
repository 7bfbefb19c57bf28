"""Receive on a port that others share; `sightline up` starts these by itself."""

from typing import Annotated

import typer

from sightline.app.receiver import run_receiver
from sightline.cli.context import new_verb, settings_of

APP = new_verb()


@APP.command()
def receive(
    ctx: typer.Context,
    number: Annotated[int, typer.Option(help="Which of the receivers this is, from 1.")],
    descriptor: Annotated[int, typer.Option(help="Of the listening socket that was left open.")],
    parent: Annotated[int, typer.Option(help="End when this process, our parent, has ended.")],
) -> None:
    """Receive by DICOM until stopped; one of the processes of the setting `receivers`."""
    run_receiver(settings_of(ctx), number=number, descriptor=descriptor, parent=parent)
