"""The door: one identified study in, what may leave of it out, and a reason for all the rest."""

import dataclasses
import hashlib
import struct
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pydicom.uid import ExplicitVRLittleEndian

from sightline import clock, log
from sightline.deid import documents
from sightline.deid.attributes import TABLE_EDITION
from sightline.deid.certifying import sign
from sightline.deid.codes import OUR_SCHEME, SCHEME
from sightline.deid.contract import Context, context_of, name_of
from sightline.deid.dataset import Dataset, Element, ParsedFile, read_file, write_dataset
from sightline.deid.escrow import keep_identity
from sightline.deid.faces import may_show_face
from sightline.deid.known_identifiers import (
    NOTHING_KNOWN,
    KnownIdentifiers,
    known_of_elements,
    known_of_patient,
)
from sightline.deid.marks import mark, options_of
from sightline.deid.pixels.clean import CleanedPixels, can_clean, clean_pixels
from sightline.deid.pixels.suspicion import may_hold_text
from sightline.deid.profile import DEFAULT_PROFILE, Profile, load_profile
from sightline.deid.quarantine import (
    BLACKENED,
    DECLARED,
    HIDDEN_OVERLAY,
    IODS_OF_MASKS,
    REASONS,
    reasons_to_hold,
    storage_class_of,
)
from sightline.deid.vault import Vault
from sightline.deid.vocabulary import Words, words_of
from sightline.deid.walk import PLACEHOLDER, Outcomes, Walk
from sightline.errors import DamagedObject, SightlineError, UnknownName
from sightline.formats.dicom_file import part10
from sightline.formats.dicom_text import charset_of, decode
from sightline.values.arrival import Holding
from sightline.values.identity import Digest, HubInstanceUid, HubSeriesUid, HubStudyUid
from sightline.values.study import (
    Certificate,
    DeidentifiedInstance,
    DeidentifiedStudy,
    IdentifiedInstance,
    IdentifiedStudy,
)

_log = log.get("deid")

_CHARACTER_SET, _SOP_CLASS, _SOP_INSTANCE = 0x00080005, 0x00080016, 0x00080018
_UTF_8 = b"ISO_IR 192"
_SERIES, _REFERENCED_SERIES = 0x0020000E, 0x00081115
_SEGMENTS, _SEGMENT_LABEL = 0x00620002, 0x00620005
_CONTENT, _CONCEPT_NAME, _TEXT_VALUE = 0x0040A730, 0x0040A043, 0x0040A160
_NAME_TAGS = (
    0x00080090,  # Referring Physician's Name
    0x00081048,  # Physician(s) of Record
    0x00081050,  # Performing Physician's Name
    0x00081060,  # Name of Physician(s) Reading Study
    0x00081070,  # Operators' Name
    0x00100010,  # Patient's Name
    0x00101001,  # Other Patient Names
    0x00321032,  # Requesting Physician
    0x00700084,  # Content Creator's Name
)
_SHORTEST_NAME = 3
_SEGMENTATION, _SECONDARY_CAPTURE = "segmentation", "secondary-capture-image"

# What a rule might raise on a value nobody thought of: that instance is held, the others pass.
_UNEXPECTED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    SightlineError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Passage:
    """What became of a study at the door.

    Attributes:
        study: what passed; None where nothing did.
        held: what waits in quarantine.
    """

    study: DeidentifiedStudy | None
    held: tuple[Holding, ...]


def pass_door(
    study: IdentifiedStudy,
    vault: Vault,
    profile: Profile | None = None,
    *,
    known: KnownIdentifiers = NOTHING_KNOWN,
) -> Passage:
    """De-identify a study, instance by instance; what is not certain is held.

    The same study, key and profile give the same bytes. Pictures that were made of our own results
    neither pass nor are held: the results they show do pass.

    Args:
        study: what came.
        vault: gives the names.
        profile: says what may leave; that of a hub where none is given.
        known: what the records know of the patient besides the study itself, for cleaning free
            text where the profile lets it pass.

    Raises:
        OSError: A stored file cannot be read.
    """
    door = _Door(study, vault, profile or load_profile(DEFAULT_PROFILE), known=known)
    passed: list[DeidentifiedInstance] = []
    held: list[Holding] = []
    for instance in study.instances:
        if _is_own_picture(instance):
            door.counts["own_picture_omitted"] += 1
            continue
        outcome = door.pass_instance(instance)
        if isinstance(outcome, str):
            held.append(hold(study, instance, outcome))
        else:
            passed.append(outcome)
    _log.info("study_at_door", study=vault.uid(study.uid), passed=len(passed), held=len(held))
    released = door.study(passed, held) if passed else None
    return Passage(study=released, held=tuple(held))


