"""The root of the `sightline` command; a verb's file is loaded only when it is called.

A verb is a file of this folder. The first line of its docstring is its help, and it defines
`APP`, a `typer.Typer` with one command or a group of them.
"""

import ast
import importlib
import io
import pkgutil
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sightline.engines.priority import give_way
from sightline.errors import SightlineError

_NO_VERBS = {"main", "context", "model_packages"}
_GIVE_WAY = frozenset({"evaluate", "predict", "reproduce", "train", "verify"})
"""Verbs that nobody waits for while a study waits. Decided here, where the process is our own."""


class LazyVerbs(TyperGroup):
    """Lists verbs by file name and imports the one that is called."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # noqa: ARG002 - click's signature
        """List the verbs."""
        return sorted(verb_files())

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]  # noqa: ANN401, ARG002 - click's signature
        """Import a verb and return its command; None where there is no such verb."""
        path = verb_files().get(cmd_name)
        if path is None:
            return None
        command = typer.main.get_command(importlib.import_module(f"sightline.cli.{path.stem}").APP)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]  # noqa: ANN401, ARG002 - click's signature
        """Write the list of verbs without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _help_of(path)) for name, path in _listed()])


APP = typer.Typer(
    cls=LazyVerbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Carry scans from the PACS to a traceable model and back. Research use only.",
)


@APP.callback()
def _root(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder that holds everything. Default: ./sightline-data"),
    ] = None,
) -> None:
    ctx.obj = {"data_dir": data_dir}


def main() -> None:
    """Run the command; an error of ours is printed with its hint and ends with status 1."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whoever reads by a pipe sees a line when it is printed: a run's number before its end.
        sys.stdout.reconfigure(line_buffering=True)
    if _verb(sys.argv[1:]) in _GIVE_WAY:
        give_way()
    try:
        APP(standalone_mode=True)
    except SightlineError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from error


def _verb(arguments: list[str]) -> str:
    """Return the verb among the arguments of a command line; empty for none."""
    return next((each for each in arguments if each in verb_files()), "")


def verb_files() -> dict[str, Path]:
    """Return the file of every verb, by the verb's name."""
    folder = Path(__file__).parent
    return {
        module.name.rstrip("_").replace("_", "-"): folder / f"{module.name}.py"
        for module in pkgutil.iter_modules([str(folder)])
        if module.name not in _NO_VERBS
    }


def _listed() -> list[tuple[str, Path]]:
    return sorted(verb_files().items())


def _help_of(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.split("\n")[0]
