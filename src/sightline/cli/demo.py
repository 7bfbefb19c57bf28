"""Run the whole road on phantoms: receive, de-identify, train, release, predict, trace."""

import sys

import typer

from sightline.app.demo import Demo
from sightline.cli.context import new_verb, settings_of

APP = new_verb()


@APP.command()
def demo(ctx: typer.Context) -> None:
    """Run the whole road on phantoms in an empty data directory; takes about 10 minutes."""
    settings = settings_of(ctx, quiet_period_s=2.0)
    Demo(settings, lambda line: print(line, flush=True)).run(keep_serving=sys.stdout.isatty())
