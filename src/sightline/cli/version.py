"""Print the version of Sightline."""

import importlib.metadata

from sightline.cli.context import new_verb

APP = new_verb()


@APP.command()
def version() -> None:
    """Print the version of Sightline."""
    print(importlib.metadata.version("sightline"))
