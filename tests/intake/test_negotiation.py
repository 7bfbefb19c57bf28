"""What is accepted of an association request, read back by pynetdicom."""

import contextlib
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom import AE, StoragePresentationContexts, build_context, build_role
from pynetdicom.association import Association
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
)
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import ModalityWorklistInformationFind, Verification

from sightline.errors import BadFile
from sightline.intake.commands import Kind
from sightline.intake.dimse import Listener
from sightline.intake.negotiation import AssociationRequest, Offer, accept
from sightline.intake.services import Service, table
from sightline.intake.storing import is_storage_class
from tests.counterparties import HOST
from tests.intake.raw_dicom import associate_request, connected, read_pdu

STORING = table(
    Service(
        kind=Kind.C_STORE,
        takes=is_storage_class,
        syntaxes=None,
        handle=lambda _association, _request: None,
    )
)


def associate(listener: Listener, *contexts: tuple[str, list[str]], **more: object) -> Association:
    """Associate as pynetdicom does, and release at once."""
    entity = AE()
    for sop_class, syntaxes in contexts:
        entity.add_requested_context(sop_class, syntaxes)
    association = entity.associate(HOST, listener.port, **more)
    association.release()
    return association


def test_the_first_syntax_proposed_is_accepted_for_storage(listener: Listener) -> None:
    made = associate(
        listener,
        (CTImageStorage, [JPEG2000Lossless, ExplicitVRLittleEndian]),
        ("1.2.3.4.5", ["1.2.3.4.6"]),
    )
    accepted = {each.abstract_syntax: each.transfer_syntax for each in made.accepted_contexts}
    assert accepted == {CTImageStorage: [JPEG2000Lossless], "1.2.3.4.5": ["1.2.3.4.6"]}


def test_each_context_is_refused_with_its_reason(listener: Listener) -> None:
    made = associate(
        listener,
        (CTImageStorage, [ExplicitVRLittleEndian]),
        (ModalityWorklistInformationFind, [ExplicitVRLittleEndian]),
        (Verification, [JPEG2000Lossless]),
    )
    refused = {each.abstract_syntax: each.result for each in made.rejected_contexts}
    assert refused == {ModalityWorklistInformationFind: 3, Verification: 4}
    assert [each.abstract_syntax for each in made.accepted_contexts] == [CTImageStorage]


def test_roles_are_accepted_for_storage_alone(listener: Listener) -> None:
    asked = [
        build_role(uid, scu_role=True, scp_role=True) for uid in (CTImageStorage, Verification)
    ]
    made = associate(
        listener,
        (CTImageStorage, [ExplicitVRLittleEndian]),
        (Verification, [ImplicitVRLittleEndian]),
        ext_neg=asked,
    )
    roles = {each.abstract_syntax: (each.as_scu, each.as_scp) for each in made.accepted_contexts}
    assert roles == {CTImageStorage: (True, True), Verification: (True, False)}


def test_the_window_is_not_negotiated_and_our_pdu_is_told(listener: Listener) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = 8
    window.maximum_number_operations_performed = 8
    made = associate(listener, (Verification, [ImplicitVRLittleEndian]), ext_neg=[window])
    assert made.acceptor.asynchronous_operations == (1, 1)
    assert made.acceptor.maximum_length == 131072


@pytest.mark.parametrize(
    ("start", "replaced", "rejection"),
    [
        (6, b"\0\0", (1, 2, 2)),  # protocol version
        (74 + 4, b"9", (1, 1, 2)),  # application context
    ],
)
def test_what_nobody_could_accept_is_rejected_with_the_reason(
    listener: Listener, start: int, replaced: bytes, rejection: tuple[int, int, int]
) -> None:
    request = associate_request()
    with connected(listener.port) as connection:
        connection.sendall(request[:start] + replaced + request[start + len(replaced) :])
        kind, content = read_pdu(connection)
    assert (kind, tuple(content[1:])) == (3, rejection)


