"""Certificates that prove themselves: signed at the door, held against the bytes at any time."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from sightline.catalog.hub_tables import CERTIFICATE, INSTANCE, SERIES, STUDY
from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.signing import Signer
from sightline.deid.vault import Vault
from sightline.errors import BadFile, DamagedObject, Refused, UnknownName
from sightline.formats.certificate import certificate_of, read_certificate, signed_bytes
from sightline.formats.signature import is_signed
from sightline.hub.hub import Hub
from sightline.values.identity import Digest
from sightline.values.study import Certificate

EDITIONS = frozenset({TABLE_EDITION})
"""Editions of the table that a certificate may name: this one and those that were used before."""

CERTIFICATE_FILES = "certificate*.json"

_Read = Callable[[], bytes]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CertificateFault:
    """What is wrong, and where.

    Attributes:
        where: a study or an instance of the hub, or a file.
    """

    where: str
    problem: str


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verified:
    """What was checked."""

    studies: int
    instances: int
    faults: tuple[CertificateFault, ...]


def sign(certificate: Certificate, vault: Vault) -> Certificate:
    """Return the certificate with the hub's public key and signature."""
    signer = Signer(vault)
    named = dataclasses.replace(certificate, public_key=signer.public_key)
    return dataclasses.replace(named, signature=signer.sign(signed_bytes(named)))


def is_sound(certificate: Certificate, vault: Vault) -> bool:
    """Tell whether the hub of a vault signed a certificate as it is."""
    return not _problem_of(certificate, Signer(vault).public_key)


