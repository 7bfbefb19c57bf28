"""DICOM SCU: C-FIND on the patient root and the study root (PS3.4 C.4.1)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

from pydicom import Dataset, config
from pydicom.datadict import dictionary_keyword, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from sightline.errors import PeerFailed, UnknownName
from sightline.formats.dicom_text import charset_of, decode
from sightline.peers.dimse import (
    ANSWER_TIMEOUT_S,
    ASK,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    Destination,
    associated,
    cancel,
    unanswered,
)

Level: TypeAlias = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
Root: TypeAlias = Literal["patient", "study"]

_FIND = {"patient": "1.2.840.10008.5.1.4.1.2.1.1", "study": "1.2.840.10008.5.1.4.1.2.2.1"}
_CHARACTER_SET = 0x00080005
_UTF_8 = "ISO_IR 192"
_MESSAGE_ID = 1

# PS3.4 Table C.4-1
_PENDING = frozenset({0xFF00, 0xFF01})
_CANCELLED = 0xFE00
_MEANINGS = {
    0xA700: "it is out of resources",
    0xA900: "the identifier does not match the SOP class",
    0x0122: "it does not know the SOP class",
}

PATIENT_KEYS = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")
STUDY_KEYS = (
    *("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "StudyDescription"),
    *("ModalitiesInStudy", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances"),
)
SERIES_KEYS = (
    *("SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription"),
    "NumberOfSeriesRelatedInstances",
)
IMAGE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One match of a query.

    Attributes:
        values: Unicode text by keyword; several values stay joined by a backslash.
    """

    values: Mapping[str, str]

    def text(self, keyword: str) -> str:
        """Return a value; empty where the peer gave none."""
        return self.values.get(keyword, "")

    def number(self, keyword: str) -> int | None:
        """Return a whole number; None where the peer gave none."""
        text = self.text(keyword)
        return int(text) if text.isdecimal() else None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RemoteStudy:
    """A study of a peer; the counts are None where it does not tell them."""

    uid: str
    patient_id: str
    date: str
    accession_number: str
    description: str
    modalities: tuple[str, ...]
    series: int | None
    instances: int | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RemoteSeries:
    """A series of a peer; `instances` is None where it does not tell the count."""

    uid: str
    modality: str
    description: str
    instances: int | None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RemoteInstance:
    """An instance of a peer; `sop_class_uid` is empty where it does not tell."""

    uid: str
    sop_class_uid: str


