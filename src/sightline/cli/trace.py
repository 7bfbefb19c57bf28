"""Show what something came from, or what came from it."""

import json
from typing import Annotated

import typer

from sightline.app.tracing import origin_of, outline, trace_anything
from sightline.cli.context import new_verb, settings_of
from sightline.values.lineage import Node, Trace

APP = new_verb()
_LONGEST_FACT = 64


@APP.command()
def trace(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            help="SOP Instance UID of a published object, or an id or name of the hub: a subject, "
            "a series, covid@3, a run, a model."
        ),
    ],
    down: Annotated[bool, typer.Option("--down", help="Show what came from it.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="List subjects, series and annotations one by one.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what something came from as a tree; with --down, what came from it."""
    settings = settings_of(ctx)
    found = trace_anything(settings, name, "down" if down else "up")
    if as_json:
        print(json.dumps(_as_json(found), indent=2))
        return
    for depth, entry in outline(found, everything=everything):
        print(f"{'  ' * depth}{entry if isinstance(entry, str) else _line(entry)}")
    if not down:
        origin = origin_of(settings, found)
        if origin.about:
            print(f"Drawn on: {', '.join(origin.about)}")
        for collection, splits in origin.taught.items():
            taught = splits["train"]
            print(
                f"Taught by {len(taught)} subjects of {collection} "
                f"({len(splits['validation'])} more were only looked at, "
                f"{len(splits['test'])} are its locked test): {', '.join(taught)}"
            )


def _line(node: Node) -> str:
    facts = ", ".join(
        f"{name}: {value}" for name, value in node.facts.items() if len(value) <= _LONGEST_FACT
    )
    head = f"{node.kind} {node.name}"
    return f"{head}  ({facts})" if facts and node.kind != "environment" else head


def _as_json(found: Trace) -> dict[str, object]:
    return {
        "start": _node_json(found.start),
        "steps": [
            _node_json(step.node) | {"depth": step.depth, "via": step.via} for step in found.steps
        ],
    }


def _node_json(node: Node) -> dict[str, object]:
    return {
        "id": node.id,
        "kind": node.kind,
        "name": node.name,
        "facts": node.facts,
        "created_at": node.created_at,
    }
