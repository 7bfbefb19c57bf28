"""Write the generated pages of docs/reference from the code, or check that they are current."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import typer

from sightline.cli.main import verb_files
from sightline.judge.metrics import METRICS
from sightline.settings import Settings

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
os.environ["COLUMNS"] = "100"  # noqa: TID251 - help is wrapped alike everywhere


def main() -> None:
    """Write the pages; with --check, fail where one is not what the code says."""
    pages = {"commands.md": commands(), "metrics.md": metrics(), "settings.md": settings()}
    stale = [
        name
        for name, text in pages.items()
        if not (REFERENCE / name).exists() or (REFERENCE / name).read_text() != text
    ]
    if "--check" in sys.argv:
        if stale:
            sys.exit(f"docs/reference is stale: {', '.join(stale)}. Run: make docs")
        return
    for name, text in pages.items():
        (REFERENCE / name).write_text(text)


def commands() -> str:
    """Return the page of every verb's help."""
    parts = [
        "# Commands",
        "Generated from the code by `make docs`. `--data-dir` stands before the verb.",
    ]
    for name, path in sorted(verb_files().items()):
        module = importlib.import_module(f"sightline.cli.{path.stem}")
        command = typer.main.get_command(module.APP)
        parts += _help(command, f"sightline {name}", level=2)
    return "\n\n".join(parts) + "\n"


def metrics() -> str:
    """Return the page of every task's metrics."""
    parts = [
        "# Metrics",
        (
            "Generated from the code by `make docs`. What judges which task, and why; the choices "
            "follow Metrics Reloaded (Maier-Hein, Reinke et al., Nature Methods 2024, doi "
            "10.1038/s41592-023-02151-z). The first of a task is the one that gates, strata and "
            "comparisons go by. What an evaluation says beyond them: "
            "[concepts](../concepts/what-an-evaluation-says.md)."
        ),
    ]
    for task, chosen in sorted(METRICS.items()):
        rows = [
            "| metric | name in records | unit | better | what it tells |",
            "|---|---|---|---|---|",
        ]
        rows += [
            f"| {each.title} | `{each.name}` | {each.unit} "
            f"| {'more' if each.is_more_better else 'less'} | {each.why} |"
            for each in chosen
        ]
        parts += [f"## {task}", "\n".join(rows)]
    return "\n\n".join(parts) + "\n"


def settings() -> str:
    """Return the page of every setting."""
    rows = ["| name | variable | type | default | unit | meaning |", "|---|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        kind = getattr(field.annotation, "__name__", str(field.annotation)).replace("|", "or")
        rows.append(
            f"| `{name}` | `SIGHTLINE_{name.upper()}` | {kind} | `{field.default}` "
            f"| {extra.get('unit', '')} | {field.description} |"
        )
    head = (
        "# Settings\n\nGenerated from the code by `make docs`. A value comes from the command "
        "line, else from the variable, else from `sightline.toml` in the data directory, else it "
        "is the default.\n"
    )
    return head + "\n" + "\n".join(rows) + "\n"


def _help(command: Any, path: str, *, level: int) -> list[str]:  # noqa: ANN401 - typer's vendored click
    context = command.make_context(path, [], resilient_parsing=True)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    parts = [f"{'#' * level} `{path}`", f"```text\n{text}\n```"]
    for name, each in sorted(getattr(command, "commands", {}).items()):
        parts += _help(each, f"{path} {name}", level=level + 1)
    return parts


if __name__ == "__main__":
    main()
