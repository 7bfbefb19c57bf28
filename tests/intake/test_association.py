"""Services of the listener, called by pynetdicom: many answers, cancelling, and storing back."""

import struct
from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (
    CTImageStorage,
    PatientRootQueryRetrieveInformationModelFind,
    PatientRootQueryRetrieveInformationModelGet,
)

from sightline.archive.archive import Archive
from sightline.intake.commands import Field, Kind
from sightline.intake.dimse import Listener
from sightline.intake.services import (
    CANCELLED,
    PENDING,
    SUCCESS,
    UNCOMPRESSED,
    Association,
    Request,
    Service,
    table,
)
from sightline.intake.storing import storing
from sightline.intake.verifying import VERIFYING
from sightline.settings import Settings
from tests.counterparties import HOST
from tests.instances import part10_of, slice_of, uid
from tests.intake.raw_dicom import VERIFICATION, associated, command, pdu, pdv, read_pdu

FIND = PatientRootQueryRetrieveInformationModelFind
GET = PatientRootQueryRetrieveInformationModelGet
MANY = 10_000


def find(association: Association, request: Request) -> None:
    """Answer with as many matches as PatientID says, until it is cancelled."""
    asked = pydicom.dcmread(BytesIO(request.dataset), force=True)
    for number in range(int(asked.PatientID)):
        if association.is_cancelled(request.message_id):
            association.send_response(request, CANCELLED)
            return
        match = Dataset()
        match.PatientID = f"P{number}"
        content = encode(match, is_implicit_vr=True, is_little_endian=True)
        assert content is not None
        association.send_response(request, PENDING, dataset=content)
    association.send_response(request, SUCCESS)


def get(association: Association, request: Request) -> None:
    """Store two instances back by the association they were asked for."""
    (context,) = (each for each in association.contexts.values() if each.requestor_is_scp)
    completed = 0
    for number in (1, 2):
        dataset = slice_of(number, size=512)
        content = encode(dataset, is_implicit_vr=False, is_little_endian=True)
        assert content is not None
        answer = association.send_request_and_wait(
            context,
            {
                Field.COMMAND_FIELD: Kind.C_STORE,
                Field.AFFECTED_SOP_CLASS_UID: context.sop_class_uid,
                Field.AFFECTED_SOP_INSTANCE_UID: dataset.SOPInstanceUID,
                Field.PRIORITY: 0,
            },
            content,
        )
        completed += answer.number(Field.STATUS) == SUCCESS
    association.send_response(
        request,
        SUCCESS,
        fields={
            Field.COMPLETED_SUBOPERATIONS: completed,
            Field.FAILED_SUBOPERATIONS: 0,
            Field.WARNING_SUBOPERATIONS: 0,
        },
    )


@pytest.fixture
def port(archive: Archive, settings: Settings) -> Iterator[int]:
    """Where a listener with two made-up services listens."""
    offered = table(
        VERIFYING,
        storing(archive),
        Service(kind=Kind.C_FIND, takes=FIND.__eq__, syntaxes=UNCOMPRESSED, handle=find),
        Service(kind=Kind.C_GET, takes=GET.__eq__, syntaxes=UNCOMPRESSED, handle=get),
    )
    listener = Listener(archive, settings, offered)
    listener.start()
    yield listener.port
    listener.stop()


def identifier(patient_id: str) -> Dataset:
    dataset = Dataset()
    dataset.QueryRetrieveLevel = "PATIENT"
    dataset.PatientID = patient_id
    return dataset


def test_many_answers_to_one_request(port: int) -> None:
    entity = AE()
    entity.add_requested_context(FIND, "1.2.840.10008.1.2")
    association = entity.associate(HOST, port)
    answers = [
        (status.Status, match.PatientID if match else None)
        for status, match in association.send_c_find(identifier("30"), FIND)
    ]
    association.release()
    assert answers == [(PENDING, f"P{number}") for number in range(30)] + [(SUCCESS, None)]


def test_a_request_is_cancelled_between_answers(port: int) -> None:
    entity = AE()
    entity.add_requested_context(FIND, "1.2.840.10008.1.2")
    association = entity.associate(HOST, port)
    statuses = []
    for status, _ in association.send_c_find(identifier(str(MANY)), FIND, msg_id=9):
        if not statuses:
            association.send_c_cancel(9, query_model=FIND)
        statuses.append(status.Status)
    association.release()
    assert statuses[-1] == CANCELLED
    assert len(statuses) < MANY


def test_instances_are_stored_back_by_the_same_association(port: int) -> None:
    received: list[bytes] = []

    def keep(event: evt.Event) -> int:
        received.append(event.encoded_dataset(include_meta=False))
        return SUCCESS

    entity = AE()
    entity.add_requested_context(GET)
    entity.add_requested_context(CTImageStorage, "1.2.840.10008.1.2.1")
    role = build_role(CTImageStorage, scp_role=True)
    association = entity.associate(
        HOST, port, ext_neg=[role], evt_handlers=[(evt.EVT_C_STORE, keep)]
    )
    ((status, _),) = association.send_c_get(identifier("1"), GET)
    association.release()
    assert (status.Status, status.NumberOfCompletedSuboperations) == (SUCCESS, 2)
    assert [pydicom.dcmread(BytesIO(each), force=True).SOPInstanceUID for each in received] == [
        uid(1),
        uid(2),
    ]
    assert all(part10_of(slice_of(n + 1, size=512)).endswith(c) for n, c in enumerate(received))


@pytest.mark.parametrize(
    "content",
    [
        pdu(1, bytes(100)),  # a second association request
        pdu(9, bytes(4)),  # no such PDU
        pdu(4, struct.pack(">LBB", 1, 1, 3)),  # a fragment shorter than its head
        pdu(4, struct.pack(">LBB", 500, 1, 3) + bytes(10)),  # one that does not fit its PDU
        pdu(4, pdv(2, b"data without a command")),
        pdu(4, pdv(3, b"no command at all")),
        pdu(4, pdv(3, command(VERIFICATION, uid(1), kind=0x8030))),  # an answer to nothing
        pdu(4, pdv(3, command(VERIFICATION, uid(1), kind=0x0030), context=99)),
    ],
)
def test_what_breaks_the_protocol_is_aborted(port: int, content: bytes) -> None:
    with associated(port) as connection:
        connection.sendall(content)
        kind, reason = read_pdu(connection)
        assert (kind, reason[2]) == (7, 2)  # A-ABORT, by the service provider (PS3.8 Table 9-26)


def test_a_service_that_we_lack_is_answered_so(port: int) -> None:
    with associated(port) as connection:
        connection.sendall(pdu(4, pdv(3, command(VERIFICATION, uid(1), kind=0x0021))))
        _, answer = read_pdu(connection)
    assert struct.pack("<HHLH", 0, 0x0900, 2, 0x0211) in answer