def put_together(
    study: IdentifiedStudy,
    passed: Sequence[DeidentifiedInstance],
    *,
    context: Context,
    counts: Mapping[str, int],
    held: Sequence[Holding],
) -> DeidentifiedStudy:
    """Put what passed of a study together, with its certificate.

    Args:
        study: what it was.
        passed: what leaves.
        context: of the patient.
        counts: how often each action was taken.
        held: what does not leave.
    """
    vault, profile, subject_id = context.vault, context.keep_list.profile, context.subject_id
    # Before anything leaves, so that every subject that is named has its way back.
    keep_identity(vault.folder, subject_id, study.patient)
    uid = HubStudyUid(name_of(study.uid, vault, profile))
    certificate = Certificate(
        study_uid=uid,
        subject_id=subject_id,
        profile=profile.label,
        table_edition=TABLE_EDITION,
        options=options_of(profile),
        actions=dict(sorted(counts.items())),
        outputs={each.uid: _digest(each.content) for each in passed},
        held=dict(sorted(Counter(holding.reason for holding in held).items())),
        created_at=clock.now().isoformat(),
    )
    return DeidentifiedStudy(
        uid=uid,
        subject_id=subject_id,
        instances=tuple(passed),
        certificate=sign(certificate, vault),
    )


class _Door:
    """One study on its way through.

    Attributes:
        counts: how often each action was taken on what passed.
    """

    def __init__(
        self,
        study: IdentifiedStudy,
        vault: Vault,
        profile: Profile,
        *,
        known: KnownIdentifiers,
    ) -> None:
        self._study = study
        self._profile = profile
        self._context = dataclasses.replace(
            context_of(study.patient, vault, profile),
            names=_name_words(study.patient.name),
            known=known.joined(known_of_patient(study.patient)) if profile.free_text else None,
        )
        self._last_context: Context | None = None
        self._outcomes: Outcomes = {}
        self.counts: Counter[str] = Counter()

    def pass_instance(self, instance: IdentifiedInstance) -> DeidentifiedInstance | str:
        """Return what leaves of an instance, or the reason why nothing does."""
        if not self._study.patient.patient_id.strip():
            return "no_patient_id"
        try:
            content = instance.read()
        except (DamagedObject, UnknownName):
            return "damaged"
        if instance.digest and _digest(content) != instance.digest:
            return "damaged"
        try:
            return self._clean(read_file(content, self._context.keep_list.sequences), instance)
        except _UNEXPECTED as error:
            # The message may quote a patient's value, so only its kind is told.
            kind = type(error).__name__
            _log.warning("instance_unreadable", digest=instance.digest[:12], why=kind)
            return "unreadable"

    def study(
        self, passed: Sequence[DeidentifiedInstance], held: Sequence[Holding]
    ) -> DeidentifiedStudy:
        """Put what passed together, with its certificate."""
        return put_together(
            self._study, passed, context=self._context, counts=self.counts, held=held
        )

    def _clean(
        self, parsed: ParsedFile, instance: IdentifiedInstance
    ) -> DeidentifiedInstance | str:
        if _text(parsed.elements, _SOP_INSTANCE) != instance.uid:
            return "identity_mismatch"
        storage_class = storage_class_of(_text(parsed.elements, _SOP_CLASS))
        if storage_class and storage_class.iod == documents.IOD and self._profile.free_text:
            return self._clean_document(parsed, instance)
        reasons = tuple(reasons_to_hold(parsed, storage_class, instance.released))
        unsolved = [reason for reason in reasons if reason not in BLACKENED or not can_clean()]
        if unsolved or storage_class is None:
            return unsolved[0]
        is_mask = storage_class.iod in IODS_OF_MASKS
        clean = self._pixels(parsed, reasons, is_mask=is_mask) if can_clean() else None
        if isinstance(clean, str):
            return clean
        walked = parsed if clean is None else clean.parsed
        return self._walk(walked, instance, iod=storage_class.iod, is_cleaned=clean is not None)

    def _walk(
        self, parsed: ParsedFile, instance: IdentifiedInstance, *, iod: str, is_cleaned: bool
    ) -> DeidentifiedInstance | str:
        context = _context_of(parsed, instance, self._context)
        if context != self._last_context:
            self._last_context, self._outcomes = context, {}
        walk = Walk(context, self._outcomes)
        cleaned = walk.clean(parsed.elements, iod)
        if _lost_a_class(cleaned):
            return "unknown_segment_name"
        shows_face = may_show_face(parsed.elements, iod)
        cleaned = mark(
            cleaned,
            self._context.subject_id,
            self._profile,
            shows_face=shows_face,
            are_pixels_cleaned=is_cleaned,
        )
        if not walk.is_ascii:
            cleaned[_CHARACTER_SET] = Element("CS", _UTF_8)
        self.counts.update(walk.counts)
        self.counts["released_by_a_person"] += bool(instance.released)
        self.counts["trailing_bytes_removed"] += parsed.trailing_bytes
        return _instance(cleaned, parsed.transfer_syntax_uid, instance)

    def _pixels(
        self, parsed: ParsedFile, reasons: Sequence[str], *, is_mask: bool
    ) -> CleanedPixels | str | None:
        """Blacken what text there is, or return the reason to hold; None where none can be."""
        is_suspect = bool(reasons) or (not is_mask and may_hold_text(parsed))
        if isinstance(is_suspect, str) or not is_suspect:
            return is_suspect or None
        hides_overlay = HIDDEN_OVERLAY in reasons
        outcome = clean_pixels(parsed, self._context.site_words, hides_overlay=hides_overlay)
        if isinstance(outcome, str):
            return outcome
        if DECLARED in reasons and not outcome.lines:
            return DECLARED
        self.counts["pixels_looked_at"] += 1
        self.counts["text_blackened"] += outcome.boxes
        self.counts["frames_blackened"] += outcome.frames
        self.counts["hidden_overlay_cleared"] += hides_overlay
        return outcome

    def _clean_document(
        self, parsed: ParsedFile, instance: IdentifiedInstance
    ) -> DeidentifiedInstance | str:
        context = _context_of(parsed, instance, self._context)
        cleaned = documents.clean_document(parsed, context)
        if isinstance(cleaned, str):
            return cleaned
        elements = mark(cleaned.elements, context.subject_id, self._profile, shows_face=None)
        self.counts.update(cleaned.counts)
        return _instance(elements, ExplicitVRLittleEndian, instance)


