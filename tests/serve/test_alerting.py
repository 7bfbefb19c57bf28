"""A time-critical finding is told of until somebody acknowledges it, and every step is on record."""

import dataclasses
import email
import socketserver
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline import clock
from sightline.archive.alerts import (
    acknowledge,
    closed_alerts,
    due_alerts,
    open_alerts,
    withdraw_alert,
)
from sightline.archive.archive import Archive
from sightline.archive.results import prediction
from sightline.audit.chain import entries
from sightline.errors import Refused, UnknownName
from sightline.formats.hl7_result import write_oru
from sightline.serve.alerting import tell_due
from sightline.serve.triage import triage
from sightline.settings import Settings
from sightline.values.finding import Finding, Measurement
from sightline.values.recipe import Recipe
from tests.clinical_results import RESULT, publish_one
from tests.counterparties import HOST, free_port
from tests.told import Hl7Listener, answer_with

TLS = ssl.create_default_context()
CRITICAL = Finding(priority=2, words="pneumothorax 40.0 ml", measurements=(), acknowledge_min=10.0)


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server that keeps what it is given (RFC 5321), or refuses every address."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Session)
        self.mails: list[tuple[list[str], email.message.Message]] = []
        self.refuses = False
        self.unknown = ""

    @property
    def address(self) -> str:
        return f"{HOST}:{self.server_address[1]}"


