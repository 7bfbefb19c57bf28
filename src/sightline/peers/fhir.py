"""Handing a FHIR R4 transaction to a server (http.html#transaction)."""

import ssl
from collections.abc import Collection

from sightline.errors import PeerFailed
from sightline.formats.fhir_outcome import failed_entries, read_outcome
from sightline.peers.http import post
from sightline.peers.told import told

_TYPE = "application/fhir+json"
_TIMEOUT_S = 60.0
_HINTS = {
    401: "It wants to know who calls: give it our certificate, or let a proxy vouch for us.",
    403: "It lets us do less than is asked: create and update of what the how-to lists.",
    404: "Is results_fhir the base of the server, where a Bundle is posted?",
    412: "Several of its patients or studies have the identifier that was asked for.",
}


def send_transaction(
    base_url: str,
    content: bytes,
    *,
    tls: ssl.SSLContext,
    hidden: Collection[str] = (),
    timeout_s: float = _TIMEOUT_S,
) -> None:
    """Post a transaction; return when the server has done all of it.

    Args:
        base_url: of the server.
        content: the Bundle.
        tls: what `https` is called with.
        hidden: what may not be quoted of the server's answer.
        timeout_s: the longest silence of the server.

    Raises:
        PeerFailed: It cannot be reached or trusted, does not answer, or did not do all of it.
    """
    headers = {"Content-Type": f"{_TYPE}; charset=utf-8", "Accept": _TYPE}
    answer = post(base_url.rstrip("/"), content, headers=headers, tls=tls, timeout_s=timeout_s)
    is_done = 200 <= answer.status < 300  # noqa: PLR2004 - HTTP's class of success
    problem = failed_entries(answer.body) if is_done else read_outcome(answer.body)
    if is_done and not problem:
        return
    said = told(problem, hidden) or "no reason given"
    raise PeerFailed(
        f"{base_url} answered {answer.status}: {said}",
        hint=_HINTS.get(answer.status, "Ask who runs that server. It is sent again."),
    )