def _instance(
    cleaned: Dataset, transfer_syntax_uid: str, instance: IdentifiedInstance
) -> DeidentifiedInstance:
    uid, sop_class_uid = _text(cleaned, _SOP_INSTANCE), _text(cleaned, _SOP_CLASS)
    content = part10(
        *write_dataset(cleaned, transfer_syntax_uid),
        sop_class_uid=sop_class_uid,
        sop_instance_uid=uid,
        transfer_syntax_uid=transfer_syntax_uid,
    )
    source = _source_series(cleaned) if _SEGMENTS in cleaned else ""
    return DeidentifiedInstance(
        uid=HubInstanceUid(uid),
        series_uid=HubSeriesUid(_text(cleaned, _SERIES)),
        sop_class_uid=sop_class_uid,
        content=content,
        lineage_id=instance.lineage_id,
        source_series_uid=HubSeriesUid(source) if source else None,
    )


def _context_of(parsed: ParsedFile, instance: IdentifiedInstance, context: Context) -> Context:
    """Add what the instance itself says: its character set, its names, its own class names."""
    charset = charset_of(_bytes(parsed.elements.get(_CHARACTER_SET)))
    names = (
        _name_words(decode(_bytes(parsed.elements[tag]), charset))
        for tag in _NAME_TAGS
        if tag in parsed.elements
    )
    words = context.site_words
    if instance.lineage_id is not None:
        # Classes of our own models come from recipes, which know no patient.
        labels = (_text(item, _SEGMENT_LABEL) for item in _items(parsed.elements, _SEGMENTS))
        words = words.union(*map(words_of, labels))
    known = context.known
    if known is not None:
        known = known.joined(known_of_elements(parsed.elements, charset))
    return dataclasses.replace(
        context,
        charset=charset,
        names=context.names.union(*names),
        site_words=words,
        known=known,
    )


def _lost_a_class(cleaned: Dataset) -> bool:
    labels = (_bytes(item.get(_SEGMENT_LABEL)) for item in _items(cleaned, _SEGMENTS))
    return any(label == PLACEHOLDER for label in labels) or _lost_a_name(cleaned)


def _lost_a_name(cleaned: Dataset) -> bool:
    """Tell whether a report of ours that says values lost the name of a class or target."""
    title = next(iter(_items(cleaned, _CONCEPT_NAME)), {})
    if _text(title, SCHEME) != OUR_SCHEME:
        return False
    return any(_bytes(each.get(_TEXT_VALUE)) == PLACEHOLDER for each in _content(cleaned))


def _content(item: Dataset) -> Iterator[Dataset]:
    for each in _items(item, _CONTENT):
        yield each
        yield from _content(each)


def _source_series(cleaned: Dataset) -> str:
    referenced = _items(cleaned, _REFERENCED_SERIES)
    return _text(referenced[0], _SERIES) if referenced else ""


def _is_own_picture(instance: IdentifiedInstance) -> bool:
    storage_class = storage_class_of(instance.sop_class_uid)
    is_picture = storage_class is not None and storage_class.iod == _SECONDARY_CAPTURE
    return is_picture and instance.lineage_id is not None


def hold(study: IdentifiedStudy, instance: IdentifiedInstance, reason: str) -> Holding:
    """Describe an instance that does not pass."""
    return Holding(
        study_uid=study.uid,
        series_uid=instance.series_uid,
        instance_uid=instance.uid,
        digest=instance.digest,
        reason=reason,
        detail=_detail(reason),
    )


def _detail(reason: str) -> str:
    if reason in BLACKENED and not can_clean():
        return f"{REASONS[reason]} Such text is blackened with: pip install 'sightline[pixels]'."
    return REASONS[reason]


def _name_words(name: str) -> Words:
    return frozenset(word for word in words_of(name) if len(word) >= _SHORTEST_NAME)


def _items(elements: Dataset, tag: int) -> Sequence[Dataset]:
    element = elements.get(tag)
    return (element.items if element else None) or ()


def _text(elements: Dataset, tag: int) -> str:
    return _bytes(elements.get(tag)).decode("latin-1").strip("\0 ")


def _bytes(element: Element | None) -> bytes:
    return bytes(element.value) if element else b""


def _digest(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).hexdigest())
