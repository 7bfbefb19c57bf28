"""Certificates of studies in the folders that the door writes."""

import hashlib
import os
from pathlib import Path

from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.marks import PIXELS_CLEANED
from sightline.errors import BadFile
from sightline.formats.certificate import read_certificate, write_certificate
from sightline.store.durable import sync_paths, write_durably
from sightline.values.study import Certificate

CERTIFICATE_FILE = "certificate.json"

_PIXELS = f"{PIXELS_CLEANED.value} "


def put_certificate(folder: Path, certificate: Certificate) -> None:
    """Write the certificate of a study into its folder.

    Raises:
        OSError: It could not be made durable.
    """
    write_durably(folder / CERTIFICATE_FILE, write_certificate(certificate))


def certificate_in(folder: Path) -> Certificate | None:
    """Return the certificate in a folder; None where there is none that can be read."""
    try:
        return read_certificate((folder / CERTIFICATE_FILE).read_bytes())
    except (OSError, BadFile):
        return None


def is_of(
    certificate: Certificate, uids: set[str], *, profile: str, options: tuple[str, ...]
) -> bool:
    """Tell whether a certificate is of these instances, and of the door as it is now.

    Args:
        certificate: of an earlier run.
        uids: what all instances are called after the door, whether they pass or are held.
        profile: its label.
        options: what would be done now, whether or not pixels are looked at.
    """
    done = tuple(each for each in certificate.options if not each.startswith(_PIXELS))
    was = (certificate.profile, done, certificate.table_edition)
    is_same_door = was == (profile, options, TABLE_EDITION)
    is_all = len(certificate.outputs) + sum(certificate.held.values()) == len(uids)
    return is_same_door and is_all and certificate.outputs.keys() <= uids


def take_over(earlier: Path, folder: Path) -> None:
    """Take what an earlier run wrote of a study, and this one does not know, into its new folder.

    Raises:
        OSError: It could not be made durable.
    """
    taken = []
    for path in sorted(earlier.rglob("*.dcm")):
        place = folder / path.relative_to(earlier)
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            os.link(path, place)
            taken.append(place)
    if not taken:
        return
    for path in sorted(earlier.glob("certificate*.json")):
        name = path.name
        if name == CERTIFICATE_FILE:
            name = f"certificate-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}.json"
        os.link(path, folder / name)
    sync_paths({place.parent for place in taken})
