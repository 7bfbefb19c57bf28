"""The HL7 listener: framing, durability, repeats, crowds, and 2,000 mutated messages."""

import random
import socket
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from sightline.archive.archive import Archive
from sightline.archive.clinical import messages
from sightline.catalog.archive_tables import CLINICAL_MESSAGE, PATIENT
from sightline.errors import BadSettings
from sightline.intake.mllp import Hl7Receiver, MllpListener
from sightline.settings import Settings
from tests.counterparties import HOST
from tests.mllp import END, START, Sender, code_of, message

PID = "PID|1||7^^^NORTH^MR||Doe^Ada||19700102|F"
ADT = message("ADT^A08", PID, control_id="1")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"max_message_bytes": 20_000})


@pytest.fixture
def listening(archive: Archive, settings: Settings) -> Iterator[MllpListener]:
    running = MllpListener(archive, settings)
    running.start()
    yield running
    running.stop()


def patients(archive: Archive) -> list[str]:
    with archive.database.read() as connection:
        return list(connection.execute(sa.select(PATIENT.c.name)).scalars())


def test_a_message_is_kept_before_it_is_acknowledged(
    listening: MllpListener, archive: Archive
) -> None:
    with Sender(listening.port) as sender:
        assert code_of(sender.send(ADT)) == "AA"
        assert patients(archive) == ["Doe^Ada"]
        (kept,) = messages(archive)
        assert (kept.state, kept.kind, kept.sender) == ("taken", "ADT^A08", "ADT@HOUSE")
        assert archive.objects.get(kept.digest) == ADT


def test_a_repeat_is_acknowledged_and_changes_nothing(
    listening: MllpListener, archive: Archive
) -> None:
    renamed = message("ADT^A08", PID.replace("Ada", "Eve"), control_id="1")
    with Sender(listening.port) as sender:
        assert [code_of(sender.send(each)) for each in (ADT, renamed, ADT)] == ["AA"] * 3
    # A control id that is used anew, for something else, is a message of its own.
    assert patients(archive) == ["Doe^Eve"]
    assert len(messages(archive)) == 2


def test_a_refused_message_is_listed_and_may_come_again(
    listening: MllpListener, archive: Archive
) -> None:
    unmerge = message("ADT^A37", "PID|||A", "PID|||B", control_id="1")
    merge = message("ADT^A40", "PID|||B", "MRG|A", control_id="2")
    with Sender(listening.port) as sender:
        codes = [code_of(sender.send(each)) for each in (unmerge, merge, unmerge)]
    assert codes == ["AE", "AA", "AA"]
    assert [(each.state, bool(each.problem)) for each in messages(archive)] == [
        ("refused", True),
        ("taken", False),
        ("taken", False),
    ]


def test_frames_in_pieces_and_several_at_once(listening: MllpListener) -> None:
    second = message("ADT^A08", PID, control_id="2")
    with Sender(listening.port) as sender:
        for byte in START + ADT + END:
            sender.socket.send(bytes([byte]))
        assert b"MSA|AA|1\r" in sender.receive()
        sender.socket.sendall(START + ADT + END + b"\r\n" + START + second + END)
        answers = b""
        while answers.count(END) < 2:
            answers += sender.socket.recv(65536)
        assert answers.index(b"MSA|AA|1\r") < answers.index(b"MSA|AA|2\r")


def test_what_is_too_large_is_refused_and_the_connection_closed(
    listening: MllpListener, archive: Archive
) -> None:
    with Sender(listening.port) as sender:
        answer = sender.send(ADT + b"NTE|" + b"x" * 100_000)
        assert code_of(answer) == "AR"
        assert b"more than 20000 bytes" in answer
        assert sender.receive() == b""
    assert "more than 20000 bytes" in messages(archive)[0].problem
    with Sender(listening.port) as sender:
        assert code_of(sender.send(ADT)) == "AA"


def test_what_is_no_frame_is_closed(listening: MllpListener) -> None:
    with Sender(listening.port) as sender:
        sender.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert sender.receive() == b""


def test_a_frame_that_does_not_end_is_closed(archive: Archive, settings: Settings) -> None:
    listening = MllpListener(archive, settings, frame_timeout_s=0.5)
    listening.start()
    with Sender(listening.port) as sender:
        assert code_of(sender.send(ADT)) == "AA"
        sender.socket.sendall(START + ADT[:20])
        started = time.monotonic()
        assert sender.receive() == b""
        assert time.monotonic() - started < 5
    listening.stop()