def verify_hub(
    hub: Hub,
    public_key: str,
    *,
    study_uid: str | None = None,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> Verified:
    """Hold studies of the hub against their certificates: every instance, every byte.

    Args:
        hub: the store.
        public_key: of the hub, from its vault or from elsewhere, never from a certificate.
        study_uid: one study of the hub; None for all.
        tell: called with the studies done, and how many there are.

    Raises:
        UnknownName: The hub has no such study.
    """
    chosen = _studies(hub, study_uid)
    faults: list[CertificateFault] = []
    instances = 0
    for done, uid in enumerate(chosen, start=1):
        documents, outputs = _of_study(hub, uid)
        check = _Check(uid, public_key)
        for document in documents:
            check.take(uid, partial(certificate_of, document), of_study=uid)
        faults += [*check.faults, *check.hold(outputs)]
        instances += len(outputs)
        tell(done, len(chosen))
    return Verified(studies=len(chosen), instances=instances, faults=tuple(faults))


def verify_folder(folder: Path, public_key: str) -> Verified:
    """Hold a folder that the door wrote against the certificates in it.

    Raises:
        Refused: There is no certificate.
        OSError: A file cannot be read.
    """
    certified = sorted({path.parent for path in folder.rglob(CERTIFICATE_FILES)})
    if not certified:
        raise Refused(
            f"there is no certificate in {folder}",
            hint="Give a folder that `sightline deid` wrote, or a study of the hub.",
        )
    faults: list[CertificateFault] = []
    seen: set[Path] = set()
    for study in certified:
        files = {path.stem: path for path in sorted(study.rglob("*.dcm"))}
        seen.update(files.values(), study.glob(CERTIFICATE_FILES))
        check = _Check(str(study.relative_to(folder)), public_key)
        for path in sorted(study.glob(CERTIFICATE_FILES)):
            check.take(str(path.relative_to(folder)), partial(_certificate_in, path))
        outputs: Mapping[str, _Read] = {uid: path.read_bytes for uid, path in files.items()}
        faults += [*check.faults, *check.hold(outputs)]
    strays = sorted(path for path in folder.rglob("*") if path.is_file() and path not in seen)
    faults += [_fault(str(path.relative_to(folder)), "no certificate knows it") for path in strays]
    instances = sum(path.suffix == ".dcm" for path in seen)
    return Verified(studies=len(certified), instances=instances, faults=tuple(faults))


class _Check:
    """The certificates of one study, newest last, held against what there is."""

    def __init__(self, where: str, public_key: str) -> None:
        self._where, self._public_key = where, public_key
        self._sound: list[Certificate] = []
        self._has_unsigned = False
        self.faults: list[CertificateFault] = []

    def take(
        self, where: str, read: Callable[[], Certificate], *, of_study: str | None = None
    ) -> None:
        """Check a certificate by itself, and that it is of the study it is found at."""
        try:
            certificate = read()
        except BadFile as error:
            self.faults.append(_fault(where, error.problem))
            return
        if not certificate.signature:
            # One of version 1 beside a signed one is history.
            self._has_unsigned = True
            return
        problem = _problem_of(certificate, self._public_key)
        if not problem and certificate.study_uid != (of_study or certificate.study_uid):
            problem = "the certificate is of another study"
        if problem:
            self.faults.append(_fault(where, problem))
        else:
            self._sound.append(certificate)

    def hold(self, outputs: Mapping[str, _Read]) -> Iterator[CertificateFault]:
        """Hold instances by hub UID against the sound certificates."""
        if not self._sound:
            why = ": it is of version 1, which is not signed" if self._has_unsigned else ""
            yield _fault(self._where, f"the study has no certificate that proves itself{why}")
            return
        for uid, read in outputs.items():
            known = {each.outputs[uid] for each in self._sound if uid in each.outputs}
            if not known:
                yield _fault(uid, "the instance is in no certificate of its study")
                continue
            try:
                content = read()
            except (DamagedObject, UnknownName) as error:
                yield _fault(uid, error.problem)
                continue
            if hashlib.sha256(content).hexdigest() not in known:
                yield _fault(uid, "the bytes are not those that the certificate names")
        yield from (
            _fault(uid, "the certificate names the instance, and it is not there")
            for uid in self._sound[-1].outputs
            if uid not in outputs
        )


def _problem_of(certificate: Certificate, public_key: str) -> str:
    if certificate.public_key != public_key:
        return "the certificate is signed by another hub"
    if not is_signed(signed_bytes(certificate), certificate.signature, public_key):
        return "the signature is not of this certificate"
    if certificate.table_edition not in EDITIONS:
        return "the certificate names an edition of the table that is not known"
    return ""


def _certificate_in(path: Path) -> Certificate:
    return read_certificate(path.read_bytes())


def _studies(hub: Hub, study_uid: str | None) -> Sequence[str]:
    query = sa.select(STUDY.c.uid).order_by(STUDY.c.uid)
    if study_uid is not None:
        query = query.where(STUDY.c.uid == study_uid)
    with hub.database.read() as connection:
        found = connection.execute(query).scalars().all()
    if study_uid is not None and not found:
        raise UnknownName(
            f"the hub has no study {study_uid}, and there is no such folder",
            hint="Give a Study Instance UID of the hub, or a folder that `sightline deid` wrote.",
        )
    return found


def _of_study(hub: Hub, study_uid: str) -> tuple[list[object], dict[str, _Read]]:
    with hub.database.read() as connection:
        documents = connection.execute(
            sa.select(CERTIFICATE.c.content)
            .where(CERTIFICATE.c.study_uid == study_uid)
            .order_by(CERTIFICATE.c.id)
        ).scalars()
        rows = connection.execute(
            sa.select(INSTANCE.c.uid, INSTANCE.c.digest)
            .join(SERIES, SERIES.c.uid == INSTANCE.c.series_uid)
            .where(SERIES.c.study_uid == study_uid)
            .order_by(INSTANCE.c.uid)
        ).all()
        return list(documents), {row.uid: _reader(hub, Digest(row.digest)) for row in rows}


def _reader(hub: Hub, digest: Digest) -> _Read:
    return lambda: hub.objects.get(digest)


def _fault(where: str, problem: str) -> CertificateFault:
    return CertificateFault(where=where, problem=problem)
