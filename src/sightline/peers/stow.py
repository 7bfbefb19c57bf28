"""Storing an object by STOW-RS (PS3.18 10.5)."""

import json
import ssl
from typing import Any

from sightline.errors import PeerFailed
from sightline.peers.http import post

_TIMEOUT_S = 120.0
_BOUNDARY = "sightline-31b7a1c9e0d34d7e"
# Instances that were refused, and parts that were not understood (PS3.3 C.37.1).
_FAILED_SEQUENCES, _FAILURE_REASON = ("00081198", "0008119A"), "00081197"
# PS3.18 Table 10.5.3-1: all stored; stored, with something to say; refused.
_STORED, _IN_PART, _REFUSED = 200, 202, 409
_ASK = "The service's log says why; ask its administrator to accept what we send."


def store(base_url: str, content: bytes, *, tls: ssl.SSLContext) -> None:
    """Store one Part 10 file; return when the service has it. A repeat is the same object.

    Args:
        base_url: of the DICOMweb service.
        content: the file, as it is.
        tls: what `https` is called with.

    Raises:
        PeerFailed: The service cannot be reached or trusted, does not answer, or did not store it.
    """
    boundary = _BOUNDARY
    while boundary.encode() in content:
        boundary += "0"
    head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
    }
    answer = post(
        f"{base_url.rstrip('/')}/studies",
        b"".join((head, content, f"\r\n--{boundary}--\r\n".encode())),
        headers=headers,
        tls=tls,
        timeout_s=_TIMEOUT_S,
    )
    if answer.status not in {_STORED, _IN_PART, _REFUSED}:
        raise PeerFailed(f"{base_url} answered {answer.status}", hint=_ASK)
    reasons = _failures(answer.body)
    # One that stored with a warning must say that nothing failed.
    if not reasons and (answer.status == _STORED or (answer.status == _IN_PART and reasons == [])):
        return
    said = ", ".join(reasons or ()) or "no reason given"
    raise PeerFailed(f"{base_url} did not store the object ({answer.status}): {said}", hint=_ASK)


def _failures(body: bytes) -> list[str] | None:
    """Return why objects failed; None where the answer does not say what became of them."""
    try:
        root: Any = json.loads(body)
        failed = [
            item for name in _FAILED_SEQUENCES for item in root.get(name, {}).get("Value", [])
        ]
        return [f"0x{each[_FAILURE_REASON]['Value'][0]:04X}" for each in failed]
    except (ValueError, RecursionError, AttributeError, TypeError, LookupError):
        return None
