"""Print the version of Sightline."""

import importlib.metadata

import typer

APP = typer.Typer()


@APP.command()
def version() -> None:
    """Print the version of Sightline."""
    print(importlib.metadata.version("sightline"))
