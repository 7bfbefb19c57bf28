"""Releases to a project outside: a collection version under the project's own names, on record."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from sightline.archive.patients import Occasion
from sightline.deid.projects import open_project
from sightline.deid.recording import Book, check_told
from sightline.deid.rekeying import Rekeying
from sightline.deid.vault import Vault
from sightline.hub.exporting import ClearFaces, Exported, export
from sightline.hub.hub import Hub
from sightline.values.collection import CollectionVersion


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be released.

    Attributes:
        folder: empty or not there yet.
        project: a new name gets a key of its own.
        is_public: whether it becomes public, and no face may stand in it.
    """

    chosen: CollectionVersion
    folder: Path
    project: str
    is_public: bool


def release(
    book: Book,
    hub: Hub,
    order: Order,
    *,
    occasion: Occasion,
    on_progress: Callable[[int], None],
    clear_faces: ClearFaces | None = None,
) -> Exported:
    """Write a version under the names of a project; the same version gives the same bytes.

    Args:
        book: where the release is recorded.
        hub: the store.
        order: what goes where.
        occasion: who releases, and why.
        on_progress: called with the number of series done.
        clear_faces: takes the face out of a series that is to become public.

    Raises:
        Refused: The folder holds something, the name cannot be one, or name or reason lack.
        KeyDestroyed: The hub has no key any more.
        BadSettings: The vault is damaged or missing.
        OSError: A file cannot be written.
    """
    check_told(occasion)
    done = export(
        hub,
        order.chosen,
        order.folder,
        is_public=order.is_public,
        on_progress=on_progress,
        clear_faces=clear_faces,
        names=Rekeying(open_project(Vault.open(book.settings), order.project)),
    )
    told = (
        f"{occasion.reason} ({done.instances} instances of {done.series} series of "
        f"{done.subjects} subjects, {len(done.withheld)} series withheld)"
    )
    book.record(
        "collection_released",
        (
            f"project:{order.project}",
            f"collection:{order.chosen.label}",
            f"manifest:{done.manifest}",
        ),
        actor=occasion.actor,
        reason=told,
    )
    return done