def test_a_crowd_of_silent_connections_locks_nobody_out(listening: MllpListener) -> None:
    crowd = [socket.create_connection((HOST, listening.port)) for _ in range(60)]
    try:
        with Sender(listening.port, timeout_s=20) as sender:
            assert code_of(sender.send(ADT)) == "AA"
    finally:
        for each in crowd:
            each.close()


def test_a_full_disk_is_no_success(archive: Archive, settings: Settings) -> None:
    receiver = Hl7Receiver(archive, settings)
    assert code_of(receiver.receive(ADT)) == "AA"
    with archive.database.write() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")  # SQLite's way to be full
    long_name = message("ADT^A08", PID.replace("Ada", "A" * 15_000), control_id="2")
    answer = receiver.receive(long_name)
    assert code_of(answer) == "AE"
    assert b"207^^HL70357" in answer
    with archive.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
    assert code_of(receiver.receive(long_name)) == "AA"


def test_a_port_that_is_taken(archive: Archive, settings: Settings) -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        running = MllpListener(archive, settings.model_copy(update={"hl7_port": port}))
        with pytest.raises(BadSettings, match="cannot listen on"):
            running.start()


SEEDS = [
    ADT,
    message("ADT^A40", PID, "MRG|8^^^NORTH^MR", control_id="2"),
    message("ADT^A37", PID, "PID|||8^^^NORTH^MR", control_id="3"),
    message(
        "ORM^O01",
        PID,
        "ORC|NW|P1|F1",
        "OBR|1|P1|F1|CT^CT chest|||20240201||||||cough|||||ACC1|||||||||||||X^rule out",
        "ZDS|1.2.3^A^Application^DICOM",
        control_id="4",
    ),
    message(
        "ORU^R01",
        PID,
        "OBR|1|P1|F1|CT^CT chest|||20240201|||||||||||ACC1||||||RAD|F",
        "OBX|1|TX|GDT^Report||No\\.br\\consolidation~Second line||||||F",
        "OBX|2|NM|CRP^C-reactive protein||12.5|mg/l|||||F|||20240201",
        control_id="5",
    ),
]


def mutated(chance: random.Random) -> bytes:
    """Return a message with a few bytes changed, cut, doubled or moved."""
    content = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(content) + 1)
        span = chance.randint(1, 40)
        kind = chance.randrange(6)
        if kind == 0:
            content[place : place + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del content[place : place + span]
        elif kind == 2:
            content[place:place] = content[place : place + span] * chance.randint(1, 20)
        elif kind == 3:
            content[place:place] = chance.choice((b"|", b"^", b"~", b"\\", b"&", b"\r", b"\0"))
        elif kind == 4:
            content[place:place] = chance.choice(SEEDS)[: span * 4]
        else:
            content[place : place + span] = bytes(chance.randrange(256) for _ in range(span))
        content = content or bytearray(b"x")
    return bytes(content)


@pytest.mark.parametrize("count", [2000, pytest.param(20_000, marks=pytest.mark.gate)])
def test_mutated_messages_are_answered_or_closed(
    listening: MllpListener, archive: Archive, count: int
) -> None:
    chance = random.Random(7)  # noqa: S311 - mutations, not secrets
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    sender = Sender(listening.port)
    for number in range(count):
        content = mutated(chance)
        frame = START + content + END if number % 10 else content + END
        started = time.monotonic()
        sender.socket.sendall(frame)
        if END in content or START in content:  # the mutation made frames of its own
            sender.socket.shutdown(socket.SHUT_WR)
        try:
            answer = sender.receive()
        except ConnectionResetError:
            answer = b""
        slowest = max(slowest, time.monotonic() - started)
        outcomes[code_of(answer) if answer else "closed"] += 1
        if not answer or END in content or START in content:
            sender.socket.close()
            sender = Sender(listening.port)
    with sender:
        assert code_of(sender.send(message("ADT^A08", PID, control_id="last"))) == "AA"
    assert outcomes.total() == count
    assert slowest < 20
    assert min(outcomes[each] for each in ("AA", "AR", "closed")) > count // 100
    with archive.database.read() as connection:
        rows = connection.execute(
            sa.select(CLINICAL_MESSAGE.c.state, CLINICAL_MESSAGE.c.problem)
        ).all()
    refused = [row for row in rows if row.state == "refused"]
    assert all(row.problem for row in refused)
    assert len(refused) >= outcomes["AR"] + outcomes["AE"]
