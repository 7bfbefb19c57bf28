"""DIMSE messages put together from the fragments of an association (PS3.7 6.3, PS3.8 annex E)."""

import dataclasses

from sightline.errors import BadFile
from sightline.intake.commands import Command, Field, Kind
from sightline.intake.upper_layer import Wire

_MAX_COMMAND_BYTES = 65536
_MAX_IDENTIFIER_BYTES = 4 * 1024**2
# Most instances fit; the memory of a larger one is given back after it.
_USUAL_BYTES = 1024**2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message.

    Attributes:
        kind: its Command Field.
        dataset: valid until the next message is read.
    """

    kind: int
    context_id: int
    command: Command
    dataset: memoryview


class Inbox:
    """The messages that come by an association, one after another.

    Args:
        wire: read by nobody else.
        max_instance_bytes: the association of a sender of larger ones ends.
    """

    def __init__(self, wire: Wire, *, max_instance_bytes: int) -> None:
        self._wire = wire
        self._max_instance_bytes = max_instance_bytes
        self._memory = memoryview(bytearray(_USUAL_BYTES))

    def next(self) -> Message:
        """Wait for a message and read it whole.

        Raises:
            AssociationOver: There is none.
            BadFile: What came is none, or too large.
            OSError: The other side takes too long.
        """
        context_id, content = self._read_command()
        command = Command(content)
        kind = command.number(Field.COMMAND_FIELD)
        size_bytes = 0
        if command.has_dataset:
            is_instance = kind == Kind.C_STORE
            limit = self._max_instance_bytes if is_instance else _MAX_IDENTIFIER_BYTES
            size_bytes = self._read_dataset(context_id, limit)
        return Message(
            kind=kind,
            context_id=context_id,
            command=command,
            dataset=self._memory[:size_bytes],
        )

    def _read_command(self) -> tuple[int, bytes]:
        content, context_id, is_last = b"", 0, False
        while not is_last:
            found, is_command, is_last, size_bytes = self._wire.next_fragment(is_first=not content)
            if not is_command or (content and found != context_id):
                raise _broken("a data set stands where a command belongs")
            if len(content) + size_bytes > _MAX_COMMAND_BYTES:
                raise _broken(f"a command of more than {_MAX_COMMAND_BYTES} bytes")
            context_id = found
            content += self._wire.take(size_bytes)
        return context_id, content

    def _read_dataset(self, context_id: int, max_bytes: int) -> int:
        if len(self._memory) > _USUAL_BYTES:
            self._memory = memoryview(bytearray(_USUAL_BYTES))
        filled, is_last = 0, False
        while not is_last:
            found, is_command, is_last, size_bytes = self._wire.next_fragment(is_first=False)
            if is_command or found != context_id:
                raise _broken("a command stands where a data set belongs")
            if filled + size_bytes > max_bytes:
                raise _broken(f"a data set of more than {max_bytes} bytes")
            self._reserve(filled, filled + size_bytes)
            self._wire.take_into(self._memory[filled : filled + size_bytes])
            filled += size_bytes
        return filled

    def _reserve(self, filled: int, wanted: int) -> None:
        if wanted > len(self._memory):
            larger = memoryview(bytearray(max(wanted, 2 * len(self._memory))))
            larger[:filled] = self._memory[:filled]
            self._memory = larger


def _broken(what: str) -> BadFile:
    return BadFile(
        f"a DIMSE message is broken: {what}",
        hint="The sender's software is at fault; ask its maker.",
    )
