"""Command sets survive a round trip, are what pynetdicom reads, and break in one way."""

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.dsutils import decode

from sightline.errors import BadFile
from sightline.intake.commands import NO_DATASET, Command, Field, encode_command

FIELDS = {
    Field.AFFECTED_SOP_CLASS_UID: "1.2.840.10008.5.1.4.1.1.2",
    Field.COMMAND_FIELD: 0x8001,
    Field.MESSAGE_ID_RESPONDED_TO: 7,
    Field.DATASET_TYPE: NO_DATASET,
    Field.STATUS: 0xA700,
    Field.MOVE_ORIGINATOR_AE_TITLE: "ODD",
}


def test_pynetdicom_reads_what_we_write() -> None:
    read = decode(io.BytesIO(encode_command(FIELDS)), is_implicit_vr=True, is_little_endian=True)
    assert read.AffectedSOPClassUID == FIELDS[Field.AFFECTED_SOP_CLASS_UID]
    assert (read.CommandField, read.Status) == (0x8001, 0xA700)
    assert read.MoveOriginatorApplicationEntityTitle == "ODD"
    assert read.CommandGroupLength == len(encode_command(FIELDS)) - 12


def test_what_is_written_is_read() -> None:
    command = Command(encode_command(FIELDS))
    assert command.number(Field.STATUS) == 0xA700
    assert command.text(Field.AFFECTED_SOP_CLASS_UID) == FIELDS[Field.AFFECTED_SOP_CLASS_UID]
    assert command.text(Field.MOVE_ORIGINATOR_AE_TITLE) == "ODD"
    assert not command.has_dataset


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_or_one_error(content: bytes) -> None:
    with contextlib.suppress(BadFile):
        command = Command(content)
        command.number(Field.COMMAND_FIELD)
        command.text(Field.AFFECTED_SOP_CLASS_UID)


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_command_that_is_cut_short_is_said_so(cut: int) -> None:
    with pytest.raises(BadFile, match="broken"):
        Command(encode_command(FIELDS)[:-cut])


def test_a_number_that_is_missing_is_said_so() -> None:
    with pytest.raises(BadFile, match="MESSAGE_ID"):
        Command(encode_command(FIELDS)).number(Field.MESSAGE_ID)
