"""Messages by MLLP: what counts as taken, and every way in which a peer may not take one."""

import ssl
import time

import pytest

from sightline.archive.archive import Archive
from sightline.archive.clinical import messages
from sightline.errors import PeerFailed
from sightline.formats.hl7_result import write_oru
from sightline.intake.mllp import MllpListener
from sightline.peers.mllp import Hl7Peer, parse_peer, send_message
from sightline.settings import Settings
from tests.certificates import Authority
from tests.clinical_results import RESULT
from tests.counterparties import HOST, free_port
from tests.told import (
    Answering,
    Hl7Listener,
    answer_with,
    close,
    close_in_the_middle,
    say_nothing,
    say_something_else,
    server_side,
    trickle,
)

MESSAGE = write_oru(RESULT, facility="SIGHTLINE")
TLS = ssl.create_default_context()


def peer_of(listener: Hl7Listener) -> Hl7Peer:
    return parse_peer(f"{HOST}:{listener.port}", tls=TLS)


def test_our_own_listener_takes_a_result(tmp_path: object) -> None:
    settings = Settings.load(data_dir=tmp_path)
    archive = Archive.open(settings)
    listener = MllpListener(archive, settings)
    listener.start()
    try:
        for _ in range(2):
            send_message(parse_peer(f"{HOST}:{listener.port}", tls=TLS), MESSAGE)
        (kept,) = messages(archive)  # a repeat is the same message
        assert (kept.state, kept.kind, kept.control_id) == ("taken", "ORU^R01", RESULT.message_id)
        assert archive.objects.get(kept.digest) == MESSAGE
    finally:
        listener.stop()
        archive.close()


@pytest.mark.parametrize("code", ["AA", "CA"])
def test_an_acceptance_ends_it(code: str) -> None:
    with Hl7Listener(answer_with(code)) as listener:
        send_message(peer_of(listener), MESSAGE)
        assert listener.messages == [MESSAGE]


@pytest.mark.parametrize("code", ["AE", "AR", "CE", "CR"])
def test_a_refusal_is_a_failure_with_its_reason(code: str) -> None:
    error = "ERR|||204^Unknown key identifier^HL70357|E||||no patient PHANTOM\\F\\1 here"
    with Hl7Listener(answer_with(code, error=error)) as listener:
        with pytest.raises(PeerFailed, match=f"answered {code}: no patient ") as caught:
            send_message(peer_of(listener), MESSAGE, hidden={"PHANTOM|1"})
        assert caught.value.problem.endswith("no patient *** here")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("", "no reason given"),
        ("ERR|||207^Application error^HL70357|E", "Application error"),
        ("ERR|||207|E", "207"),
    ],
)
def test_the_reason_is_sought_where_it_may_stand(error: str, reason: str) -> None:
    with (
        Hl7Listener(answer_with("AE", error=error)) as listener,
        pytest.raises(PeerFailed, match=f"AE: {reason}"),
    ):
        send_message(peer_of(listener), MESSAGE)


@pytest.mark.parametrize(
    ("answering", "problem"),
    [
        (close, "closed the connection without an answer"),
        (close_in_the_middle, "closed the connection in the middle of an answer"),
        (say_something_else, "answered what is no HL7 message"),
        (answer_with("AA", of="another"), "acknowledged another message"),
        (answer_with("XX"), "neither took nor refused"),
    ],
)
def test_no_answer_or_another_is_a_failure(answering: Answering, problem: str) -> None:
    with Hl7Listener(answering) as listener, pytest.raises(PeerFailed, match=problem):
        send_message(peer_of(listener), MESSAGE)


@pytest.mark.parametrize("answering", [say_nothing, trickle])
def test_the_whole_answer_is_waited_for_only_so_long(answering: Answering) -> None:
    with Hl7Listener(answering) as listener:
        started = time.monotonic()
        with pytest.raises(PeerFailed, match=r"did not answer within 0\.5 s"):
            send_message(peer_of(listener), MESSAGE, timeout_s=0.5)
        assert time.monotonic() - started < 5


def test_nobody_there_is_a_failure() -> None:
    with pytest.raises(PeerFailed, match="cannot be reached"):
        send_message(parse_peer(f"{HOST}:{free_port()}", tls=TLS), MESSAGE)


def test_tls_is_spoken_to_whom_we_trust(authority: Authority) -> None:
    identity = authority.server
    tls = server_side(identity.certificate, identity.key)
    trusting = ssl.create_default_context(cafile=str(authority.ca))
    with Hl7Listener(answer_with("AA"), tls=tls) as listener:
        name = f"{HOST}:{listener.port}/tls"
        send_message(parse_peer(name, tls=trusting), MESSAGE)
        with pytest.raises(PeerFailed, match="cannot be called by TLS"):
            send_message(parse_peer(name, tls=TLS), MESSAGE)
        assert listener.messages == [MESSAGE]


@pytest.mark.parametrize("text", ["", "host", "host:0", "host:70000", "a@host:1", "host:1/x"])
def test_what_names_no_listener_is_said(text: str) -> None:
    with pytest.raises(PeerFailed, match="names no HL7 listener"):
        parse_peer(text, tls=TLS)


def test_a_listener_is_named_as_it_was_written() -> None:
    for text in ("engine:2575", "[::1]:2575", "engine:2575/tls"):
        assert str(parse_peer(text, tls=TLS)) == text
