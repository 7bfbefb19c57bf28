"""The audit lines of what is done with keys and identities, signed at once."""

import dataclasses

from sightline.archive.archive import Archive
from sightline.archive.patients import Occasion
from sightline.audit.anchor import Anchor
from sightline.audit.chain import Event, append
from sightline.errors import Refused
from sightline.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Book:
    """The audit log of a data directory."""

    settings: Settings
    archive: Archive

    def record(self, action: str, objects: tuple[str, ...], *, actor: str, reason: str) -> None:
        """Add a line and sign the end of the log."""
        event = Event(actor=actor, action=action, objects=objects, reason=reason)
        with self.archive.database.write() as connection:
            append(connection, event)
        Anchor.open(self.settings).advance(self.archive.database)


def check_told(occasion: Occasion) -> None:
    """Do nothing where somebody says who they are and why.

    Raises:
        Refused: Nobody's name or no reason is given.
    """
    if not occasion.actor.strip() or not occasion.reason.strip():
        raise Refused(
            "this is recorded, with a name and a reason", hint="Give --by NAME and --reason TEXT."
        )