def test_titles_come_back_as_they_were_sent(listener: Listener) -> None:
    request = associate_request(calling_ae="  odd one")
    with connected(listener.port) as connection:
        connection.sendall(request)
        _, content = read_pdu(connection)
    assert content[4:68] == request[10:74]


@given(st.binary(max_size=100), st.integers(0, 250))
def test_any_bytes_are_a_request_or_one_error(noise: bytes, at: int) -> None:
    request = associate_request()
    for content in (request[:at] + noise + request[at + len(noise) :], noise):
        with contextlib.suppress(BadFile):
            accept(AssociationRequest.read(content), STORING, max_pdu_bytes=131072)


def test_a_syntax_that_is_no_uid_is_refused_however_long_it_is() -> None:
    for syntax in ("9" * 60_000, "1.2.x", ""):
        offer = Offer(id=1, abstract_syntax=syntax, transfer_syntaxes=(ImplicitVRLittleEndian,))
        request = dataclasses.replace(
            AssociationRequest.read(associate_request()),
            offers=(offer,),
            roles={syntax: (True, True)},
        )
        contexts, answer = accept(request, STORING, max_pdu_bytes=131072)
        pdu = A_ASSOCIATE_AC()
        pdu.decode(answer)
        assert contexts == {}
        assert [each.result for each in pdu.presentation_context] == [3]


def test_a_request_of_many_contexts_is_read_as_pynetdicom_reads_it() -> None:
    asked = A_ASSOCIATE_RQ(_asked(StoragePresentationContexts))
    length = MaximumLengthNotification()
    length.maximum_length_received = 70_000
    roles = [build_role(uid, scu_role=True, scp_role=False) for uid in (CTImageStorage, "1.2.3")]
    read = AssociationRequest.read(asked.encode())
    assert (read.max_pdu_bytes, read.roles) == (0, {})
    asked = A_ASSOCIATE_RQ(_asked(StoragePresentationContexts, length, *roles))
    read = AssociationRequest.read(asked.encode())
    assert [
        (each.id, each.abstract_syntax, list(each.transfer_syntaxes)) for each in read.offers
    ] == [
        (each.context_id, each.abstract_syntax, each.transfer_syntax)
        for each in asked.presentation_context
    ]
    assert len(read.offers) == 120
    assert read.max_pdu_bytes == asked.user_information.maximum_length == 70_000
    assert read.roles == {CTImageStorage: (True, False), "1.2.3": (True, False)}


def test_items_of_unknown_kinds_are_passed_over() -> None:
    request = associate_request()
    longer = request + b"\x7f\0\0\2ab"
    longer = longer[:2] + (len(longer) - 6).to_bytes(4, "big") + longer[6:]
    assert AssociationRequest.read(longer) == AssociationRequest.read(request)


@pytest.mark.parametrize("cut", [1, 5, 50, 80, 100])
def test_a_request_that_ends_early_is_one_error(cut: int) -> None:
    request = associate_request()[:-cut]
    for length in (len(request) - 6, len(request) - 6 + cut):
        with pytest.raises(BadFile, match="an association request is broken"):
            AssociationRequest.read(request[:2] + length.to_bytes(4, "big") + request[6:])


def _asked(
    contexts: list[PresentationContext],
    *user: MaximumLengthNotification | SCP_SCU_RoleSelectionNegotiation,
) -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.calling_ae_title, primitive.called_ae_title = "A", "B"
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    proposed = [
        build_context(each.abstract_syntax or "", each.transfer_syntax) for each in contexts
    ]
    for number, each in enumerate(proposed):
        each.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = proposed
    primitive.user_information = list(user)
    return primitive


def test_what_pynetdicom_asks_is_read() -> None:
    primitive = A_ASSOCIATE()
    primitive.calling_ae_title, primitive.called_ae_title = "A B", "US"
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    read = AssociationRequest.read(A_ASSOCIATE_RQ(primitive).encode())
    assert (read.calling_ae, read.called_ae, read.offers) == ("A B", "US", ())
    assert read.is_unusable() is None
