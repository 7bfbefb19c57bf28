"""Re-keying: what the hub holds, under the names and dates of another key.

The key is that of a project, or the next one of the hub itself. Every object here passed the door
already. Subject, readers and UIDs get names of the key, and dates move once more by the subject's
own number of days with it, those in cleaned texts too. Private values of no known kind are left
out; everything else stays, byte for byte. So references resolve within a project, intervals stay
exact, and two projects share no name.
"""

from sightline.deid import dates, reader, rekeyed_text, subject, uids
from sightline.deid.attributes import TYPE_OPTIONAL, Attribute, facts, sequence_tags
from sightline.deid.contract import Context, Decision, context_of
from sightline.deid.dataset import Dataset, Element, read_file, write_dataset
from sightline.deid.private import safe_vrs
from sightline.deid.profile import DEFAULT_PROFILE, load_profile
from sightline.deid.vault import Vault
from sightline.deid.walk import DUMMIES, PLACEHOLDER
from sightline.errors import BadFile
from sightline.formats.dicom_file import part10
from sightline.values.identity import HubInstanceUid, HubSeriesUid, Patient, SubjectId

_CHARACTER_SET = 0x00080005
_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_RULES: dict[str, Decision] = {
    "subject": subject.clean,
    "reader": reader.clean,
    "uids": uids.clean,
    "dates": dates.clean,
    "surrogates": rekeyed_text.rekey,
}
# What passed the door without a line in the keep list still names nothing by these.
_RULES_BY_VR = {"UI": "uids", "DA": "dates", "DT": "dates"}
_TEXT_VRS = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
# Nobody can tell what stands in these where no line names them.
_OPAQUE_VRS = frozenset({"", "PN", "SQ", "UN"})
# What the door writes where nothing may leave is no value of anybody: moved, it would tell how far.
_DUMMIES = frozenset(DUMMIES[vr] for vr in _RULES_BY_VR if vr in DUMMIES)


class Rekeying:
    """Gives what the hub holds the names of another key.

    Args:
        key: of a project, or the outermost of the hub alone.
    """

    def __init__(self, key: Vault) -> None:
        self._key = key

    def subject(self, subject_id: SubjectId) -> SubjectId:
        """Return what a subject of the hub is called then."""
        return self._key.pseudonym(_as_patient(subject_id))

    def series(self, uid: HubSeriesUid) -> HubSeriesUid:
        """Return what a series of the hub is called then."""
        return HubSeriesUid(self._key.uid(uid))

    def instance(self, uid: HubInstanceUid) -> HubInstanceUid:
        """Return what an instance of the hub is called then."""
        return HubInstanceUid(self._key.uid(uid))

    def uid(self, uid: str) -> str:
        """Return what a study, a series or an instance of the hub is called then."""
        return self._key.uid(uid)

    def reader(self, name: str) -> str:
        """Return what an author is called then."""
        return self._key.reader(name)

    def date(self, date: str, subject_id: SubjectId) -> str:
        """Return a date of a subject of the hub, as DICOM writes it, moved once more.

        Raises:
            BadFile: It is no date.
        """
        element = _element(0x00080020, Element("DA", date.encode()), self._context(subject_id))
        return bytes(element.value).decode("ascii")

    def text(self, text: str, subject_id: SubjectId) -> str:
        """Return a text of a subject of the hub: dates in it moved, people numbered anew."""
        return rekeyed_text.rekeyed(text, self._context(subject_id))

    def content(self, content: bytes, subject_id: SubjectId) -> bytes:
        """Return an object of the hub with the names and dates of the key.

        Args:
            content: the Part 10 file.
            subject_id: whose it is in the hub.

        Raises:
            NotDicom: The object cannot be read.
            BadFile: A value in it is not what the door lets pass.
        """
        parsed = read_file(content, sequence_tags())
        elements = _rekeyed(parsed.elements, self._context(subject_id))
        if _CHARACTER_SET not in elements and not _is_ascii(elements):
            elements[_CHARACTER_SET] = Element("CS", b"ISO_IR 192")
        return part10(
            *write_dataset(elements, parsed.transfer_syntax_uid),
            sop_class_uid=_text(elements[_SOP_CLASS]),
            sop_instance_uid=_text(elements[_SOP_INSTANCE]),
            transfer_syntax_uid=parsed.transfer_syntax_uid,
        )

    def _context(self, subject_id: SubjectId) -> Context:
        return context_of(_as_patient(subject_id), self._key, load_profile(DEFAULT_PROFILE))


def _rekeyed(elements: Dataset, context: Context) -> Dataset:
    # An implicit file does not say its VRs; the list of safe private attributes does.
    private = safe_vrs(elements)
    vrs = {tag: element.vr or private.get(tag, "") for tag, element in elements.items()}
    return {
        tag: _element(tag, element, context, vr=vrs[tag])
        for tag, element in elements.items()
        if not (tag >> 16 & 1 and vrs[tag] in _OPAQUE_VRS)
    }


def _is_ascii(elements: Dataset) -> bool:
    """Tell whether all text is: a month that a date moved to may be `März`."""
    return all(
        all(map(_is_ascii, element.items))
        if element.items is not None
        else _vr_of(tag, element) not in _TEXT_VRS or bytes(element.value).isascii()
        for tag, element in elements.items()
    )


def _element(tag: int, element: Element, context: Context, *, vr: str = "") -> Element:
    if element.items is not None:
        return element._replace(items=tuple(_rekeyed(item, context) for item in element.items))
    fact = facts().get(tag)
    # Of what is not private the dictionary says the VR.
    vr = vr or element.vr or (fact.vr if fact else "")
    by_vr = _RULES_BY_VR.get(vr, "")
    rule = fact.rule if fact and fact.rule in _RULES else by_vr
    if not rule and vr in _TEXT_VRS:
        rule = "surrogates"
    plain = bytes(element.value).strip(b"\0 ")
    is_nobodys = plain in {b"", PLACEHOLDER} or plain in _DUMMIES
    if not rule or (is_nobodys and rule != "subject"):
        return element
    value = _RULES[rule](bytes(element.value), _attribute(tag, vr, rule), context)
    if value is None:
        raise BadFile(
            f"attribute {tag:08X} holds a value that does not pass the door",
            hint="Let the study pass the door again, then run this once more.",
        )
    return element._replace(vr=vr, value=value)  # the VR says how a value is padded


def _vr_of(tag: int, element: Element) -> str:
    """Return the VR: an implicit file does not say it, the dictionary does."""
    fact = facts().get(tag)
    return element.vr or (fact.vr if fact else "")


def _attribute(tag: int, vr: str, rule: str) -> Attribute:
    return Attribute(
        tag=tag,
        keyword="",
        vr=vr,
        least=1,
        most=None,
        rule=rule,
        top_type=TYPE_OPTIONAL,
        nested_type=TYPE_OPTIONAL,
        other_types={},
    )


def _as_patient(subject_id: SubjectId) -> Patient:
    return Patient(patient_id=subject_id)


def _text(element: Element) -> str:
    return bytes(element.value).decode("latin-1").strip("\0 ")
