"""The command sets of DIMSE messages (PS3.7 6.3, E.1): implicit little endian, a few elements."""

import enum
import struct
from collections.abc import Mapping
from typing import TypeAlias

from sightline.errors import BadFile

_HEAD = struct.Struct("<HHL")
_SHORT = struct.Struct("<H")

NO_DATASET = 0x0101
"""The Command Data Set Type of a message without a data set (PS3.7 E.1-1)."""

RESPONSE = 0x8000
"""The bit of Command Field that makes a request's code its response's."""


class Kind(enum.IntEnum):
    """Command Field of the requests that we know (PS3.7 E.1-1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    C_CANCEL = 0x0FFF


class Field(enum.IntEnum):
    """Element numbers of group 0000 (PS3.7 E.1-1)."""

    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_RESPONDED_TO = 0x0120
    MOVE_DESTINATION = 0x0600
    PRIORITY = 0x0700
    DATASET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001
    EVENT_TYPE_ID = 0x1002
    ACTION_TYPE_ID = 0x1008
    REMAINING_SUBOPERATIONS = 0x1020
    COMPLETED_SUBOPERATIONS = 0x1021
    FAILED_SUBOPERATIONS = 0x1022
    WARNING_SUBOPERATIONS = 0x1023
    MOVE_ORIGINATOR_AE_TITLE = 0x1030
    MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


_UIDS = frozenset(
    {
        Field.AFFECTED_SOP_CLASS_UID,
        Field.REQUESTED_SOP_CLASS_UID,
        Field.AFFECTED_SOP_INSTANCE_UID,
        Field.REQUESTED_SOP_INSTANCE_UID,
    }
)

Fields: TypeAlias = Mapping[Field, int | str]
"""What a command set says: numbers, and texts without padding."""


class Command:
    """The command set of a message that came."""

    __slots__ = ("_values",)

    def __init__(self, content: bytes) -> None:
        """Read a command set; elements that we do not know stay unread.

        Raises:
            BadFile: It is cut short, or holds something else than a command.
        """
        self._values: dict[int, bytes] = {}
        offset = 0
        while offset < len(content):
            if offset + _HEAD.size > len(content):
                raise _broken("an element is cut short")
            group, number, length = _HEAD.unpack_from(content, offset)
            offset += _HEAD.size
            if group or offset + length > len(content):
                raise _broken(f"element ({group:04X},{number:04X}) does not belong or fit there")
            self._values[number] = content[offset : offset + length]
            offset += length

    def number(self, field: Field) -> int:
        """Return a numeric element.

        Raises:
            BadFile: It is missing or malformed.
        """
        value = self._values.get(field, b"")
        if len(value) != _SHORT.size:
            raise _broken(f"{field.name} is missing")
        number: int = _SHORT.unpack(value)[0]
        return number

    def text(self, field: Field) -> str:
        """Return a text element without padding; empty where it is missing.

        Raises:
            BadFile: It is not ASCII.
        """
        try:
            return self._values.get(field, b"").decode("ascii").strip("\0 ")
        except UnicodeDecodeError as error:
            raise _broken(f"{field.name} is not ASCII") from error

    @property
    def has_dataset(self) -> bool:
        """Whether a data set follows.

        Raises:
            BadFile: The command does not say.
        """
        return self.number(Field.DATASET_TYPE) != NO_DATASET


def encode_command(fields: Fields) -> bytes:
    """Write a command set, its group length first and its elements in order."""
    elements = b"".join(_element(field, fields[field]) for field in sorted(fields))
    return _HEAD.pack(0, 0, 4) + struct.pack("<L", len(elements)) + elements


def _element(field: Field, value: int | str) -> bytes:
    if isinstance(value, int):
        return _HEAD.pack(0, field, _SHORT.size) + _SHORT.pack(value)
    content = value.encode("ascii")
    if len(content) % 2:
        content += b"\0" if field in _UIDS else b" "
    return _HEAD.pack(0, field, len(content)) + content


def _broken(what: str) -> BadFile:
    return BadFile(
        f"a DIMSE command is broken: {what}",
        hint="The sender's software is at fault; ask its maker.",
    )
