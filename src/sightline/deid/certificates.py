"""Certificates of studies as files, and whether one is of what it lies beside."""

import dataclasses
import json
from pathlib import Path

from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.profile import Profile
from sightline.store.durable import write_durably
from sightline.values.identity import Digest, HubStudyUid, SubjectId
from sightline.values.study import Certificate

CERTIFICATE_FILE = "certificate.json"

_FORMAT, _VERSION = "sightline-certificate", 1


def write_certificate(folder: Path, certificate: Certificate) -> None:
    """Write the certificate of a study into its folder.

    Raises:
        OSError: It could not be made durable.
    """
    content = {"format": _FORMAT, "version": _VERSION} | dataclasses.asdict(certificate)
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    write_durably(folder / CERTIFICATE_FILE, text.encode())


def is_of(folder: Path, uids: set[str], profile: Profile) -> Certificate | None:
    """Return the certificate in a folder if it is of these instances, this profile and edition.

    Args:
        folder: of a study.
        uids: what all its instances are called after the door, whether they pass or are held.
        profile: what may leave now.
    """
    try:
        content = json.loads((folder / CERTIFICATE_FILE).read_text(encoding="utf-8"))
        if (content.pop("format"), content.pop("version")) != (_FORMAT, _VERSION):
            return None
        found = Certificate(
            **content
            | {
                "study_uid": HubStudyUid(content["study_uid"]),
                "subject_id": SubjectId(content["subject_id"]),
                "options": tuple(content["options"]),
                "outputs": {uid: Digest(each) for uid, each in content["outputs"].items()},
            }
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    is_same_door = (found.profile, found.table_edition) == (profile.name, TABLE_EDITION)
    is_whole = found.outputs.keys() <= uids
    is_all = len(found.outputs) + sum(found.held.values()) == len(uids)
    return found if is_same_door and is_whole and is_all else None
