"""Put runs beside each other: curves, results, and what differs."""

from pathlib import Path
from typing import Annotated

import typer

from sightline.cli.context import new_verb, print_table, settings_of
from sightline.errors import BadSettings
from sightline.hub.hub import Hub
from sightline.train.compare import compare as compared
from sightline.train.compare import curve_in_a_line, page

APP = new_verb()


@APP.command()
def compare(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(help="Runs, as `sightline runs` names them.")],
    page_to: Annotated[
        Path | None, typer.Option("--html", help="Also write a page with the curves here.")
    ] = None,
) -> None:
    """Show curves and results of runs, and how each differs from the first."""
    found = compared(Hub.open(settings_of(ctx)), runs)
    for side in found.sides:
        print(f"{side.name}: " + ", ".join(f"{k} {v}" for k, v in side.results.items()))
        print(f"  validation {side.metric}: {curve_in_a_line(side.scores)}")
        print(f"  loss: {curve_in_a_line(side.loss)}")
    for side, different in zip(found.sides[1:], found.differences, strict=True):
        print(f"{found.sides[0].name} -> {side.name}: {len(different)} differences")
        rows = [(each.kind, each.name, each.then, each.now) for each in different]
        print_table(("what", "name", found.sides[0].run_id, side.run_id), rows)
    if page_to is not None:
        try:
            page_to.write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise BadSettings(
                f"{page_to} cannot be written: {error.strerror}", hint="Give another path."
            ) from error
        print(f"page: {page_to}")