class _Session(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        self._say("220 here")
        to: list[str] = []
        while line := self.rfile.readline().decode().strip():
            word = line.split()[0].upper()
            if word in {"EHLO", "HELO", "MAIL", "RSET"}:
                self._say("250 ok")
            elif word == "RCPT":
                address = line.partition("<")[2].rstrip(">")
                is_refused = self.server.refuses or address == self.server.unknown
                to += [] if is_refused else [address]
                self._say("550 nobody here" if is_refused else "250 ok")
            elif word == "DATA":
                self._say("354 go on")
                content = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    content += part
                self.server.mails.append((to, email.message_from_bytes(content)))
                to = []
                self._say("250 kept")
            else:
                self._say("221 bye")
                return

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with Mailbox() as box:
        threading.Thread(target=box.serve_forever, daemon=True).start()
        yield box
        box.shutdown()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive.at(tmp_path / "archive")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Give the time, in a list whose only item is what the clock shows."""
    shown = [clock.timestamp()]
    monkeypatch.setattr("sightline.clock.timestamp", lambda: shown[0])
    return shown


def settings(folder: Path, **given: object) -> Settings:
    return Settings.load(data_dir=folder, **given)


def actions(archive: Archive) -> list[str]:
    return [each.event.action for each in entries(archive.database, actions="alert_*")]


def test_a_rule_says_that_a_finding_is_time_critical() -> None:
    recipe = Recipe.from_yaml(
        """
        name: chest
        title: Chest
        task: {classes: [air, fluid]}
        triage:
          - {class_name: air, min_volume_ml: 10, priority: 2, words: air, acknowledge_min: 15}
          - {class_name: fluid, priority: 1, words: fluid}
        """
    )
    parts = {"longest_diameter_mm": 1.0, "components": 1, "tracking_uid": "2.25.1"}
    air = Measurement(class_name="air", volume_ml=12.0, **parts)
    fluid = Measurement(class_name="fluid", volume_ml=12.0, **parts)
    assert triage(recipe, [air, fluid]).acknowledge_min == 15
    assert triage(recipe, [fluid]).acknowledge_min is None


def test_people_are_told_again_and_others_in_the_end(
    archive: Archive, tmp_path: Path, mailbox: Mailbox, now: list[float]
) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    asked = settings(
        tmp_path,
        mail_server=mailbox.address,
        alert_mail="first@house.example, second@house.example",
        alert_escalation_mail="chief@house.example",
        alert_repeat_min=4,
        site_address="https://sightline.house.example",
    )
    told = []
    for _ in range(13):
        tell_due(archive, asked, tls=TLS)
        told.append(len(mailbox.mails))
        now[0] += 60
    # At 0, 4 and 8 minutes; at 10 others, too, and all again at 14.
    assert told == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4]
    firsts = ["first@house.example", "second@house.example"]
    assert [to for to, _ in mailbox.mails] == [
        firsts,
        firsts,
        firsts,
        [*firsts, "chief@house.example"],
    ]
    first, last = mailbox.mails[0][1], mailbox.mails[-1][1]
    assert first["Subject"] == "Sightline alert 1"
    assert last["Subject"] == "STILL OPEN: Sightline alert 1"
    text = last.get_payload()
    assert "https://sightline.house.example/alerts" in text
    assert "RESEARCH USE ONLY" in text
    # Mail is read by anybody on its way: it names nobody, and nothing that was found.
    for _, mail in mailbox.mails:
        assert not [word for word in ("PHANTOM", "Probe", "pneumothorax") if word in str(mail)]
    (alert,) = open_alerts(archive)
    assert (alert.notices, alert.is_escalated, alert.problem) == (4, True, "")
    acknowledge(archive, alert.id, by="Dr A", note="called the ward", way="page")
    now[0] += 3600
    assert tell_due(archive, asked, tls=TLS) == 0
    assert len(mailbox.mails) == 4
    assert actions(archive) == [
        *("alert_raised", "alert_told", "alert_told", "alert_told", "alert_escalated"),
        *("alert_told", "alert_acknowledged"),
    ]
    logged = entries(archive.database, actions="alert_*")
    assert logged[-1].event.actor == "page:Dr A"
    assert all("ward" not in each.event.reason for each in logged)


def test_who_cannot_be_told_is_tried_again_and_the_reason_is_shown(
    archive: Archive, tmp_path: Path, mailbox: Mailbox, now: list[float]
) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    asked = settings(tmp_path, mail_server=mailbox.address, alert_mail="first@house.example")
    mailbox.refuses = True
    assert tell_due(archive, asked, tls=TLS) == 0
    (alert,) = open_alerts(archive)
    assert alert.notices == 0
    assert "did not take a message" in alert.problem
    assert due_alerts(archive) == []
    mailbox.refuses = False
    now[0] += 60
    assert tell_due(archive, asked, tls=TLS) == 1
    (alert,) = open_alerts(archive)
    assert (alert.notices, alert.problem) == (1, "")
    assert actions(archive) == ["alert_raised", "alert_not_told", "alert_told"]


def test_who_was_told_is_not_told_each_minute_because_another_could_not_be(
    archive: Archive, tmp_path: Path, mailbox: Mailbox, now: list[float]
) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    mailbox.unknown = "second@house.example"
    asked = settings(
        tmp_path,
        mail_server=mailbox.address,
        alert_mail="first@house.example, second@house.example",
        alert_hl7=f"{HOST}:{free_port()}",
    )
    for _ in range(5):
        tell_due(archive, asked, tls=TLS)
        now[0] += 60
    assert [to for to, _ in mailbox.mails] == [["first@house.example"]]
    (alert,) = open_alerts(archive)
    assert alert.notices == 1
    assert "refused second@house.example" in alert.problem
    assert "cannot be reached" in alert.problem


def test_a_server_that_is_away_keeps_nothing_back(
    archive: Archive, tmp_path: Path, now: list[float]
) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    away = settings(
        tmp_path,
        mail_server=f"{HOST}:{free_port()}",
        alert_mail="first@house.example",
        alert_hl7=f"{HOST}:{free_port()}",
    )
    tell_due(archive, away, tls=TLS)
    now[0] += 601
    tell_due(archive, away, tls=TLS)
    (alert,) = open_alerts(archive)
    assert alert.is_escalated
    assert "mail server" in alert.problem
    assert actions(archive)[:3] == ["alert_raised", "alert_not_told", "alert_escalated"]


def test_without_anybody_to_tell_it_stays_open_on_the_page(
    archive: Archive, tmp_path: Path, now: list[float]
) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    assert tell_due(archive, settings(tmp_path), tls=TLS) == 0
    now[0] += 601
    tell_due(archive, settings(tmp_path), tls=TLS)
    (alert,) = open_alerts(archive)
    assert (alert.notices, alert.is_escalated) == (0, True)


def test_an_ordinary_finding_alerts_nobody(archive: Archive) -> None:
    plain = dataclasses.replace(CRITICAL, acknowledge_min=None)
    publish_one(archive, 1, "PHANTOM-1", finding=plain)
    assert open_alerts(archive) == []


def test_who_was_first_stays(archive: Archive) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    (alert,) = open_alerts(archive)
    with pytest.raises(Refused, match="gives a name"):
        acknowledge(archive, alert.id, by=" ", way="cli")
    acknowledge(archive, alert.id, by="Dr A", way="cli")
    with pytest.raises(Refused, match="acknowledged already by Dr A"):
        acknowledge(archive, alert.id, by="Dr B", way="cli")
    with pytest.raises(UnknownName, match="no alert 99"):
        acknowledge(archive, 99, by="Dr B", way="cli")
    (done,) = closed_alerts(archive)
    assert (done.closed, done.closed_by) == ("acknowledged", "Dr A")


def test_what_is_withdrawn_alerts_nobody_any_more(archive: Archive, tmp_path: Path) -> None:
    name = publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    published = prediction(archive, name)
    with archive.database.write() as connection:
        withdraw_alert(connection, published, "its images are another patient's")
    assert open_alerts(archive) == []
    assert tell_due(archive, settings(tmp_path), tls=TLS) == 0
    (done,) = closed_alerts(archive)
    assert (done.closed, done.closed_by) == ("withdrawn", "guard")
    assert actions(archive) == ["alert_raised", "alert_withdrawn"]


def test_by_hl7_it_is_marked_as_critical_and_each_notice_is_a_message_of_its_own() -> None:
    plain, first, second = (
        write_oru(RESULT, facility="HERE", notice=number).decode().split("\r")
        for number in (0, 1, 2)
    )
    ids = [lines[0].split("|")[9] for lines in (plain, first, second)]
    assert len(set(ids)) == 3
    assert all(len(each) == 20 for each in ids)
    assert plain[1:] == [line.replace("|AA|", "||") for line in first[1:]]
    assert [line.split("|")[8] for line in first if "Finding" in line and "|TX|" in line] == ["AA"]
    assert first[1:] == second[1:]


def test_the_hospital_is_told_by_hl7(archive: Archive, tmp_path: Path) -> None:
    publish_one(archive, 1, "PHANTOM-1", finding=CRITICAL)
    with Hl7Listener(answer_with("AA")) as listener:
        asked = settings(tmp_path, alert_hl7=f"{HOST}:{listener.port}")
        assert tell_due(archive, asked, tls=TLS) == 1
    (message,) = listener.messages
    assert b"pneumothorax 40.0 ml" in message
    assert b"|AA|" in message
    (alert,) = open_alerts(archive)
    assert alert.notices == 1
