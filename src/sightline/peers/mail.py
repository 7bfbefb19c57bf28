"""Sending mail: one SMTP session a message (RFC 5321), with TLS where the server has it."""

import dataclasses
import smtplib
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from sightline.errors import PeerFailed
from sightline.peers.address import parse_address
from sightline.peers.told import told

_TIMEOUT_S = 20.0
_ASK = "Look at the settings mail_server and mail_from, or ask who runs that server."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mail:
    """One message.

    Attributes:
        to: addresses.
        text: plain text.
        is_urgent: mail programs show it so.
    """

    sender: str
    to: Sequence[str]
    subject: str
    text: str
    is_urgent: bool = False


def send_mail(server: str, mail: Mail, *, tls: ssl.SSLContext) -> list[str]:
    """Hand a message to a server.

    Args:
        server: `host:port`, with `/tls` behind where it speaks TLS from the start.
        mail: the message.
        tls: by which the server is known.

    Returns:
        The addresses for which it did not take it.

    Raises:
        PeerFailed: The server cannot be reached, or refuses the message or every address.
    """
    address = parse_address(server)
    if address is None:
        raise PeerFailed(
            f"{server!r} names no mail server", hint="Write host:port, such as mail.example:587."
        )
    host, port, is_tls = address
    try:
        with (
            smtplib.SMTP_SSL(host, port, timeout=_TIMEOUT_S, context=tls)
            if is_tls
            else smtplib.SMTP(host, port, timeout=_TIMEOUT_S)
        ) as session:
            session.ehlo()
            if not is_tls and session.has_extn("starttls"):
                session.starttls(context=tls)
                session.ehlo()
            return list(session.send_message(_written(mail)))
    except (OSError, smtplib.SMTPException) as error:
        raise PeerFailed(
            f"the mail server {server} did not take a message: {told(str(error), ())}", hint=_ASK
        ) from error


def _written(mail: Mail) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, ", ".join(mail.to)
    message["Subject"] = mail.subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="sightline")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note answers
    if mail.is_urgent:
        message["Importance"], message["X-Priority"] = "high", "1"
    message.set_content(mail.text)
    return message
