"""Posting to web services of other systems, whose failures are told apart."""

import dataclasses
import http.client
import ssl
import urllib.parse
from collections.abc import Mapping

from sightline.errors import PeerFailed

_CONNECT_TIMEOUT_S = 10.0
_MAX_ANSWER_BYTES = 4 * 1024**2
_ASK = "Ask who runs that service; its log says more. It is sent again."


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a service answered.

    Attributes:
        body: at most 4 MiB of it.
    """

    status: int
    body: bytes


def post(
    url: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    tls: ssl.SSLContext,
    timeout_s: float,
) -> Answer:
    """Post to a service and return what it answers, whatever its status; follow no redirection.

    Args:
        url: `http://` or `https://`.
        body: what is posted.
        headers: of the request.
        tls: what `https` is called with.
        timeout_s: the longest silence of the service.

    Raises:
        PeerFailed: It cannot be reached or trusted, or does not answer.
    """
    asked = urllib.parse.urlsplit(url)
    connection = _connection(asked, tls)
    try:
        _connect(connection, asked)
        connection.sock.settimeout(timeout_s)
        connection.request("POST", asked.path or "/", body, dict(headers))
        answer = connection.getresponse()
        return Answer(status=answer.status, body=answer.read(_MAX_ANSWER_BYTES))
    except TimeoutError as error:
        raise PeerFailed(
            f"{_name(asked)} did not answer within {timeout_s:g} s", hint=_ASK
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise PeerFailed(f"{_name(asked)} broke off before it answered", hint=_ASK) from error
    finally:
        connection.close()


def _connection(asked: urllib.parse.SplitResult, tls: ssl.SSLContext) -> http.client.HTTPConnection:
    try:
        port = asked.port
    except ValueError:
        port = 0
    if asked.scheme not in {"http", "https"} or not asked.hostname or port == 0:
        raise PeerFailed(
            f"{_name(asked)!r} is no address of a web service",
            hint="Write https://host/path, or http:// where it speaks no TLS.",
        )
    if asked.scheme == "http":
        return http.client.HTTPConnection(asked.hostname, port, timeout=_CONNECT_TIMEOUT_S)
    return http.client.HTTPSConnection(
        asked.hostname, port, timeout=_CONNECT_TIMEOUT_S, context=tls
    )


def _connect(connection: http.client.HTTPConnection, asked: urllib.parse.SplitResult) -> None:
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        raise PeerFailed(
            f"{_name(asked)} cannot be trusted: {error.verify_message}",
            hint="Is its certificate for that host, and of an authority in tls_ca?",
        ) from error
    except ssl.SSLError as error:
        raise PeerFailed(
            f"{_name(asked)} cannot be called by TLS: {error.reason}",
            hint="Does it speak TLS 1.2 or newer on that port? Does it want a certificate of ours?",
        ) from error
    except OSError as error:
        raise PeerFailed(
            f"{_name(asked)} cannot be reached",
            hint="Is it running? Check host, port and firewall.",
        ) from error


def _name(asked: urllib.parse.SplitResult) -> str:
    """Return the address without what may be secret in it."""
    host = asked.netloc.rpartition("@")[2]
    return f"{asked.scheme}://{host}{asked.path}"
