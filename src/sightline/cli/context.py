"""What verbs share: the settings of this call and tables on stdout."""

import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from sightline import log
from sightline.errors import BadSettings
from sightline.settings import Settings


def new_verb(about: str | None = None) -> typer.Typer:
    """Return the application of one verb; `about` where it is a group of commands."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        no_args_is_help=about is not None,
        help=about,
    )


def settings_of(ctx: typer.Context, **given: object) -> Settings:
    """Read the settings for this call and set the log up.

    Args:
        ctx: the context of the verb.
        given: options of the verb that are settings; None is not given.

    Raises:
        BadSettings: A value does not validate.
    """
    settings = Settings.load(data_dir=ctx.find_root().obj["data_dir"], **given)
    log.configure(level=settings.log_level, as_json=settings.log_json)
    return settings


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as a table for people, or tab-separated where stdout is no terminal."""
    console = Console()
    if not console.is_terminal:
        for row in rows:
            print("\t".join(str(cell) for cell in row))
        return
    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def passphrase_of(file: Path | None, *, is_new: bool) -> str:
    """Read a passphrase from the first line of a file, or ask for it, twice where it is new.

    Raises:
        BadSettings: The file cannot be read.
    """
    if file is None:
        return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=is_new))
    try:
        return file.read_text(encoding="utf-8").split("\n")[0]
    except (OSError, UnicodeDecodeError) as error:
        raise BadSettings(
            f"the passphrase cannot be read from {file}", hint="Give a file of one line of text."
        ) from error


@contextmanager
def interrupted() -> Iterator[threading.Event]:
    """Give an event that Ctrl-C sets; a second Ctrl-C interrupts as ever."""
    stop = threading.Event()

    def ask_to_stop(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