class Questions:
    """What can be asked on an open association."""

    def __init__(self, association: Association, destination: Destination, root: Root) -> None:
        self._association = association
        self._destination = destination
        self._model = _FIND[root]

    def ask(
        self,
        level: Level,
        where: Mapping[str, str],
        returned: Sequence[str],
        *,
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> Iterator[Answer]:
        """Ask, and give each match as it comes.

        Args:
            level: what is looked for.
            where: keys to match, by keyword, as PS3.4 C.2.2.2 writes them.
            returned: keywords of what is wanted besides.
            is_cancelled: asked after each match; the peer is then told to stop.

        Raises:
            PeerFailed: The peer refuses, fails or goes away.
            UnknownName: A key is no keyword of DICOM, or its value cannot be one.
        """
        if not self._association.is_established:
            raise unanswered(self._destination)
        identifier = _identifier(level, where, returned)
        was_cancelled = False
        answers = self._association.send_c_find(identifier, self._model, msg_id=_MESSAGE_ID)
        for status, found in answers:
            if self._is_pending(status.get("Status")) and found is not None:
                if not was_cancelled:
                    yield _answer(found)
                if not was_cancelled and is_cancelled():
                    was_cancelled = True
                    cancel(self._association, self._model, message_id=_MESSAGE_ID)

    def studies(self, where: Mapping[str, str]) -> list[RemoteStudy]:
        """List the studies that match; on the study root."""
        return [_study(each) for each in self.ask("STUDY", where, (*PATIENT_KEYS, *STUDY_KEYS))]

    def series(self, study_uid: str) -> list[RemoteSeries]:
        """List the series of a study; on the study root."""
        where = {"StudyInstanceUID": study_uid}
        return [_series(each) for each in self.ask("SERIES", where, SERIES_KEYS)]

    def instances(self, study_uid: str, series_uid: str) -> list[RemoteInstance]:
        """List the instances of a series; on the study root."""
        where = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        found = self.ask("IMAGE", where, IMAGE_KEYS)
        return [
            RemoteInstance(uid=each.text("SOPInstanceUID"), sop_class_uid=each.text("SOPClassUID"))
            for each in found
        ]

    def count(self, study_uid: str) -> int | None:
        """Tell how many instances the peer has of a study: 0 where it does not know the study.

        Where the peer gives no count of the study its counts of the series are added; None where
        it gives none of those either.
        """
        found = self.studies({"StudyInstanceUID": study_uid})
        if not found:
            return 0
        if found[0].instances is not None:
            return found[0].instances
        counts = [each.instances for each in self.series(study_uid)]
        known = [each for each in counts if each is not None]
        return sum(known) if known and len(known) == len(counts) else None

    def _is_pending(self, status: int | None) -> bool:
        if status is None:
            raise unanswered(self._destination)
        if status in _PENDING:
            return True
        if status not in {0x0000, _CANCELLED}:
            meaning = _MEANINGS.get(status, "it says no more")
            raise PeerFailed(
                f"{self._destination} answered C-FIND with 0x{status:04X}: {meaning}", hint=ASK
            )
        return False


@contextmanager
def asking(
    destination: Destination,
    *,
    calling_ae: str,
    root: Root = "study",
    silence_s: float = ANSWER_TIMEOUT_S,
) -> Iterator[Questions]:
    """Open an association to ask on, and release it in the end.

    Args:
        destination: the peer.
        calling_ae: our application entity title.
        root: the information model.
        silence_s: how long the peer may take for an answer.

    Raises:
        PeerFailed: The peer cannot be reached, refuses us, or takes no queries from us.
    """
    contexts = [build_context(_FIND[root], [EXPLICIT_LITTLE, IMPLICIT_LITTLE])]
    with associated(
        destination, contexts, calling_ae=calling_ae, silence_s=silence_s
    ) as association:
        if not association.accepted_contexts:
            raise PeerFailed(f"{destination} takes no C-FIND on the {root} root", hint=ASK)
        yield Questions(association, destination, root)


def _identifier(level: Level, where: Mapping[str, str], returned: Sequence[str]) -> Dataset:
    identifier = Dataset()
    for keyword in returned:
        _put(identifier, keyword, "")
    for keyword, value in where.items():
        _put(identifier, keyword, value)
    identifier.QueryRetrieveLevel = level
    if not all(value.isascii() for value in where.values()):
        identifier.SpecificCharacterSet = _UTF_8
    return identifier


def _put(identifier: Dataset, keyword: str, value: str) -> None:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise UnknownName(
            f"{keyword!r} is no DICOM keyword",
            hint="Write keywords of PS3.6, such as PatientID, StudyDate or ModalitiesInStudy.",
        )
    try:
        element = DataElement(
            tag, dictionary_VR(tag), value.split("\\"), validation_mode=config.IGNORE
        )
    except (ValueError, TypeError) as error:
        raise UnknownName(
            f"{value!r} is no value of {keyword}",
            hint="Dates are YYYYMMDD, ranges A-B, numbers whole, UIDs joined by a backslash.",
        ) from error
    identifier.add(element)


def _answer(found: Dataset) -> Answer:
    # The raw bytes: pydicom's own conversion raises on values that real systems send.
    raw = {int(tag): _bytes_of(found, int(tag)) for tag in found.keys()}  # noqa: SIM118 - its iterator converts
    charset = charset_of(raw.get(_CHARACTER_SET, b""))
    values = {}
    for tag, value in raw.items():
        try:
            values[dictionary_keyword(tag)] = decode(value, charset)
        except KeyError:
            continue  # a private attribute that nobody asked for
    return Answer(values=values)


def _bytes_of(found: Dataset, tag: int) -> bytes:
    value = found.get_item(tag).value
    return value if isinstance(value, bytes) else b""


def _study(answer: Answer) -> RemoteStudy:
    return RemoteStudy(
        uid=answer.text("StudyInstanceUID"),
        patient_id=answer.text("PatientID"),
        date=answer.text("StudyDate"),
        accession_number=answer.text("AccessionNumber"),
        description=answer.text("StudyDescription"),
        modalities=tuple(filter(None, answer.text("ModalitiesInStudy").split("\\"))),
        series=answer.number("NumberOfStudyRelatedSeries"),
        instances=answer.number("NumberOfStudyRelatedInstances"),
    )


def _series(answer: Answer) -> RemoteSeries:
    return RemoteSeries(
        uid=answer.text("SeriesInstanceUID"),
        modality=answer.text("Modality"),
        description=answer.text("SeriesDescription"),
        instances=answer.number("NumberOfSeriesRelatedInstances"),
    )
