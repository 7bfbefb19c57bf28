"""Telling people of time-critical findings until somebody acknowledges, and others in the end."""

import dataclasses
import ssl
from collections.abc import Callable, Iterator

from sightline import clock, log
from sightline.archive.alerts import due_alerts, record_escalation, record_notice
from sightline.archive.archive import Archive
from sightline.archive.outbox import facts_of
from sightline.archive.results import prediction
from sightline.errors import PeerFailed, UnknownName
from sightline.formats.hl7_result import write_oru
from sightline.formats.result_items import NOTICE
from sightline.peers.mail import Mail, send_mail
from sightline.peers.mllp import parse_peer, send_message
from sightline.serve.making import result_ids
from sightline.serve.messages import hidden_of
from sightline.settings import Settings
from sightline.values.alert import Alert

_log = log.get("serve")
_S_PER_MIN = 60.0
# Where nobody could be told, that is tried again sooner.
_RETRY_S = 60.0


def tell_due(archive: Archive, settings: Settings, *, tls: ssl.SSLContext) -> int:
    """Tell people of every alert that is due; return how many of them somebody was told of.

    Where nobody acknowledged in time, others are told from then on, too. The page shows an open
    alert whatever happens here.

    Args:
        archive: the store.
        settings: say who is told, and how.
        tls: by which servers that speak TLS are known.
    """
    count = 0
    for alert in due_alerts(archive):
        if not alert.is_escalated and clock.timestamp() >= alert.escalates_at:
            record_escalation(archive, alert)
            alert = dataclasses.replace(alert, is_escalated=True)  # noqa: PLW2901 - what it is now
        told, problems = [], []
        for name, tell in _ways(archive, settings, alert, tls=tls):
            try:
                refused = tell()
            except (PeerFailed, UnknownName) as error:
                problems.append(error.problem)
                continue
            told.append(name)
            if refused:
                problems.append(f"the mail server refused {', '.join(refused)}")
        _log.warning("alert_open", alert=alert.id, told=told, problems=problems)
        record_notice(
            archive,
            alert,
            told=", ".join(told),
            problem="; ".join(problems),
            wait_s=_wait_s(settings, is_anybody_told=bool(told) or not problems),
        )
        count += bool(told)
    return count


def _wait_s(settings: Settings, *, is_anybody_told: bool) -> float:
    """Return when to tell again: sooner where nobody could be told, for else all are told again."""
    pause_s = settings.alert_repeat_min * _S_PER_MIN
    return pause_s if is_anybody_told else min(pause_s, _RETRY_S)


def _ways(
    archive: Archive, settings: Settings, alert: Alert, *, tls: ssl.SSLContext
) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """Give each way by which somebody is told, with its name for the record.

    A way returns whom it could not tell while it told others.
    """
    addresses = _addresses(settings.alert_mail)
    if alert.is_escalated:
        addresses += [
            each for each in _addresses(settings.alert_escalation_mail) if each not in addresses
        ]
    if addresses and settings.mail_server:
        mail = _mail(settings, alert, addresses)
        yield (
            f"{len(addresses)} addresses by mail",
            lambda: send_mail(settings.mail_server, mail, tls=tls),
        )
    if settings.alert_hl7:
        yield "hl7", lambda: _tell_by_hl7(archive, settings, alert, tls=tls)


def _mail(settings: Settings, alert: Alert, addresses: list[str]) -> Mail:
    """Write a mail that names no patient and says nothing of the finding."""
    late = "STILL OPEN: " if alert.is_escalated else ""
    minutes = (clock.timestamp() - alert.raised_at) / _S_PER_MIN
    site = settings.site_address or f"http://{settings.host}:{settings.web_port}"
    text = (
        f"A time-critical finding of a model waits to be acknowledged since {minutes:.0f} min.\n\n"
        f"Alert {alert.id}: {site}/alerts\n\n{NOTICE}\n"
    )
    return Mail(
        sender=settings.mail_from,
        to=addresses,
        subject=f"{late}Sightline alert {alert.id}",
        text=text,
        is_urgent=True,
    )


def _tell_by_hl7(
    archive: Archive, settings: Settings, alert: Alert, *, tls: ssl.SSLContext
) -> list[str]:
    found = facts_of(archive, prediction(archive, alert.lineage_id), result_ids(alert.lineage_id))
    message = write_oru(found, facility=settings.ae_title, notice=alert.notices + 1)
    send_message(parse_peer(settings.alert_hl7, tls=tls), message, hidden=hidden_of(found))
    return []


def _addresses(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
